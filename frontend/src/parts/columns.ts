// What the columns of a table are.

import type { ComponentChildren } from "preact";

import type { Value } from "./rows.ts";

export interface Column<R> {
  key: string;
  /** What the head says. */
  head: string;
  /** What the head means, in a sentence. */
  title?: string;
  /** Numbers stand right, which is the default for columns of numbers. */
  align?: "left" | "right";
  /** What is sorted by, and shown if there is no `render`. */
  value: (row: R) => Value;
  render?: (row: R) => ComponentChildren;
  /** In pixels; the first column without a width takes what is left (the very first, if all have one). */
  width?: number;
  /** 1 (always there) to 9 (goes first where there is little room); by default its place from the left. */
  priority?: number;
  /** Not worth sorting by. */
  fixed?: boolean;
}

export interface Sort {
  key: string;
  down: boolean;
}

export type Id = string | number;

/** The class of its cells. */
export function sideOf<R>(column: Column<R>, rows: readonly R[]): string {
  return (column.align ?? (isNumeric(column, rows) ? "right" : "left")) === "right" ? "right" : "";
}

/** Whether its values are numbers, by the first that is known. */
export function isNumeric<R>(column: Column<R>, rows: readonly R[]): boolean {
  for (const row of rows) {
    const value = column.value(row);
    if (value !== null) return typeof value === "number";
  }
  return column.align === "right";
}
