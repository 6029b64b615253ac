import { describe, expect, test } from "vitest";

import { bytes, clock, count, duration, moment, ms, percent, rate, time } from "../src/format.ts";

// What loads/report/figures.py (milliseconds, short_time) and loads/units.py (format_duration) say to the same values.
const MILLISECONDS: [number | null, string][] = [
  [null, "-"],
  [0, "0.00"],
  [1, "0.00"],
  [5, "0.01"],
  [15, "0.01"],
  [125, "0.12"],
  [375, "0.38"],
  [999, "1.00"],
  [1_000, "1.00"],
  [2_675, "2.67"],
  [9_994, "9.99"],
  [9_995, "10.0"],
  [12_345, "12.3"],
  [12_250, "12.2"],
  [12_750, "12.8"],
  [99_949, "99.9"],
  [99_950, "100"],
  [100_500, "100"],
  [101_500, "102"],
  [1_234_500, "1,234"],
  [1_234_567, "1,235"],
  [12_345_678_901, "12,345,679"],
];
const SHORT: [number | null, string][] = [
  [null, "-"],
  [210, "0.21 ms"],
  [999_400, "999 ms"],
  [999_999, "1,000 ms"],
  [1_000_000, "1.0 s"],
  [1_250_000, "1.2 s"],
  [6_100_000, "6.1 s"],
  [1_234_560_000, "1,234.6 s"],
];
const DURATIONS: [number, string][] = [
  [0, "0us"],
  [850, "850us"],
  [12_500, "12.5ms"],
  [999_499, "999ms"],
  [999_500, "1s"],
  [9_300_000, "9.3s"],
  [59_949_999, "59.9s"],
  [60_000_000, "1m"],
  [90_000_000, "1m30s"],
  [3_600_000_000, "1h"],
  [7_500_000_000, "2h05m"],
];

describe("figures have the digits of the console", () => {
  test.each(MILLISECONDS)("%s us are %s ms", (value, text) => expect(ms(value)).toBe(text));
  test.each(SHORT)("%s us are %s", (value, text) => expect(time(value)).toBe(text));
  test.each(DURATIONS)("%s us last %s", (value, text) => expect(duration(value)).toBe(text));
});

test("counts have commas, rates three digits", () => {
  expect(count(1_234_567)).toBe("1,234,567");
  expect(count(-1_234)).toBe("-1,234");
  expect([0, 0.424, 9.99, 56.71, 99.96, 4_123.4].map(rate)).toEqual(["0", "0.42", "9.99", "56.7", "100", "4,123"]);
  expect([count(null), rate(null), percent(null), bytes(null), clock(null)]).toEqual(["-", "-", "-", "-", "-"]);
});

test("a share is only 0 or 100 % when it is", () => {
  const shares = [0, 0.00001, 0.0003, 0.0123, 0.125, 0.5, 0.9995, 0.999999, 1];
  expect(shares.map(percent)).toEqual([
    "0 %", "< 0.01 %", "0.03 %", "1.2 %", "12.5 %", "50 %", "99.95 %", "> 99.99 %", "100 %",
  ]);
});

test("bytes are counted in thousands", () => {
  expect([512, 1_500, 99_960, 12_345_678, 999_600_000, 5e15].map(bytes)).toEqual([
    "512 B", "1.5 kB", "100 kB", "12.3 MB", "1.0 GB", "5,000 TB",
  ]);
});

test("a moment of a run is read as on a clock", () => {
  expect([0, 7, 59.6, 750, 3_723].map((t) => moment(t))).toEqual(["0:00", "0:07", "1:00", "12:30", "1:02:03"]);
  expect([1.5, 2, 59.96].map((t) => moment(t, 1))).toEqual(["0:01.5", "0:02", "1:00"]);
});

test("a date is written from large to small", () => {
  expect(clock(new Date(2026, 2, 4, 9, 6, 3))).toBe("2026-03-04 09:06:03");
});
