import { expect, test } from "vitest";

import { logEnds, logTicks, momentTexts, roundTop, tickTexts, valueText } from "../../src/charts/axis.ts";

test("an axis ends at a round number above all values", () => {
  expect([null, 0, 0.19, 1, 97, 4_200].map(roundTop)).toEqual([1, 1, 0.2, 1.2, 120, 5_000]);
  for (let value = 1e-3; value < 1e9; value *= 1.37) {
    expect(roundTop(value)).toBeGreaterThan(value);
    expect(roundTop(value)).toBeLessThan(value * 1.6);
  }
});

test("a logarithmic axis holds all values and at least three octaves", () => {
  expect(logEnds(100, 3_000)).toEqual([64, 4_096]);
  expect(logEnds(64, 64)).toEqual([64, 512]);
  expect(logEnds(null, null)).toEqual([100, 100_000]);
});

test("logarithmic ticks get fewer where there is less room", () => {
  expect(logTicks(900, 12_000, 9)).toEqual([1_000, 2_000, 5_000, 10_000]);
  expect(logTicks(100, 1e6, 4)).toEqual([100, 1_000, 10_000, 100_000, 1_000_000]);
});

test("ticks name their unit, and as many digits as they need", () => {
  expect(tickTexts("us", [0, 50_000, 100_000], 50_000)).toEqual(["0", "50 ms", "100 ms"]);
  expect(tickTexts("us", [0, 500_000, 1_000_000], 500_000)).toEqual(["0", "0.5 s", "1.0 s"]);
  expect(tickTexts("us", [0, 250, 500], 250)).toEqual(["0", "0.25 ms", "0.50 ms"]);
  expect(tickTexts("us", [500, 2_000, 5_000_000], null)).toEqual(["500 µs", "2 ms", "5 s"]);
  expect(tickTexts("share", [0, 0.25, 0.5], 0.25)).toEqual(["0", "25 %", "50 %"]);
  expect(tickTexts("/s", [0, 2_500, 5_000], 2_500)).toEqual(["0", "2,500/s", "5,000/s"]);
  expect(tickTexts("/s", [0, 10_000, 20_000], 10_000)).toEqual(["0", "10 k/s", "20 k/s"]);
  expect(tickTexts("", [0, 2.5, 5], 2.5)).toEqual(["0", "2.5", "5.0"]);
  expect(tickTexts("bytes", [0, 5e5, 1e6], 5e5)).toEqual(["0", "0.5 MB", "1.0 MB"]);
});

test("values are written as in tables", () => {
  expect(valueText("us", 12_345)).toBe("12.3 ms");
  expect(valueText("/s", 4_123.4)).toBe("4,123/s");
  expect(valueText("share", 0.5)).toBe("50 %");
  expect(valueText("", 200)).toBe("200");
  expect(valueText("bytes/s", 1_500)).toBe("1.5 kB/s");
  expect(valueText("us", null)).toBe("–");
});

test("times below a second have a decimal", () => {
  expect(momentTexts([0.5, 1], 0.5)).toEqual(["0:00.5", "0:01"]);
  expect(momentTexts([0, 60], 60)).toEqual(["0:00", "1:00"]);
});
