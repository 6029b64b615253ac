// From what a chart is given to what is drawn: points stand at the middle of their spans, and a hole between two spans
// gets a point without a value, so that no line crosses what nobody measured.

import type { AlignedData } from "uplot";

import type { Line } from "./types.ts";

/** Spans whose edges are nearer than this touch: they come from whole microseconds. */
const TOUCH_S = 1e-4;

export interface Prepared {
  data: AlignedData;
  /** For each drawn point the index of the given one; -1: it stands in a hole. */
  rows: Int32Array;
  /** For each line the points that stand alone: no line would show them. */
  lone: number[][];
  /** Where the last span ends. */
  end_s: number;
}

/** Lines as they are drawn. `positive`: what is not above 0 has no place on a logarithmic axis and is left out. */
export function prepare(
  times: readonly number[],
  widths: readonly number[] | undefined,
  lines: readonly Line[],
  positive = false,
): Prepared {
  const xs: number[] = [];
  const rows: number[] = [];
  times.forEach((from_s, row) => {
    const width_s = widths?.[row] ?? 0;
    const before = row - 1;
    if (widths !== undefined && before >= 0) {
      const end_s = (times[before] ?? 0) + (widths[before] ?? 0);
      if (from_s - end_s > TOUCH_S) {
        xs.push((end_s + from_s) / 2);
        rows.push(-1);
      }
    }
    xs.push(from_s + width_s / 2);
    rows.push(row);
  });
  const taken = lines.map((line) =>
    rows.map((row) => {
      const value = row < 0 ? null : (line.values[row] ?? null);
      return value === null || Number.isNaN(value) || (positive && value <= 0) ? null : value;
    }),
  );
  const last = times.length - 1;
  return {
    data: [xs, ...taken],
    rows: Int32Array.from(rows),
    lone: taken.map(alone),
    end_s: last < 0 ? 0 : (times[last] ?? 0) + (widths?.[last] ?? 0),
  };
}

/** The indexes of values without a neighbour. */
export function alone(values: readonly (number | null)[]): number[] {
  const found: number[] = [];
  values.forEach((value, at) => {
    if (value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null) found.push(at);
  });
  return found;
}

/** The index in rising `xs` that is nearest to `x`; -1 if there is none. */
export function nearest(xs: ArrayLike<number>, x: number): number {
  let low = 0;
  let high = xs.length - 1;
  if (high < 0) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((xs[middle] ?? 0) <= x) low = middle;
    else high = middle;
  }
  return x - (xs[low] ?? 0) <= (xs[high] ?? 0) - x ? low : high;
}

/** The index of the last value that is known; -1: none is. */
export function latest(values: ArrayLike<number | null | undefined>): number {
  for (let at = values.length - 1; at >= 0; at -= 1) if ((values[at] ?? null) !== null) return at;
  return -1;
}

/** The least and the largest of what is known; null: nothing is. */
export function extent(values: Iterable<number | null>): [number, number] | null {
  let found: [number, number] | null = null;
  for (const value of values) {
    if (value === null) continue;
    if (found === null) found = [value, value];
    else if (value < found[0]) found[0] = value;
    else if (value > found[1]) found[1] = value;
  }
  return found;
}
