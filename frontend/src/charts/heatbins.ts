// A heat map's counts as a picture: columns of equal width over what is shown, rows as they were counted. Pure.
//
// What a field shows is requests per second of its column, not counts: a span of a minute and one of a second with the
// same traffic look the same.

import { HEAT_ROWS_PER_OCTAVE } from "../messages.ts";
import type { HeatPoint } from "./types.ts";

export interface Bins {
  columns: number;
  /** The lowest row; there are `rows` from there on. */
  lowest: number;
  rows: number;
  /** Per second, column by column, each from the lowest row up; NaN: nothing was measured in that column. */
  rates: Float32Array;
  max: number;
}

/** Where a row begins, in microseconds. */
export function rowStart_us(row: number): number {
  return 2 ** (row / HEAT_ROWS_PER_OCTAVE);
}

/** The row that holds a time. */
export function rowOf(time_us: number): number {
  return Math.floor(Math.log2(Math.max(time_us, 1)) * HEAT_ROWS_PER_OCTAVE + 1e-9);
}

/** The lowest and the highest row that holds anything, of all points; null: none does. */
export function rowEnds(points: readonly HeatPoint[]): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const { heat } of points) {
    for (let at = 0; at < heat.length; at += 2) {
      const row = heat[at] as number;
      if (row < low) low = row;
      if (row > high) high = row;
    }
  }
  return low > high ? null : [low, high];
}

/** What is between `from_s` and `to_s`, in so many columns. A point's counts are spread evenly over its span. */
export function bin(
  points: readonly HeatPoint[],
  from_s: number,
  to_s: number,
  columns: number,
  [lowest, highest]: readonly [number, number],
): Bins {
  const rows = highest - lowest + 1;
  const rates = new Float32Array(columns * rows);
  const covered_s = new Float32Array(columns);
  const step_s = (to_s - from_s) / columns;
  for (const point of points) {
    const start_s = point.t_us / 1e6;
    const end_s = start_s + point.width_us / 1e6;
    if (end_s <= from_s || start_s >= to_s) continue;
    const first = Math.max(0, Math.floor((start_s - from_s) / step_s));
    const last = Math.min(columns - 1, Math.ceil((end_s - from_s) / step_s) - 1);
    for (let column = first; column <= last; column += 1) {
      const left_s = from_s + column * step_s;
      const part_s = Math.min(end_s, left_s + step_s) - Math.max(start_s, left_s);
      if (part_s <= 0) continue;
      covered_s[column] = (covered_s[column] ?? 0) + part_s;
      const share = part_s / (end_s - start_s);
      for (let at = 0; at + 1 < point.heat.length; at += 2) {
        const field = column * rows + (point.heat[at] as number) - lowest;
        rates[field] = (rates[field] ?? 0) + (point.heat[at + 1] as number) * share;
      }
    }
  }
  return { columns, lowest, rows, rates, max: perSecond(rates, covered_s, rows) };
}

/** The point whose span holds `t_s`, and what a row of it counted; null: nothing was measured there. */
export function fieldAt(
  points: readonly HeatPoint[],
  t_s: number,
  row: number,
): { point: HeatPoint; count: number; all: number } | null {
  const t_us = t_s * 1e6;
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle] as HeatPoint).t_us <= t_us) low = middle + 1;
    else high = middle;
  }
  const point = points[low - 1];
  if (point === undefined || t_us >= point.t_us + point.width_us) return null;
  let count = 0;
  let all = 0;
  for (let at = 0; at + 1 < point.heat.length; at += 2) {
    all += point.heat[at + 1] ?? 0;
    if (point.heat[at] === row) count += point.heat[at + 1] ?? 0;
  }
  return { point, count, all };
}

/** A field that holds anything is at least so strong. */
const LEAST_SEEN = 0.1;

/** From about one in so many on differences are seen. */
const DEPTH = 100;

/** How strong a field is, 0..1: by the logarithm, for one slow request in a thousand has to be seen, too. */
export function strength(rate: number, max: number): number {
  if (!(rate > 0) || !(max > 0)) return 0;
  return Math.min(1, LEAST_SEEN + ((1 - LEAST_SEEN) * Math.log1p((rate / max) * DEPTH)) / Math.log1p(DEPTH));
}

function perSecond(rates: Float32Array, covered_s: Float32Array, rows: number): number {
  let max = 0;
  covered_s.forEach((time_s, column) => {
    for (let at = column * rows; at < (column + 1) * rows; at += 1) {
      const rate = time_s > 0 ? (rates[at] as number) / time_s : NaN;
      rates[at] = rate;
      if (rate > max) max = rate;
    }
  });
  return max;
}
