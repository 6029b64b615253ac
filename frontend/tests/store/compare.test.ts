import { expect, test } from "vitest";

import type { SeriesFigures, SeriesName, Spread } from "../../src/messages.ts";
import type { Spans } from "../../src/store/columns.ts";
import { changeOf, figuresOf, overlay, pairsOf, pathOf, pick, trendOf } from "../../src/store/compare.ts";
import { RunModel } from "../../src/store/model.ts";
import type { Timed } from "../../src/store/track.ts";
import { sizeOf } from "../../src/pages/parts/change.tsx";
import { frameOf, sample } from "./sample.ts";

/** Points that begin and are as wide as told, in s. */
function spans(...told: [number, number][]): Spans<Timed> {
  const points = told.map(([t, width]) => [t * 1e6, width * 1e6] as const);
  return { points, times: told.map(([t]) => t), widths: told.map(([, width]) => width) };
}

test("points of different widths lie over each other, and each span has the value of the point that covers it", () => {
  const laid = overlay(spans([0, 10], [10, 10]), spans([0, 1], [1, 1], [2, 1]));
  expect(laid.times).toEqual([0, 1, 2, 3, 10]);
  expect(laid.widths).toEqual([1, 1, 1, 7, 10]);
  expect(laid.a).toEqual([0, 0, 0, 0, 1]);
  expect(laid.b).toEqual([0, 1, 2, -1, -1]);
  expect(pick([7, 8], laid.a)).toEqual([7, 7, 7, 7, 8]);
  expect(pick([1, null, 3], laid.b)).toEqual([1, null, 3, null, null]);
});

test("what neither run has is left out", () => {
  const laid = overlay(spans([0, 1], [5, 1]), spans([0, 1]));
  expect(laid.times).toEqual([0, 5]);
});

test("edges that are the same but for rounding are one", () => {
  const laid = overlay(spans([0, 0.1], [0.1, 0.1], [0.2, 0.1]), spans([0, 0.3]));
  expect(laid.times).toEqual([0, 0.1, 0.2]);
  expect(laid.widths).toEqual([0.1, 0.1, 0.1]);
});

test("a run that has nothing yet leaves the other as it is", () => {
  expect(overlay(spans(), spans([0, 1])).b).toEqual([0]);
  expect(overlay(spans(), spans()).times).toEqual([]);
});

test.each([
  [100, 90, "less", "better"],
  [100, 110, "less", "worse"],
  [100, 110, "more", "better"],
  [100, 90, "more", "worse"],
  [100, 104, "less", "same"],
  [0, 0.0001, "less", "worse"],
  [100, 0, "less", "better"],
  [100, 50, "none", "same"],
  [null, 5, "less", "same"],
] as const)("from %s to %s, where %s is better: %s", (a, b, wish, trend) => {
  expect(trendOf(a, b, wish)).toBe(trend);
});

test("changes are said in percent, in how many times, or in words", () => {
  expect(changeOf(0, 5)).toBeNull();
  expect([sizeOf(100, 112.5), sizeOf(100, 57.4), sizeOf(3, 3), sizeOf(1, 25), sizeOf(0, 5)]).toEqual([
    "+12.5 %", "−42.6 %", "±0 %", "× 25", "from none",
  ]);
});

const NO_TIMES: Spread = [0, null, null, null, null, null, null, null, null];

function run(server_url: string, ...names: string[]): RunModel {
  const model = new RunModel("x");
  const figures = names.map((_, id): SeriesFigures => [id, 50, 50, 0, 5, 0, 0, 0, 0, NO_TIMES, [1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  const head = sample.run.head && { ...sample.run.head, server_url };
  model.apply(frameOf({ full: true, elapsed_us: 10e6, head, names: names.map((name, id): SeriesName => [id, "T", "GET", name]), figures }));
  return model;
}

test("endpoints are the same whatever server they were on", () => {
  const pairs = pairsOf(run("http://a:80", "http://a:80/x", "http://a:80/only"), run("https://b/", "https://b/y", "https://b/x"));
  expect(pairs.map(({ name, a, b }) => [name, a?.id ?? null, b?.id ?? null])).toEqual([
    ["/x", 0, 1], ["/only", 1, null], ["/y", null, 0],
  ]);
});

test("only the address of the service itself is left out", () => {
  expect(pathOf("http://a/x?y", "http://a/")).toBe("/x?y");
  expect(pathOf("http://a", "http://a")).toBe("/");
  expect(pathOf("http://another/x", "http://a")).toBe("http://another/x");
  expect(pathOf("/x", null)).toBe("/x");
});

test("the figures of an endpoint are those of its whole run", () => {
  const model = run("http://a", "/x");
  expect(figuresOf(model, model.seriesOf(0))).toEqual({ hits: 50, rps: 5, failedShare: 0.1, p50: 4, p95: 6, p99: 7 });
  expect(figuresOf(model, null)).toBeNull();
});
