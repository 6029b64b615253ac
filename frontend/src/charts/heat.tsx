// How long requests took over time: each field is a span and a band of times, and the darker the more fell into it.

import { useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { count, moment, percent, rate, time } from "../format.ts";
import { logTicks, tickTexts } from "./axis.ts";
import { palette, ramp } from "./colors.ts";
import { heatCsv } from "./csv.ts";
import { nearest } from "./data.ts";
import { Frame } from "./frame.tsx";
import { type Bins, bin, fieldAt, rowEnds, rowOf, rowStart_us, strength } from "./heatbins.ts";
import { type PlotSpec, valueAxis } from "./plot.ts";
import { saveCsv, savePng } from "./save.ts";
import type { HeatPoint, Mark } from "./types.ts";
import { usePlot } from "./useplot.ts";
import type { View } from "./view.ts";

export type { HeatPoint } from "./types.ts";

export interface HeatMapProps {
  title: string;
  /** In order of time. */
  points: readonly HeatPoint[];
  view: View;
  marks?: readonly Mark[];
  /** The name of saved files, without ending. */
  file: string;
  height?: number;
  note?: string;
}

/** What the field below the pointer says. */
interface Tip {
  /** From the left, or if it `isLate` from the right. */
  left_px: number;
  top_px: number;
  isLate: boolean;
  lines: readonly string[];
}

const NO_MARKS: readonly Mark[] = [];

/** The axis of an empty map. */
const NO_ENDS: [number, number] = [rowOf(1_000), rowOf(1_000_000)];

const SHADES = 64;
/** No field is narrower than that in pixels of the screen. */
const COLUMN_PX = 2;

export function HeatMap({ title, points, view, marks = NO_MARKS, file, height = 190, note }: HeatMapProps) {
  const [tip, setTip] = useState<Tip | null>(null);
  const [max, setMax] = useState(0);
  const data = useMemo(() => dataOf(points), [points]);
  const xs = data[0] as number[];
  const ends = useMemo(() => rowEnds(points) ?? NO_ENDS, [points]);
  const now = useRef({ points, ends });
  now.current = { points, ends };
  const last = points[points.length - 1];
  const plotted = usePlot(
    String(height),
    () => ({
      ...looks(() => now.current.ends),
      height,
      paint: (drawn) => setMax(paintHeat(drawn, now.current.points, now.current.ends)),
      onCursor: (drawn, isHere) => setTip(isHere ? tipAt(drawn, now.current.points) : null),
    }),
    { view, data, marks, end_s: last === undefined ? 0 : (last.t_us + last.width_us) / 1e6 },
  );
  return (
    <Frame
      {...{ title, note, view, marks, height, ...plotted }}
      summary={`Times between ${time(rowStart_us(ends[0]))} and ${time(rowStart_us(ends[1] + 1))}`}
      isEmpty={points.length === 0}
      legend={<Scale max={max} />}
      onCsv={() => saveCsv(file, heatCsv(points))}
      onPng={() => savePng(file, plotted.plot.current?.plot, title, [])}
      next={(t_s, steps) => stepIn(xs, t_s, steps)}
      read={(t_s) => commonest(points, t_s)}
    >
      {tip !== null && <FieldTip tip={tip} />}
    </Frame>
  );
}

/** Columns at the middles of their spans, for uPlot's cursor to find; the picture itself is painted below. */
function dataOf(points: readonly HeatPoint[]): uPlot.AlignedData {
  const xs = points.map((point) => (point.t_us + point.width_us / 2) / 1e6);
  return [xs, xs.map(() => null)];
}

function stepIn(xs: readonly number[], t_s: number | null, steps: number): number | null {
  const at = t_s === null ? (steps < 0 ? xs.length : -1) : nearest(xs, t_s);
  return xs[Math.min(Math.max(at + steps, 0), xs.length - 1)] ?? null;
}

function FieldTip({ tip }: { tip: Tip }) {
  const side = tip.isLate ? "right" : "left";
  return (
    <div class="chart-tip" style={{ [side]: `${tip.left_px}px`, top: `${tip.top_px}px` }}>
      {tip.lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
    </div>
  );
}

/** Which colour stands for how much. */
function Scale({ max }: { max: number }) {
  return (
    <div class="legend heat-scale" aria-hidden="true">
      <span>0</span>
      <span class="heat-ramp" />
      <span>{rate(max)} requests/s</span>
    </div>
  );
}

function looks(ends: () => [number, number]): Pick<PlotSpec, "axes" | "scales" | "series"> {
  return {
    axes: [
      {
        ...valueAxis("y", 3, (ticks) => tickTexts("us", ticks, null), (low, high, px) => logTicks(low, high, px / 24)),
        grid: { show: false },
      },
    ],
    scales: {
      y: { distr: 3, log: 10, range: () => [rowStart_us(ends()[0]), rowStart_us(ends()[1] + 1)] },
    },
    series: [{ scale: "y", points: { show: false } }],
  };
}

/** Draws what is shown, and returns how much the strongest colour stands for. */
function paintHeat(plot: uPlot, points: readonly HeatPoint[], ends: readonly [number, number]): number {
  const { min, max } = plot.scales["x"] ?? {};
  if (min == null || max == null || points.length === 0) return 0;
  const { left, top, width, height } = plot.bbox;
  const bins = bin(points, min, max, Math.max(1, Math.round(width / uPlot.pxRatio / COLUMN_PX)), ends);
  const { ctx } = plot;
  ctx.save();
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(picture(bins), left, top, width, height);
  ctx.restore();
  return bins.max;
}

/** One pixel for each field; where nothing was measured it is clear. */
function picture(bins: Bins): HTMLCanvasElement {
  const { columns, rows, rates, max } = bins;
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const ctx = canvas.getContext("2d") as CanvasRenderingContext2D;
  const image = ctx.createImageData(columns, rows);
  const shades = ramp(palette().heat, SHADES);
  for (let column = 0; column < columns; column += 1) {
    for (let row = 0; row < rows; row += 1) {
      const field = rates[column * rows + row] as number;
      if (Number.isNaN(field)) continue;
      const shade = field > 0 ? 1 + Math.round(strength(field, max) * (SHADES - 2)) : 0;
      const at = ((rows - 1 - row) * columns + column) * 4;
      image.data.set(shades.subarray(shade * 3, shade * 3 + 3), at);
      image.data[at + 3] = 255;
    }
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

/** What the pointer is over, in words; null: nothing was measured there. */
function tipAt(plot: uPlot, points: readonly HeatPoint[]): Tip | null {
  const { left = -1, top = -1 } = plot.cursor;
  if (left < 0 || top < 0) return null;
  const row = rowOf(plot.posToVal(top, "y"));
  const found = fieldAt(points, plot.posToVal(left, "x"), row);
  if (found === null) return null;
  const { point, count: counted, all } = found;
  const over = plot.over;
  const isLate = left > over.clientWidth / 2;
  const x_px = isLate ? plot.width - over.offsetLeft - left : over.offsetLeft + left;
  return {
    left_px: x_px + 12,
    top_px: Math.min(over.offsetTop + top + 8, plot.height - 72),
    isLate,
    lines: [
      `${moment(point.t_us / 1e6)} to ${moment((point.t_us + point.width_us) / 1e6)}`,
      `${time(rowStart_us(row))} to ${time(rowStart_us(row + 1))}`,
      `${count(counted)} of ${count(all)} requests${all ? ` (${percent(counted / all)})` : ""}`,
    ],
  };
}

function commonest(points: readonly HeatPoint[], t_s: number): string {
  const found = fieldAt(points, t_s, -1);
  if (found === null) return "nothing was measured";
  const { heat } = found.point;
  let most = 0;
  for (let at = 0; at + 1 < heat.length; at += 2) if ((heat[at + 1] ?? 0) > (heat[most + 1] ?? 0)) most = at;
  const row = heat[most] ?? 0;
  return `${count(found.all)} requests, most between ${time(rowStart_us(row))} and ${time(rowStart_us(row + 1))}`;
}
