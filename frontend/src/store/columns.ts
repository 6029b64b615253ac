/** Points as charts take them: columns of numbers by time. */

import type { Timed } from "./track.ts";

/** The least part of a point's width that a rate is worked out of: an end of milliseconds shows no crowd. */
const LEAST_PART = 0.1;

/** The points that are whole, and for how long each was measured. */
export interface Spans<P extends Timed> {
  readonly points: readonly P[];
  /** Where each begins, in s. */
  readonly times: number[];
  /** How wide each is, in s. */
  readonly widths: number[];
}

/**
 * The points to draw of a run of `elapsedUs`. While it goes on (`over` false) its last second is still being told of,
 * and would look like a drop: it is left out. The last one of a run that is over ends with it.
 */
export function spansOf<P extends Timed>(points: readonly P[], elapsedUs: number | null, over: boolean): Spans<P> {
  const end = elapsedUs ?? Number.POSITIVE_INFINITY;
  const whole = over ? points : points.filter((point) => point[0] + point[1] <= end);
  const widths = whole.map(([t, width]) => (over ? Math.min(width, Math.max(end - t, width * LEAST_PART)) : width) / 1e6);
  return { points: whole, times: whole.map((point) => point[0] / 1e6), widths };
}

/** A number of each point, by its place in it. */
export function column<P extends Timed>(spans: Spans<P>, index: number): (number | null)[] {
  return spans.points.map((point) => (point as readonly unknown[])[index] as number | null);
}

/** The same per second. */
export function perSecond<P extends Timed>(spans: Spans<P>, index: number): (number | null)[] {
  return spans.points.map((point, at) => {
    const value = (point as readonly unknown[])[index] as number | null;
    return value === null ? null : value / (spans.widths[at] ?? 1);
  });
}

/** Whether two columns say the same. */
export function sameColumns(a: readonly (number | null)[], b: readonly (number | null)[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}
