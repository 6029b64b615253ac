// Lines over time.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";

import { moment } from "../format.ts";
import { logEnds, logTicks, roundTop, tickTexts, valueText } from "./axis.ts";
import { faded, palette } from "./colors.ts";
import { chartCsv } from "./csv.ts";
import { type Prepared, extent, latest, nearest, prepare } from "./data.ts";
import { Frame } from "./frame.tsx";
import { type PlotSpec, valueAxis } from "./plot.ts";
import { type Entry, saveCsv, savePng } from "./save.ts";
import type { Line, Mark, Unit } from "./types.ts";
import { usePlot } from "./useplot.ts";
import type { View } from "./view.ts";

export type { ColorName, Line, Mark, Unit } from "./types.ts";

export interface ChartProps {
  title: string;
  /** Of the left axis. */
  unit: Unit;
  /** Of the right axis, for lines with `axis: "right"`; the left one's if it is left out. */
  rightUnit?: Unit;
  /** Where each point begins, in seconds since the start, rising. */
  times: readonly number[];
  /** How wide each point is in seconds. Left out: points are moments, and there are no holes between them. */
  widths?: readonly number[];
  lines: readonly Line[];
  marks?: readonly Mark[];
  view: View;
  /** The name of saved files, without ending. */
  file: string;
  /** Of the plot, in pixels. */
  height?: number;
  /** A remark below the title. */
  note?: string;
  /** Offers a logarithmic axis, for times. */
  log?: boolean;
}

const NO_MARKS: readonly Mark[] = [];

/** Steps of an axis that counts whole things. */
const WHOLE_STEPS = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

/**
 * Lines over time, tied to the others of its View. Only what changes the plot itself (lines, units, height) makes it
 * anew; data goes into the one that is there.
 */
export function Chart(props: ChartProps) {
  const { title, times, widths, lines, marks = NO_MARKS, view, height = 190, file } = props;
  const legend = useRef<HTMLUListElement>(null);
  const [isLog, setLog] = useState(false);
  const [turned, setTurned] = useState<ReadonlySet<string>>(new Set());
  const isHidden = (line: Line) => (line.hidden ?? false) !== turned.has(line.label);
  const units = lines.map((line) => (line.axis === "right" ? (props.rightUnit ?? props.unit) : props.unit));
  const drawn = useMemo(() => prepare(times, widths, lines, isLog), [times, widths, lines, isLog]);
  const now = useRef({ drawn, lines, units });
  now.current = { drawn, lines, units };
  const tell = () => showValues(legend.current, view.cursor, now.current);
  const plotted = usePlot(
    shapeOf(lines, units, isHidden, isLog, height),
    () => ({ ...looks(lines, units, isHidden, isLog, () => now.current.drawn), height, onCursor: tell }),
    { view, data: drawn.data, marks, end_s: drawn.end_s },
  );
  useEffect(tell, [drawn, view]);
  return (
    <Frame
      {...{ title, view, marks, height, ...plotted }}
      note={props.note}
      summary={summaryOf(lines, units)}
      isEmpty={times.length === 0}
      tools={props.log && <LogSwitch isOn={isLog} onTurn={setLog} />}
      legend={<Legend {...{ lines, isHidden }} list={legend} onTurn={(label) => setTurned(other(turned, label))} />}
      onCsv={() => saveCsv(file, chartCsv(times, widths, lines, units))}
      onPng={() => savePng(file, plotted.plot.current?.plot, title, entriesOf(lines, isHidden))}
      next={(t_s, steps) => step(drawn, t_s, steps)}
      read={(t_s) => readAt(drawn, t_s, lines, units)}
    />
  );
}

function LogSwitch({ isOn, onTurn }: { isOn: boolean; onTurn: (on: boolean) => void }) {
  return (
    <button type="button" class="chart-tool" aria-pressed={isOn} title="Logarithmic axis" onClick={() => onTurn(!isOn)}>
      log
    </button>
  );
}

/** All that a plot is made of, but for its values: another text, another plot. */
function shapeOf(
  lines: readonly Line[],
  units: readonly Unit[],
  isHidden: (line: Line) => boolean,
  isLog: boolean,
  height: number,
): string {
  return JSON.stringify([height, isLog, units, lines.map((line) => ({ ...line, values: isHidden(line) }))]);
}

/** What a picture's legend says. */
function entriesOf(lines: readonly Line[], isHidden: (line: Line) => boolean): Entry[] {
  const shown = lines.filter((line) => !isHidden(line));
  return shown.map(({ label, color, dash = false }) => ({ label, color: palette().lines[color], dash }));
}

function readAt(drawn: Prepared, t_s: number, lines: readonly Line[], units: readonly Unit[]): string {
  const at = nearest(drawn.data[0], t_s);
  return lines.map((line, index) => `${line.label} ${textOf(drawn, index, at, units)}`).join(", ");
}

interface LegendProps {
  lines: readonly Line[];
  isHidden: (line: Line) => boolean;
  list: { current: HTMLUListElement | null };
  onTurn: (label: string) => void;
}

/** The lines' names, and their values at the cursor: those are written by `showValues`, without drawing anew. */
function Legend({ lines, isHidden, list, onTurn }: LegendProps) {
  return (
    <ul class="legend" ref={list}>
      {lines.map((line) => (
        <li key={line.label}>
          <button
            type="button"
            class="legend-entry"
            aria-pressed={!isHidden(line)}
            title={isHidden(line) ? "Show" : "Hide"}
            onClick={() => onTurn(line.label)}
          >
            <span class={`legend-swatch${line.dash ? " is-dashed" : ""}`} style={{ color: `var(--c-${line.color})` }} />
            {line.label}
          </button>
          <span class="legend-value" />
        </li>
      ))}
      <li class="legend-time" />
    </ul>
  );
}

function showValues(
  list: HTMLUListElement | null,
  cursor_s: number | null,
  { drawn, lines, units }: { drawn: Prepared; lines: readonly Line[]; units: readonly Unit[] },
): void {
  if (list === null) return;
  const at = cursor_s === null ? -1 : nearest(drawn.data[0], cursor_s);
  lines.forEach((_, index) => {
    write(list.children[index]?.lastElementChild, at < 0 ? "" : textOf(drawn, index, at, units));
  });
  write(list.lastElementChild, at < 0 ? "" : moment(Math.floor(drawn.data[0][at] ?? 0)));
}

function write(place: Element | null | undefined, text: string): void {
  if (place && place.textContent !== text) place.textContent = text;
}

function textOf(drawn: Prepared, index: number, at: number, units: readonly Unit[]): string {
  return valueText(units[index] ?? "", drawn.data[index + 1]?.[at] ?? null);
}

/** Axes, scales and lines as uPlot has them. */
function looks(
  lines: readonly Line[],
  units: readonly Unit[],
  isHidden: (line: Line) => boolean,
  isLog: boolean,
  drawn: () => Prepared,
): Pick<PlotSpec, "axes" | "scales" | "series"> {
  const range = (_: uPlot, min: number | null, max: number | null): uPlot.Range.MinMax =>
    isLog ? logEnds(min, max) : [0, roundTop(max)];
  const scale: uPlot.Scale = isLog ? { distr: 3, log: 10, range } : { range };
  const left = lines.findIndex((line) => line.axis !== "right");
  const right = lines.findIndex((line) => line.axis === "right");
  const axes = [axisOf("y", 3, units[left] ?? units[0] ?? "", isLog)];
  if (right >= 0) axes.push(axisOf("r", 1, units[right] ?? "", isLog));
  return {
    axes,
    scales: right < 0 ? { y: scale } : { y: scale, r: scale },
    series: lines.map((line, index) => seriesOf(line, !isHidden(line), () => drawn().lone[index] ?? [])),
  };
}

function axisOf(name: string, side: 1 | 3, unit: Unit, isLog: boolean): uPlot.Axis {
  const texts = (ticks: number[], apart: number) => tickTexts(unit, ticks, isLog ? null : apart);
  if (isLog) return valueAxis(name, side, texts, (low, high, px) => logTicks(low, high, px / 24));
  return { ...valueAxis(name, side, texts), ...(unit === "" && { incrs: WHOLE_STEPS }) };
}

function seriesOf(line: Line, isShown: boolean, lone: () => number[]): uPlot.Series {
  const color = () => palette().lines[line.color];
  return {
    label: line.label,
    scale: line.axis === "right" ? "r" : "y",
    show: isShown,
    width: 1.6,
    stroke: color,
    ...(line.dash && { dash: [5, 4] }),
    ...(line.fill && { fill: () => faded(color(), 0.13) }),
    points: { show: () => false, filter: lone, size: 4, fill: color },
  };
}

function summaryOf(lines: readonly Line[], units: readonly Unit[]): string {
  return lines
    .map((line, index) => {
      const ends = extent(line.values);
      if (ends === null) return `${line.label}: nothing`;
      const [low, high, last] = [...ends, line.values[latest(line.values)] ?? null].map((value) =>
        valueText(units[index] ?? "", value),
      );
      return `${line.label}: ${low} to ${high}, at last ${last}`;
    })
    .join("; ");
}

/** The time of the point that is so many steps from `t_s`; null: there are no points. */
export function step({ data: [xs], rows }: Prepared, t_s: number | null, steps: number): number | null {
  if (xs.length === 0) return null;
  let at = t_s === null ? (steps < 0 ? xs.length : -1) : nearest(xs, t_s);
  const way = Math.sign(steps);
  for (let left = Math.abs(steps); left > 0; ) {
    const to = at + way;
    if (to < 0 || to >= xs.length) break;
    at = to;
    if (rows[at] !== -1) left -= 1;
  }
  return xs[Math.min(Math.max(at, 0), xs.length - 1)] ?? null;
}

function other(all: ReadonlySet<string>, one: string): ReadonlySet<string> {
  const made = new Set(all);
  if (!made.delete(one)) made.add(one);
  return made;
}
