// Where axes end, where their ticks stand and what these say. Pure.

import { bytes, fixed, moment, percent, rate, time } from "../format.ts";
import type { Unit } from "./types.ts";

/** Steps of a time axis in seconds: what people count in. */
export const TIME_STEPS_S = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
];

const TOPS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** A round number a little above `max`, so that an axis does not change with every second; 1 if there is nothing. */
export function roundTop(max: number | null): number {
  if (max === null || !(max > 0)) return 1;
  const wanted = max * 1.04;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return (TOPS.find((top) => top * power >= wanted) ?? 10) * power;
}

/** Ends of a logarithmic axis: powers of two around the values, at least three octaves apart. */
export function logEnds(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !(min > 0)) return [100, 100_000];
  const low = Math.floor(Math.log2(min));
  return [2 ** low, 2 ** Math.max(Math.ceil(Math.log2(max * 1.001)), low + 3)];
}

/** Ticks of a logarithmic axis: 1, 2, 5, 10... where there is room for them, else whole decades. */
export function logTicks(low: number, high: number, most: number): number[] {
  for (const digits of [[1, 2, 5], [1, 3], [1]]) {
    const ticks: number[] = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
      for (const digit of digits) {
        const tick = Number(`${digit}e${power}`);
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    }
    if (ticks.length <= most || digits.length === 1) return ticks;
  }
  return [];
}

/** What ticks say; `step`: how far they are apart, null on a logarithmic axis. */
export function tickTexts(unit: Unit, ticks: readonly number[], step: number | null): string[] {
  const top = Math.max(...ticks.map(Math.abs), 0);
  const [factor, suffix] = scaleOf(unit, top);
  return ticks.map((tick) => {
    if (tick === 0) return "0";
    if (step === null && unit === "us") return logText(tick);
    const decimals = Math.max(0, Math.min(6, Math.ceil(-Math.log10((step ?? tick) / factor) - 1e-9)));
    const exact = step === null ? decimals : needed(step / factor, decimals);
    return fixed(tick / factor, exact) + suffix;
  });
}

/** What one value says in a legend or a tooltip. */
export function valueText(unit: Unit, value: number | null): string {
  if (value === null) return "–";
  switch (unit) {
    case "us":
      return time(value);
    case "share":
      return percent(value);
    case "bytes":
      return bytes(value);
    case "bytes/s":
      return `${bytes(value)}/s`;
    case "/s":
      return `${rate(value)}/s`;
    case "":
      return Number.isInteger(value) ? fixed(value, 0) : rate(value);
  }
}

/** Ticks of the time axis; with parts of a second where they are near each other. */
export function momentTexts(ticks: readonly number[], step_s: number): string[] {
  return ticks.map((tick) => moment(tick, step_s < 1 ? 1 : 0));
}

/** A step of 2.5 needs one digit more than its size tells. */
function needed(step: number, decimals: number): number {
  const scaled = step * 10 ** decimals;
  return Math.abs(scaled - Math.round(scaled)) > 1e-6 ? decimals + 1 : decimals;
}

function logText(value_us: number): string {
  if (value_us >= 1e6) return `${value_us / 1e6} s`;
  return value_us >= 1e3 ? `${value_us / 1e3} ms` : `${value_us} µs`;
}

function scaleOf(unit: Unit, top: number): [factor: number, suffix: string] {
  switch (unit) {
    case "us":
      return top >= 1e6 ? [1e6, " s"] : [1e3, " ms"];
    case "share":
      return [0.01, " %"];
    case "bytes":
    case "bytes/s": {
      const end = unit === "bytes" ? "" : "/s";
      const sizes: [number, string][] = [[1e12, " TB"], [1e9, " GB"], [1e6, " MB"], [1e3, " kB"]];
      const [factor, name] = sizes.find(([size]) => top >= size) ?? [1, " B"];
      return [factor, name + end];
    }
    case "/s":
    case "": {
      if (top >= 1e6) return [1e6, ` M${unit}`];
      return top >= 1e4 ? [1e3, ` k${unit}`] : [1, unit];
    }
  }
}
