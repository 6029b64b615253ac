import { expect, test } from "vitest";

import { bin, fieldAt, rowEnds, rowOf, rowStart_us, strength } from "../../src/charts/heatbins.ts";

const point = (t_s: number, width_s: number, ...heat: number[]) => ({ t_us: t_s * 1e6, width_us: width_s * 1e6, heat });

test("a row begins at a quarter of an octave, and holds its own start", () => {
  expect(rowStart_us(40)).toBe(1_024);
  for (let row = 0; row < 140; row += 1) expect(rowOf(rowStart_us(row))).toBe(row);
  expect(rowOf(0)).toBe(0);
});

test("the ends are those of rows that hold anything", () => {
  expect(rowEnds([point(0, 1, 40, 3), point(1, 1), point(2, 1, 37, 1, 44, 2)])).toEqual([37, 44]);
  expect(rowEnds([point(0, 1)])).toBeNull();
});

test("a minute and a second with the same traffic look the same", () => {
  const { rates, max } = bin([point(0, 60, 40, 600), point(60, 1, 40, 10)], 0, 61, 61, [40, 40]);
  expect(max).toBeCloseTo(10, 4);
  for (const rate of rates) expect(rate).toBeCloseTo(10, 4);
});

test("several points in a column add up to what it had per second", () => {
  const { rates } = bin([point(0, 1, 40, 4), point(1, 1, 40, 8, 41, 2)], 0, 2, 1, [40, 41]);
  expect([...rates]).toEqual([6, 1]);
});

test("where nothing was measured there is nothing, not zero", () => {
  const { rates } = bin([point(0, 1, 40, 4), point(3, 1)], 0, 4, 4, [40, 40]);
  expect([...rates]).toEqual([4, Number.NaN, Number.NaN, 0]);
});

test("only what is between the ends counts", () => {
  const { rates, max } = bin([point(0, 10, 40, 100), point(50, 1, 40, 9_999)], 5, 15, 2, [40, 40]);
  expect(rates[0]).toBeCloseTo(10);
  expect(rates[1]).toBeNaN();
  expect(max).toBeCloseTo(10);
});

test("no count gets lost in the columns", () => {
  const points = Array.from({ length: 97 }, (_, at) => point(at * 1.7, 1.7, 40 + (at % 5), 1 + at));
  const { rates, rows, columns } = bin(points, 0, 97 * 1.7, 31, [40, 44]);
  const width_s = (97 * 1.7) / columns;
  const sum = rates.reduce((all, rate) => all + rate * width_s, 0);
  expect(rows).toBe(5);
  expect(sum).toBeCloseTo((97 * 98) / 2, 0);
});

test("a field tells what was counted there", () => {
  const points = [point(0, 1, 40, 4, 41, 6), point(5, 1, 40, 1)];
  expect(fieldAt(points, 0.5, 41)).toMatchObject({ count: 6, all: 10 });
  expect(fieldAt(points, 0.5, 50)).toMatchObject({ count: 0, all: 10 });
  expect(fieldAt(points, 3, 40)).toBeNull();
  expect(fieldAt([], 3, 40)).toBeNull();
});

test("more is stronger, some is seen, none is none", () => {
  expect(strength(0, 100)).toBe(0);
  expect(strength(100, 100)).toBeCloseTo(1);
  expect(strength(0.001, 100)).toBeGreaterThan(0.05);
  expect(strength(10, 100)).toBeGreaterThan(strength(1, 100));
});
