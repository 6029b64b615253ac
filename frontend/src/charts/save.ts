// Charts as files: a picture with all that the page shows of them, and a table.

import type uPlot from "uplot";

import { palette } from "./colors.ts";

/** An entry of a picture's legend. */
export interface Entry {
  label: string;
  color: string;
  dash: boolean;
}

const EDGE_PX = 16;
const TITLE_PX = 24;
const LINE_PX = 20;

/** Hands `content` to the browser as a file. */
export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function saveCsv(file: string, content: string): void {
  save(`${fileName(file)}.csv`, new Blob([content], { type: "text/csv;charset=utf-8" }));
}

/** The plot with its title and legend on the ground of the theme. */
export function savePng(file: string, plot: uPlot | undefined, title: string, entries: readonly Entry[]): void {
  if (plot === undefined) return;
  const picture = paint(plot, title, entries);
  picture.toBlob((content) => {
    if (content !== null) save(`${fileName(file)}.png`, content);
  }, "image/png");
}

/** Without what file systems don't take. */
export function fileName(text: string): string {
  const tidy = text.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|[-.]+$/g, "");
  return tidy.slice(0, 120) || "loads";
}

function paint(plot: uPlot, title: string, entries: readonly Entry[]): HTMLCanvasElement {
  const source = plot.ctx.canvas;
  const px = source.width / plot.width;
  const colors = palette();
  const picture = document.createElement("canvas");
  const ctx = picture.getContext("2d") as CanvasRenderingContext2D;
  const small = `12px ${colors.font}`;
  ctx.font = small;
  const places = wrap(entries, plot.width, (text) => ctx.measureText(text).width);
  const lines = (places[places.length - 1]?.line ?? -1) + 1;
  const head = EDGE_PX + TITLE_PX + lines * LINE_PX + 4;
  picture.width = Math.round((plot.width + 2 * EDGE_PX) * px);
  picture.height = Math.round((plot.height + head + EDGE_PX) * px);
  ctx.scale(px, px);
  ctx.fillStyle = colors.ground;
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.fillStyle = colors.text;
  ctx.textBaseline = "middle";
  ctx.font = `600 14px ${colors.font}`;
  ctx.fillText(title, EDGE_PX, EDGE_PX + TITLE_PX / 2 - 2, plot.width);
  ctx.font = small;
  entries.forEach((entry, at) => {
    const { x, line } = places[at] ?? { x: 0, line: 0 };
    paintEntry(ctx, entry, EDGE_PX + x, EDGE_PX + TITLE_PX + line * LINE_PX + LINE_PX / 2 - 2);
  });
  ctx.drawImage(source, EDGE_PX, head, plot.width, plot.height);
  return picture;
}

function paintEntry(ctx: CanvasRenderingContext2D, entry: Entry, x: number, y: number): void {
  ctx.strokeStyle = entry.color;
  ctx.lineWidth = 2.5;
  ctx.setLineDash(entry.dash ? [4, 3] : []);
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x + 16, y);
  ctx.stroke();
  ctx.fillText(entry.label, x + 22, y);
}

/** Where each entry stands: from left to right, in as many lines as it takes. */
export function wrap(
  entries: readonly Entry[],
  width: number,
  measure: (text: string) => number,
): { x: number; line: number }[] {
  let x = 0;
  let line = 0;
  return entries.map((entry) => {
    const own = 22 + measure(entry.label) + 18;
    if (x > 0 && x + own > width) {
      x = 0;
      line += 1;
    }
    const place = { x, line };
    x += own;
    return place;
  });
}
