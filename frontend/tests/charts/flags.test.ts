import { expect, test } from "vitest";

import { FLAG_PX, flagsOf, markText, nextMark } from "../../src/charts/flags.ts";
import type { Mark } from "../../src/charts/types.ts";

const mark = (t_s: number, kind: Mark["kind"] = "agent", until_s: number | null = null): Mark => ({ t_s, until_s, kind, text: "x" });

test("each mark has a flag with its letter at its time", () => {
  expect(flagsOf([mark(50, "lost"), mark(25, "threshold")], 0, 100, 400)).toMatchObject([
    { x_px: 100, sign: "T" },
    { x_px: 200, sign: "L" },
  ]);
});

test("marks that stand close share a flag, which counts them and shows the worst", () => {
  const [flag, ...others] = flagsOf([mark(50), mark(51, "lost"), mark(52, "note")], 0, 100, 400);
  expect(others).toEqual([]);
  expect(flag).toMatchObject({ sign: "3", kind: "lost" });
});

test("however many marks there are, flags do not overlap", () => {
  const flags = flagsOf(Array.from({ length: 500 }, (_, at) => mark(at)), 0, 500, 300);
  for (const [at, flag] of flags.slice(1).entries()) {
    expect(flag.x_px - (flags[at]?.x_px ?? 0)).toBeGreaterThanOrEqual(FLAG_PX);
  }
});

test("marks outside have no flag, but a band that began before has one at the edge", () => {
  expect(flagsOf([mark(5), mark(95)], 10, 90, 100)).toEqual([]);
  expect(flagsOf([mark(5, "lost", 20)], 10, 90, 100)).toMatchObject([{ x_px: 0, sign: "L" }]);
});

test("a mark says when, what and how long", () => {
  expect(markText({ t_s: 90, until_s: 130, kind: "lost", text: "agent-2 was given up" })).toBe(
    "1:30 to 2:10 Lost: agent-2 was given up",
  );
  expect(markText({ t_s: 7, until_s: null, kind: "stop", text: "asked for" })).toBe("0:07 Stop: asked for");
});

test("keys go from mark to mark", () => {
  const marks = [mark(30), mark(10), mark(20)];
  expect(nextMark(marks, 10, false)?.t_s).toBe(20);
  expect(nextMark(marks, 30, true)?.t_s).toBe(20);
  expect(nextMark(marks, 30, false)).toBeNull();
});
