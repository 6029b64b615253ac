// What the charts are given.

import type { EventKind } from "../messages.ts";

/**
 * What values are, so how they are written on axes and in legends: "us" times in microseconds (shown as ms or s),
 * "/s" rates, "" counts, "share" parts of one (shown as percent), "bytes", "bytes/s".
 */
export type Unit = "us" | "/s" | "" | "share" | "bytes" | "bytes/s";

/** Colours by name (style/tokens.css, `--c-...`): Okabe and Ito's, and two for what stays behind. */
export type ColorName = "blue" | "orange" | "green" | "sky" | "vermilion" | "purple" | "yellow" | "ink" | "grey";

export interface Line {
  label: string;
  /** One for each of the chart's times; null: nothing is known there. */
  values: (number | null)[];
  color: ColorName;
  /** Also told apart without colour. */
  dash?: boolean;
  /** The area below it is shaded. */
  fill?: boolean;
  axis?: "left" | "right";
  /** Hidden until its entry in the legend is pressed. */
  hidden?: boolean;
}

/** Something that happened: a line with a letter, or from `t_s` to `until_s` a band. */
export interface Mark {
  t_s: number;
  until_s: number | null;
  kind: EventKind;
  text: string;
}

/** A column of a heat map; `heat` holds pairs, flat: row, count, row, count... */
export interface HeatPoint {
  t_us: number;
  width_us: number;
  heat: readonly number[];
}
