import { beforeEach, expect, test } from "vitest";

import type { ErrorFigures, ErrorText, SeriesFigures, Spread } from "../../src/messages.ts";
import { MAX_LINES, OTHER, RunModel, type RunTopic } from "../../src/store/model.ts";
import { SeriesModel } from "../../src/store/series.ts";
import { frameOf, sample } from "./sample.ts";

let model: RunModel;

beforeEach(() => {
  model = new RunModel(sample.run.run);
  model.apply(sample.run);
});

/** All that a page can ask of a run, but for sparks and the rates that are worked out of them. */
function told(of: RunModel): unknown {
  const { ready, stage, elapsedUs, trouble, head, totals, standing, thresholds, warnings, lines } = of;
  const { points, series, errors, events, machines } = of;
  return {
    ready, stage, elapsedUs, trouble, head, totals, standing, thresholds, warnings, lines, points, series, errors, events, machines,
    counters: of.counters.map(({ name, value }) => [name, value]),
    machinePoints: machines.map((machine) => of.machinePoints(machine.id)),
  };
}

test("frames that are applied in order come to what the next full one says", () => {
  for (const frame of sample["run-frames"]) model.apply(frame);
  const late = new RunModel(sample.run.run);
  late.apply(sample["run-final"]);
  expect(told(model)).toEqual(told(late));
  expect(model.over).toBe(true);
});

test("a full frame replaces all that was there", () => {
  for (const frame of sample["run-frames"]) model.apply(frame);
  model.apply(sample.run);
  const fresh = new RunModel(sample.run.run);
  fresh.apply(sample.run);
  expect(told(model)).toEqual(told(fresh));
});

test("points that are gone make way for a wider one", () => {
  const widths = (): number[] => model.points.map((point) => point[1] / 1e6);
  expect(widths().filter((width) => width === 10)).toHaveLength(0);
  for (const frame of sample["run-frames"].slice(0, 3)) model.apply(frame);
  expect(widths().filter((width) => width === 10)).toHaveLength(1);
  const times = model.points.map((point) => point[0]);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(new Set(times).size).toBe(times.length);
});

test("points are the same list until one of them changes", () => {
  const before = model.points;
  model.apply(frameOf({ elapsed_us: 18_500_000 }));
  expect(model.points).toBe(before);
});

const NO_TIMES: Spread = [0, null, null, null, null, null, null, null, null];

function figures(id: number, hits: number): SeriesFigures {
  return [id, hits, hits, 0, 0, 0, 0, 0, 0, NO_TIMES, NO_TIMES];
}

/** A run whose series 7 had a hundred requests in each second of the last minute. */
function steady(): RunModel {
  const run = new RunModel("steady");
  run.apply(
    frameOf({
      run: "steady", full: true, elapsed_us: 120e6, names: [[7, "T", "GET", "/a"]], figures: [figures(7, 12_000)], spark_us: 60e6,
      sparks: [[7, [...new Array<number>(59).fill(100), 0]]],
    }),
  );
  return run;
}

test("a series that is folded is gone, and what (other) takes over is no burst", () => {
  const run = steady();
  run.apply(
    frameOf({ elapsed_us: 121e6, names: [[8, OTHER, OTHER, OTHER]], figures: [figures(8, 12_100)], folded: [7] }),
  );
  run.apply(frameOf({ elapsed_us: 122e6, figures: [figures(8, 12_200)] }));
  expect(run.seriesOf(7)).toBeNull();
  expect(run.spark(7)).toEqual([]);
  expect(run.series.map((row) => row.id)).toEqual([8]);
  expect(Math.max(...run.spark(8))).toBeCloseTo(100);
});

test("a spark goes on with the differences between frames, however far these are apart", () => {
  const run = steady();
  for (const [t_s, hits] of [[120.9, 12_090], [122.1, 12_210], [123, 12_300]] as const) {
    run.apply(frameOf({ elapsed_us: t_s * 1e6, figures: [figures(7, hits)] }));
  }
  expect(run.spark(7)).toHaveLength(59);
  for (const value of run.spark(7)) expect(value).toBeCloseTo(100);
  expect(run.rate(7)).toBeCloseTo(100);
});

test("where nothing came a spark falls to nothing, and never begins with the second that still runs", () => {
  const run = steady();
  run.apply(frameOf({ elapsed_us: 123.2e6 }));
  expect(run.spark(7).slice(-4)).toEqual([100, 0, 0, 0]);
  run.apply(frameOf({ elapsed_us: 300e6 }));
  expect(Math.max(...run.spark(7))).toBe(0);
});

test("rates are those of the last seconds while a run goes on, and those of all of it afterwards", () => {
  const run = steady();
  expect(run.average(7)).toBe(100);
  run.apply(frameOf({ elapsed_us: 130e6, figures: [figures(7, 14_000)] }));
  expect(run.rate(7)).toBeCloseTo(200);
  run.apply(frameOf({ elapsed_us: 140e6, stage: "ended" }));
  expect(run.rate(7)).toBe(100);
});

test("a counter's rate is not known before it was told twice", () => {
  const run = new RunModel("counted");
  run.apply(frameOf({ full: true, elapsed_us: 10e6, counters: { baskets: 70 } }));
  expect(run.counters).toEqual([{ name: "baskets", value: 70, perSecond: null }]);
  run.apply(frameOf({ elapsed_us: 12e6, counters: { baskets: 84 } }));
  expect(run.counters[0]?.perSecond).toBeCloseTo(7);
});

test("kinds of errors and counters that are folded are gone", () => {
  const text: ErrorText = {
    id: 900, outcome: "error", kind: "E", place: "", scenario: "", message: "", traceback: "", first_us: 0,
  };
  const count: ErrorFigures = { id: 900, count: 1e9, last_us: 0, points: [], series: {} };
  model.apply(frameOf({ errors: [text], error_figures: [count], counters: { rare: 1 } }));
  expect(model.errors[0]?.id).toBe(900);
  expect(model.counters.some((row) => row.name === "rare")).toBe(true);
  model.apply(frameOf({ errors_folded: [900], counters_folded: ["rare"] }));
  expect(model.errors.some((row) => row.id === 900)).toBe(false);
  expect(model.counters.some((row) => row.name === "rare")).toBe(false);
});

test("of a log the last lines are kept, and their numbers go on", () => {
  const many = Array.from({ length: MAX_LINES }, (_, at) => [at, "w", `line ${at}`] as [number, string, string]);
  const before = model.lines.length;
  model.apply(frameOf({ lines: many }));
  expect(model.lines).toHaveLength(MAX_LINES);
  expect(model.firstLine).toBe(before);
  expect(model.lines.at(-1)?.[2]).toBe(`line ${MAX_LINES - 1}`);
});

test("who listens is told once a frame, and only of what changed", () => {
  const calls: RunTopic[][] = [];
  for (const topics of [["points", "series"], ["errors"], ["stage"]] as RunTopic[][]) {
    model.topics.subscribe(topics, () => calls.push(topics));
  }
  const { points, figures: changed } = sample["run-frames"][0] ?? sample.run;
  model.apply(frameOf({ elapsed_us: 19e6, points, figures: changed }));
  expect(calls).toEqual([["points", "series"], ["stage"]]);
});

test("a series' own frames come to what its next full one says", () => {
  for (const { full, frames, final } of sample.series) {
    const [one, other] = [new SeriesModel(full.series), new SeriesModel(full.series)];
    for (const frame of [full, ...frames]) one.apply(frame);
    other.apply(final);
    expect([one.points, one.statuses, one.kinds, one.phases]).toEqual([other.points, other.statuses, other.kinds, other.phases]);
    expect(one.ready).toBe(true);
  }
});
