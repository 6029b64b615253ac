import { expect, test } from "vitest";

import { step } from "../../src/charts/chart.tsx";
import { alone, extent, latest, nearest, prepare } from "../../src/charts/data.ts";

const line = (...values: (number | null)[]) => ({ label: "a", values, color: "blue" as const });

test("a point stands at the middle of its span", () => {
  expect(prepare([0, 60, 61], [60, 1, 1], [line(1, 2, 3)]).data).toEqual([[30, 60.5, 61.5], [1, 2, 3]]);
});

test("a hole between spans gets a point without a value, so that no line crosses it", () => {
  const { data, rows, end_s } = prepare([0, 1, 5], [1, 1, 1], [line(1, 2, 3)]);
  expect(data).toEqual([[0.5, 1.5, 3.5, 5.5], [1, 2, null, 3]]);
  expect([...rows]).toEqual([0, 1, -1, 2]);
  expect(end_s).toBe(6);
});

test("spans that touch within microseconds have no hole between them", () => {
  expect([...prepare([0, 0.3], [0.1 + 0.2, 1], [line(1, 2)]).rows]).toEqual([0, 1]);
});

test("moments have no holes", () => {
  expect(prepare([0, 10], undefined, [line(1, 2)]).data).toEqual([[0, 10], [1, 2]]);
});

test("an empty chart is one", () => {
  expect(prepare([], [], [line()])).toMatchObject({ data: [[], []], end_s: 0, lone: [[]] });
});

test("a missing value is a gap, and so is one that is no number", () => {
  expect(prepare([0, 1, 2], [1, 1, 1], [line(1, null, Number.NaN)]).data[1]).toEqual([1, null, null]);
  expect(prepare([0, 1], [1, 1], [line(5)]).data[1]).toEqual([5, null]);
});

test("a logarithmic axis has no place for 0", () => {
  expect(prepare([0, 1], [1, 1], [line(0, 5)], true).data[1]).toEqual([null, 5]);
});

test("values without a neighbour are found, for no line would show them", () => {
  expect(alone([1, null, 2, 3, null, 4])).toEqual([0, 5]);
  expect(prepare([0, 5], [1, 1], [line(1, 2)]).lone).toEqual([[0, 2]]);
});

test("the nearest point is found by halves", () => {
  const xs = [0, 1, 2, 10];
  expect([-5, 0.4, 0.6, 5, 7, 99].map((x) => nearest(xs, x))).toEqual([0, 0, 1, 2, 3, 3]);
  expect(nearest([], 1)).toBe(-1);
});

test("keys step from point to point, over holes", () => {
  const drawn = prepare([0, 1, 5], [1, 1, 1], [line(1, 2, 3)]);
  expect(step(drawn, null, 1)).toBe(0.5);
  expect(step(drawn, null, -1)).toBe(5.5);
  expect(step(drawn, 1.5, 1)).toBe(5.5);
  expect(step(drawn, 5.5, -1)).toBe(1.5);
  expect(step(drawn, 0.5, 10)).toBe(5.5);
  expect(step(prepare([], [], []), 1, 1)).toBeNull();
});

test("ends and the last value leave out what is not known", () => {
  expect(extent([null, 3, -1, null])).toEqual([-1, 3]);
  expect(extent([null])).toBeNull();
  expect(latest([1, 2, null])).toBe(1);
  expect(latest([null])).toBe(-1);
});
