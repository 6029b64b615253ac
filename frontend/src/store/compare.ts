/** Two runs over each other: which points stand beside each other, which endpoints, and what got better. */

import { SERIES_FIGURES, SERIES_NAME, SPREAD } from "../messages.ts";
import type { RunModel, SeriesRow } from "./model.ts";
import type { Spans } from "./columns.ts";
import type { Timed } from "./track.ts";

/** Smaller changes are noise for what is measured on a network: shown, but called neither better nor worse. */
export const NOISE = 0.05;

export type Trend = "better" | "worse" | "same";

/** What is good about a figure. */
export type Wish = "less" | "more" | "none";

/** One time axis for both runs. `a` and `b` name the point of each that covers a span, -1 where there is none. */
export interface Overlay {
  readonly times: number[];
  readonly widths: number[];
  readonly a: number[];
  readonly b: number[];
}

/**
 * Lays two rows of points over each other. Their widths may differ: a span ends wherever a point of either does, and
 * has the value of the point that covers it. So nothing is made up, nor is a percentile averaged.
 */
export function overlay<P extends Timed, Q extends Timed>(first: Spans<P>, second: Spans<Q>): Overlay {
  const edges = new Set<number>();
  for (const { times, widths } of [first, second]) {
    times.forEach((t, at) => edges.add(t).add(round(t + (widths[at] ?? 0))));
  }
  const sorted = [...edges].sort((x, y) => x - y);
  const out: Overlay = { times: [], widths: [], a: [], b: [] };
  let i = 0;
  let j = 0;
  for (let at = 0; at + 1 < sorted.length; at++) {
    const from = sorted[at] ?? 0;
    i = advance(first, i, from);
    j = advance(second, j, from);
    const a = covers(first, i, from) ? i : -1;
    const b = covers(second, j, from) ? j : -1;
    if (a < 0 && b < 0) continue;
    out.times.push(from);
    out.widths.push(round((sorted[at + 1] ?? from) - from));
    out.a.push(a);
    out.b.push(b);
  }
  return out;
}

/** `values` by the points that `places` name. */
export function pick(values: readonly (number | null)[], places: readonly number[]): (number | null)[] {
  return places.map((place) => (place < 0 ? null : (values[place] ?? null)));
}

function advance<P extends Timed>({ times, widths }: Spans<P>, at: number, t: number): number {
  while (at < times.length && round((times[at] ?? 0) + (widths[at] ?? 0)) <= t) at += 1;
  return at;
}

function covers<P extends Timed>({ times }: Spans<P>, at: number, t: number): boolean {
  return at < times.length && (times[at] ?? 0) <= t;
}

/** To whole microseconds, so that edges that are the same are the same number. */
function round(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6;
}

/** What changed from `a` to `b`, as a part of `a`; null: that can't be said. */
export function changeOf(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return null;
  if (a === b) return 0;
  return a === 0 ? null : (b - a) / Math.abs(a);
}

/** Whether `b` is better than `a`. From none to some is a change, however small. */
export function trendOf(a: number | null, b: number | null, wish: Wish): Trend {
  if (wish === "none" || a === null || b === null || a === b) return "same";
  const change = changeOf(a, b);
  if (change !== null && Math.abs(change) < NOISE) return "same";
  return b < a === (wish === "less") ? "better" : "worse";
}

/** An endpoint of one run or of both. */
export interface Pair {
  readonly id: string;
  readonly method: string;
  readonly name: string;
  readonly scenario: string;
  readonly a: SeriesRow | null;
  readonly b: SeriesRow | null;
}

/** The endpoints of two runs side by side: by test, method and name, where the address of the service doesn't count. */
export function pairsOf(a: RunModel, b: RunModel): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const [model, side] of [
    [a, "a"],
    [b, "b"],
  ] as const) {
    for (const row of model.series) {
      const method = row.name[SERIES_NAME.method];
      const scenario = row.name[SERIES_NAME.scenario];
      const name = pathOf(row.name[SERIES_NAME.name], model.head?.server_url ?? null);
      const id = JSON.stringify([scenario, method, name]);
      const pair = pairs.get(id) ?? { id, method, name, scenario, a: null, b: null };
      pairs.set(id, { ...pair, [side]: row });
    }
  }
  return [...pairs.values()];
}

/** A name without the address that its run was sent to, so that two servers can be compared. */
export function pathOf(name: string, server: string | null): string {
  const base = server?.replace(/\/+$/, "");
  if (!base || !name.startsWith(base)) return name;
  const rest = name.slice(base.length);
  return rest === "" ? "/" : /^[/?#]/.test(rest) ? rest : name;
}

/** What the table shows of one side of a pair. */
export interface Figures {
  readonly hits: number;
  readonly rps: number | null;
  readonly failedShare: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export function figuresOf(model: RunModel, row: SeriesRow | null): Figures | null {
  if (row === null) return null;
  const hits = row.figures[SERIES_FIGURES.hits];
  const response = row.figures[SERIES_FIGURES.response];
  return {
    hits,
    rps: model.elapsedUs ? (hits * 1e6) / model.elapsedUs : null,
    failedShare: hits ? row.figures[SERIES_FIGURES.failed] / hits : null,
    p50: response[SPREAD.p50],
    p95: response[SPREAD.p95],
    p99: response[SPREAD.p99],
  };
}
