// One uPlot on the page: its size, when it is drawn, and what ties it to the others of its View. Chart and HeatMap say
// what is drawn; this knows nothing of lines or fields.
//
// It draws only what can be seen: data that comes while the plot is out of view waits until it is scrolled in, and
// however often something changes it is drawn once in a frame of the screen.

import uPlot from "uplot";

import { onTheme } from "../parts/theme.ts";
import { isPrinting, onPrinting } from "../parts/printing.ts";
import { TIME_STEPS_S, momentTexts } from "./axis.ts";
import { faded, palette } from "./colors.ts";
import { type Flag, KINDS, FLAG_PX, flagsOf } from "./flags.ts";
import type { Mark } from "./types.ts";
import type { View } from "./view.ts";

/** Of all plots, so that those below each other line up. */
export const LEFT_PX = 58;
const TOP_PX = 20;
const BOTTOM_PX = 26;
/** Half of what A4 has between its margins: what is printed is laid out only after it was drawn. */
const PAPER_PX = 335;

export interface PlotSpec {
  /** All but the time axis. */
  axes: uPlot.Axis[];
  scales: uPlot.Scales;
  series: uPlot.Series[];
  height: number;
  /** Draws below the lines. */
  paint?: (plot: uPlot) => void;
  /** The cursor was moved, here or elsewhere; `isHere`: the pointer is over this plot. */
  onCursor: (plot: uPlot, isHere: boolean) => void;
  /** Other flags are shown. */
  onFlags: (flags: readonly Flag[], left_px: number) => void;
  onDrawn?: (plot: uPlot) => void;
}

export class Plot {
  readonly plot: uPlot;
  private data: uPlot.AlignedData = [[]];
  private marks: readonly Mark[] = [];
  private flags: readonly Flag[] = [];
  private told = "";
  private isSeen = typeof IntersectionObserver === "undefined";
  private isStale = true;
  private isWaiting = false;
  private isFollowing = false;
  private readonly ends: (() => void)[] = [];

  constructor(
    private readonly host: HTMLElement,
    private readonly view: View,
    private readonly spec: PlotSpec,
  ) {
    this.plot = new uPlot(this.options(), [[], ...spec.series.map(() => [])] as unknown as uPlot.AlignedData, host);
    this.watch();
  }

  /** Shows that; at once, or when it comes into view. */
  show(data: uPlot.AlignedData, marks: readonly Mark[]): void {
    this.data = data;
    this.marks = marks;
    this.touch();
  }

  /** Something changed: draws in the next frame, if it is seen. */
  touch(): void {
    this.isStale = true;
    if (!this.isSeen || this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.draw();
    });
  }

  destroy(): void {
    for (const end of this.ends) end();
    this.plot.destroy();
    this.isSeen = false;
  }

  private draw(): void {
    if (!this.isStale || !this.isSeen) return;
    this.isStale = false;
    const { from_s, to_s } = this.view.shown;
    this.plot.batch(() => {
      this.plot.setData(this.data, false);
      this.plot.setScale("x", { min: from_s, max: to_s });
    });
    this.placeFlags();
    this.follow();
  }

  /** Puts the cursor where the View has it. */
  private follow(): void {
    const { cursor } = this.view;
    const left = cursor === null ? -10 : this.plot.valToPos(cursor, "x");
    const isInside = left >= 0 && left <= this.plot.over.clientWidth;
    this.isFollowing = true;
    this.plot.setCursor({ left: isInside ? left : -10, top: -10 });
    this.isFollowing = false;
    this.spec.onCursor(this.plot, false);
  }

  private placeFlags(): void {
    const { from_s, to_s } = this.view.shown;
    const left_px = this.plot.over.offsetLeft;
    this.flags = flagsOf(this.marks, from_s, to_s, this.plot.over.clientWidth);
    const told = JSON.stringify([left_px, this.flags]);
    if (told === this.told) return;
    this.told = told;
    this.spec.onFlags(this.flags, left_px);
  }

  private watch(): void {
    const { host } = this;
    const resizes = new ResizeObserver(() => this.resize());
    resizes.observe(host);
    this.ends.push(() => resizes.disconnect());
    if (typeof IntersectionObserver !== "undefined") {
      const sights = new IntersectionObserver((entries) => {
        this.isSeen = entries[entries.length - 1]?.isIntersecting ?? true;
        if (this.isSeen && this.isStale) this.touch();
      }, { rootMargin: "200px" });
      sights.observe(host);
      this.ends.push(() => sights.disconnect());
    }
    this.ends.push(
      this.view.subscribe((change) => {
        if (change === "range") this.touch();
        else if (this.isSeen && !host.matches(":hover")) this.follow();
      }),
      onTheme(() => {
        this.told = "";
        this.touch();
      }),
      onPrinting(() => this.print()),
    );
  }

  private resize(): void {
    const width = isPrinting() ? PAPER_PX : this.host.clientWidth;
    if (width <= 0 || width === this.plot.width) return;
    this.plot.setSize({ width, height: this.spec.height });
    this.touch();
  }

  /** On paper everything is drawn, seen or not, and in that moment: the browser does not wait. */
  private print(): void {
    const wasSeen = this.isSeen;
    this.isSeen = true;
    this.isStale = true;
    this.resize();
    this.draw();
    this.isSeen = wasSeen;
  }

  private options(): uPlot.Options {
    const { spec } = this;
    return {
      width: Math.max(this.host.clientWidth, 120),
      height: spec.height,
      padding: [TOP_PX, spec.axes.length > 1 ? 0 : 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 7, width: 1.5, fill: () => palette().ground },
        drag: { x: true, y: false, setScale: false, dist: 4 },
        bind: {
          dblclick: () => () => {
            this.view.reset();
            return null;
          },
        },
      },
      scales: { x: { time: false, auto: false }, ...spec.scales },
      axes: [timeAxis(), ...spec.axes],
      series: [{}, ...spec.series],
      hooks: {
        ready: [(plot) => byTouch(plot)],
        setCursor: [(plot) => this.cursorMoved(plot)],
        setSelect: [(plot) => this.selected(plot)],
        drawClear: [(plot) => drawBands(plot, this.marks)],
        drawAxes: [(plot) => spec.paint?.(plot)],
        draw: [
          (plot) => {
            drawFlags(plot, this.flagsNow(plot));
            spec.onDrawn?.(plot);
          },
        ],
      },
    };
  }

  private flagsNow(plot: uPlot): readonly Flag[] {
    const { from_s, to_s } = this.view.shown;
    return flagsOf(this.marks, from_s, to_s, plot.over.clientWidth);
  }

  private cursorMoved(plot: uPlot): void {
    if (this.isFollowing) return;
    const left = plot.cursor.left ?? -10;
    this.view.moveCursor(left < 0 ? null : plot.posToVal(left, "x"));
    this.spec.onCursor(plot, left >= 0);
  }

  private selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    this.view.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
}

/** An axis of values on the left or the right, in the colours of the theme. */
export function valueAxis(
  scale: string,
  side: 1 | 3,
  texts: (ticks: number[], step: number) => string[],
  splits?: (low: number, high: number, height_px: number) => number[],
): uPlot.Axis {
  return {
    scale,
    side,
    size: side === 3 ? LEFT_PX : LEFT_PX - 2,
    gap: 6,
    space: 34,
    stroke: () => palette().faint,
    font: `11px ${palette().font}`,
    grid: { show: side === 3, stroke: () => palette().grid, width: 1 },
    ticks: { show: false },
    border: { show: false },
    values: (_, ticks, __, ___, step) => texts(ticks, step),
    // uPlot leaves most ticks of a logarithmic axis without a text; ours all have room for one.
    ...(splits && {
      splits: (plot, _, low, high) => splits(low, high, plot.over.clientHeight),
      filter: (_, ticks) => ticks,
    }),
  };
}

function timeAxis(): uPlot.Axis {
  return {
    scale: "x",
    size: BOTTOM_PX,
    gap: 5,
    space: 62,
    incrs: TIME_STEPS_S,
    stroke: () => palette().faint,
    font: `11px ${palette().font}`,
    grid: { show: false },
    ticks: { stroke: () => palette().edge, width: 1, size: 4 },
    border: { show: true, stroke: () => palette().edge, width: 1 },
    values: (_, ticks, __, ___, step) => momentTexts(ticks, step),
  };
}

/** A finger that moves sideways moves the cursor; up and down it scrolls the page. */
function byTouch(plot: uPlot): void {
  plot.over.style.touchAction = "pan-y";
  plot.over.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") return;
    const box = plot.over.getBoundingClientRect();
    plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
  });
}

function drawBands(plot: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  const { min = 0, max = 0 } = plot.scales["x"] ?? {};
  for (const mark of marks) {
    if (mark.until_s === null || mark.until_s <= (min ?? 0) || mark.t_s >= (max ?? 0)) continue;
    const left = Math.max(plot.valToPos(mark.t_s, "x", true), bbox.left);
    const right = Math.min(plot.valToPos(mark.until_s, "x", true), bbox.left + bbox.width);
    ctx.fillStyle = faded(palette().lines[KINDS[mark.kind].color], 0.13);
    ctx.fillRect(left, bbox.top, Math.max(right - left, 1), bbox.height);
  }
}

function drawFlags(plot: uPlot, flags: readonly Flag[]): void {
  const { ctx, bbox } = plot;
  const px = uPlot.pxRatio;
  const colors = palette();
  ctx.save();
  for (const flag of flags) {
    const color = colors.lines[KINDS[flag.kind].color];
    const x = bbox.left + flag.x_px * px;
    ctx.strokeStyle = color;
    ctx.lineWidth = px;
    ctx.setLineDash([3 * px, 3 * px]);
    for (const mark of flag.marks) {
      const at = Math.round(Math.max(plot.valToPos(mark.t_s, "x", true), bbox.left)) + 0.5 * (px % 2);
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    const size = (FLAG_PX - 2) * px;
    ctx.fillStyle = color;
    ctx.beginPath();
    ctx.roundRect(x - size / 2, bbox.top - size - 2 * px, size, size, 3 * px);
    ctx.fill();
    ctx.fillStyle = colors.ground;
    ctx.font = `700 ${9.5 * px}px ${colors.font}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(flag.sign, x, bbox.top - size / 2 - 1.5 * px);
  }
  ctx.restore();
}
