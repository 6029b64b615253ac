// Marks on a time axis: which letter each has, and which stand so close that they share a flag. Pure.

import type { EventKind } from "../messages.ts";
import { moment } from "../format.ts";
import type { ColorName, Mark } from "./types.ts";

/** Letters and colours of marks. The letter says the same as the colour. */
export const KINDS: Record<EventKind, { letter: string; color: ColorName; name: string }> = {
  lost: { letter: "L", color: "vermilion", name: "Lost" },
  agent: { letter: "A", color: "blue", name: "Agent" },
  threshold: { letter: "T", color: "purple", name: "Threshold" },
  stop: { letter: "S", color: "ink", name: "Stop" },
  warning: { letter: "W", color: "orange", name: "Warning" },
  note: { letter: "N", color: "grey", name: "Note" },
};

/** What is worst comes first: a flag that stands for several has its colour. */
const ORDER: readonly EventKind[] = ["lost", "threshold", "stop", "warning", "agent", "note"];

/** A flag is so wide, and so far apart from the next. */
export const FLAG_PX = 16;

export interface Flag {
  /** The place of its middle, from the left. */
  x_px: number;
  /** A letter, or how many marks it stands for. */
  sign: string;
  kind: EventKind;
  marks: Mark[];
}

/** Flags of the marks that are shown, from left to right. A mark whose band began before has its flag at the edge. */
export function flagsOf(marks: readonly Mark[], from_s: number, to_s: number, width_px: number): Flag[] {
  const flags: Flag[] = [];
  const shown = marks.filter((mark) => mark.t_s <= to_s && Math.max(mark.t_s, mark.until_s ?? 0) >= from_s);
  shown.sort((one, other) => one.t_s - other.t_s);
  for (const mark of shown) {
    const x_px = ((Math.max(mark.t_s, from_s) - from_s) / (to_s - from_s)) * width_px;
    const before = flags[flags.length - 1];
    if (before !== undefined && x_px - before.x_px < FLAG_PX) before.marks.push(mark);
    else flags.push({ x_px, sign: "", kind: mark.kind, marks: [mark] });
  }
  for (const flag of flags) {
    flag.kind = ORDER.find((kind) => flag.marks.some((mark) => mark.kind === kind)) ?? "note";
    flag.sign = flag.marks.length === 1 ? KINDS[flag.kind].letter : `${Math.min(flag.marks.length, 99)}`;
  }
  return flags;
}

/** What a mark says: "1:30 to 2:10 Lost: agent-2 was given up". */
export function markText(mark: Mark): string {
  const until = mark.until_s !== null && mark.until_s > mark.t_s ? ` to ${moment(mark.until_s)}` : "";
  return `${moment(mark.t_s)}${until} ${KINDS[mark.kind].name}: ${mark.text}`;
}

/** The next mark after `t_s` (or with `back` the one before it); null: there is none. */
export function nextMark(marks: readonly Mark[], t_s: number, back: boolean): Mark | null {
  let found: Mark | null = null;
  for (const mark of marks) {
    const isBeyond = back ? mark.t_s < t_s - 1e-6 : mark.t_s > t_s + 1e-6;
    if (isBeyond && (found === null || (back ? mark.t_s > found.t_s : mark.t_s < found.t_s))) found = mark;
  }
  return found;
}
