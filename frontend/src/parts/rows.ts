// What of a table is shown: which rows, in which order, which of them are in the picture, which columns have room. Pure.

export type Value = number | string | null;

/** As people order names: "item 9" before "item 10", whatever the case. */
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Rows in the order of `value`, those without one last either way; equal ones stay as they were. */
export function sorted<R>(rows: readonly R[], value: (row: R) => Value, down: boolean): R[] {
  const keyed = rows.map((row) => ({ row, key: value(row) }));
  const way = down ? -1 : 1;
  keyed.sort((one, other) => {
    if (one.key === null || other.key === null) return Number(one.key === null) - Number(other.key === null);
    return way * compare(one.key, other.key);
  });
  return keyed.map(({ row }) => row);
}

function compare(one: number | string, other: number | string): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return collator.compare(String(one), String(other));
}

/** Rows whose text holds every word of `query`, in any order and case. */
export function found<R>(rows: readonly R[], text: (row: R) => string, query: string): readonly R[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const all = text(row).toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

export interface Window {
  /** The first row that is there, and the one after the last. */
  first: number;
  end: number;
  /** The height of what is left out above and below. */
  above_px: number;
  below_px: number;
}

/** Rows of one height, and below one of them (`open`; -1: none) so much more. */
export interface Heights {
  count: number;
  row_px: number;
  open: number;
  detail_px: number;
}

/** Rows that are left in the picture beyond its edges, so that a quick scroll shows no white. */
const SPARE = 12;

/** Which rows are in the picture when it is scrolled to `top_px`. The open row always is, with what belongs to it. */
export function windowOf(heights: Heights, top_px: number, seen_px: number): Window {
  const { count, row_px } = heights;
  let first = Math.max(0, rowAt(heights, top_px) - SPARE);
  let end = Math.min(count, rowAt(heights, top_px + seen_px) + 1 + SPARE);
  first = Math.min(first, Math.max(0, count - 1));
  const { open, detail_px } = heights;
  const isAbove = open >= 0 && open < first;
  const isBelow = open >= end;
  return {
    first,
    end: Math.max(end, first),
    above_px: first * row_px + (isAbove ? detail_px : 0),
    below_px: (count - Math.max(end, first)) * row_px + (isBelow ? detail_px : 0),
  };
}

/** Where a row begins, in pixels below the first. */
export function topOf({ row_px, open, detail_px }: Heights, index: number): number {
  return index * row_px + (open >= 0 && index > open ? detail_px : 0);
}

function rowAt({ row_px, open, detail_px }: Heights, at_px: number): number {
  const open_px = (open + 1) * row_px;
  if (open < 0 || at_px < open_px) return Math.floor(at_px / row_px);
  return at_px < open_px + detail_px ? open : Math.floor((at_px - detail_px) / row_px);
}

export interface Sized {
  width?: number;
  priority?: number;
}

/** A column that takes what is left keeps at least that, and of a wide table this part, up to so much. */
const LEAST_PX = 112;
const LEAST_PART = 0.3;
const ENOUGH_PX = 240;

/** The places of columns that fit into `width_px`: the last ones by priority go first, and the very first stays. */
export function fitting(columns: readonly Sized[], width_px: number): number[] {
  const places = columns.map((_, place) => place);
  const priority = (place: number) => columns[place]?.priority ?? (place === 0 ? 0 : place + 1);
  const name_px = Math.max(LEAST_PX, Math.min(width_px * LEAST_PART, ENOUGH_PX));
  const need = () => places.reduce((sum, place) => sum + needOf(columns, place, name_px), 0);
  while (places.length > 1 && need() > width_px) {
    const last = places.slice(1).reduce((one, other) => (priority(other) >= priority(one) ? other : one));
    places.splice(places.indexOf(last), 1);
  }
  return places;
}

function needOf(columns: readonly Sized[], place: number, name_px: number): number {
  return place === stretching(columns) ? name_px : (columns[place]?.width ?? LEAST_PX);
}

/** The column that takes what is left: the first without a width, or the first of all. */
export function stretching(columns: readonly Sized[]): number {
  return Math.max(0, columns.findIndex((column) => column.width === undefined));
}
