// Tables as CSV (RFC 4180): lines end in CR LF, and what holds a comma, a quote or a line break stands in quotes.

import type { HeatPoint, Line, Unit } from "./types.ts";
import { rowStart_us } from "./heatbins.ts";

export type Cell = string | number | null;

const UNIT_NAMES: Record<Unit, string> = {
  us: "us",
  "/s": "per s",
  "": "",
  share: "share",
  bytes: "bytes",
  "bytes/s": "bytes per s",
};

/**
 * A text cell. Spreadsheets take what begins with one of these for a formula and run it, and names of requests are not
 * ours: an apostrophe keeps it text. (OWASP, "CSV injection")
 */
function text(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(rows: Iterable<readonly Cell[]>): string {
  let all = "";
  for (const row of rows) {
    const cells = row.map((cell) => (cell === null ? "" : typeof cell === "number" ? `${cell}` : text(cell)));
    all += `${cells.join(",")}\r\n`;
  }
  return all;
}

/** All of a chart's points, whatever part of them is shown. `units`: one for each line. */
export function chartCsv(
  times: readonly number[],
  widths: readonly number[] | undefined,
  lines: readonly Line[],
  units: readonly Unit[],
): string {
  const heads = lines.map((line, at) => {
    const unit = UNIT_NAMES[units[at] ?? ""];
    return unit ? `${line.label} (${unit})` : line.label;
  });
  const spans = widths === undefined ? ["t_s"] : ["t_s", "width_s"];
  const rows = times.map((t_s, row): Cell[] => [
    tidy(t_s),
    ...(widths === undefined ? [] : [tidy(widths[row] ?? 0)]),
    ...lines.map((line) => line.values[row] ?? null),
  ]);
  return csv([[...spans, ...heads], ...rows]);
}

/** A heat map: one row for each field that holds anything. */
export function heatCsv(points: readonly HeatPoint[]): string {
  const rows: Cell[][] = [["t_s", "width_s", "from_us", "to_us", "count"]];
  for (const point of points) {
    for (let at = 0; at + 1 < point.heat.length; at += 2) {
      const row = point.heat[at] ?? 0;
      const ends = [Math.round(rowStart_us(row)), Math.round(rowStart_us(row + 1))];
      rows.push([tidy(point.t_us / 1e6), tidy(point.width_us / 1e6), ...ends, point.heat[at + 1] ?? 0]);
    }
  }
  return csv(rows);
}

/** Without the dust of binary fractions: times are whole microseconds. */
function tidy(value_s: number): number {
  return Math.round(value_s * 1e6) / 1e6;
}
