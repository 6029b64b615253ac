import { describe, expect, test } from "vitest";

import { type Heights, fitting, found, sorted, topOf, windowOf } from "../../src/parts/rows.ts";

const self = (value: number | string | null) => value;

describe("sorting", () => {
  test("numbers go by size, either way, and rows without one come last", () => {
    expect(sorted([3, null, 10, 1], self, false)).toEqual([1, 3, 10, null]);
    expect(sorted([3, null, 10, 1], self, true)).toEqual([10, 3, 1, null]);
  });

  test("names go as people count", () => {
    expect(sorted(["item 10", "Item 9", "alpha"], self, false)).toEqual(["alpha", "Item 9", "item 10"]);
  });

  test("equal rows stay in their order", () => {
    const rows = [{ key: 1, name: "a" }, { key: 1, name: "b" }, { key: 0, name: "c" }];
    expect(sorted(rows, (row) => row.key, true).map((row) => row.name)).toEqual(["a", "b", "c"]);
  });
});

test("a search finds rows with all of its words, in any order and case", () => {
  const rows = ["GET /api/users", "POST /api/users", "GET /home"];
  expect(found(rows, String, " USERS get ")).toEqual(["GET /api/users"]);
  expect(found(rows, String, "  ")).toBe(rows);
});

describe("the window", () => {
  const heights = (open = -1, detail_px = 0): Heights => ({ count: 2_000, row_px: 30, open, detail_px });

  test("holds what is in the picture and little more", () => {
    expect(windowOf(heights(), 0, 600)).toEqual({ first: 0, end: 33, above_px: 0, below_px: 1_967 * 30 });
    const middle = windowOf(heights(), 30_000, 600);
    expect(middle.first).toBeLessThanOrEqual(1_000);
    expect(middle.end).toBeGreaterThanOrEqual(1_020);
    expect(middle.end - middle.first).toBeLessThan(60);
  });

  test.each([[-1, 0], [0, 400], [700, 400], [1_999, 400]])("always is as tall as all rows (open: %i)", (open, detail_px) => {
    for (let top_px = 0; top_px < 60_400; top_px += 777) {
      const part = windowOf(heights(open, detail_px), top_px, 600);
      const drawn_px = (part.end - part.first) * 30 + (open >= part.first && open < part.end ? detail_px : 0);
      expect(part.above_px + drawn_px + part.below_px).toBe(60_000 + detail_px);
      expect(part.above_px).toBeLessThanOrEqual(top_px + 0.001);
    }
  });

  test("holds the open row as long as its detail is in the picture", () => {
    const part = windowOf(heights(100, 5_000), 101 * 30 + 2_000, 600);
    expect(part.first).toBeLessThanOrEqual(100);
    expect(part.end).toBeGreaterThan(100);
  });

  test("of no rows is empty", () => {
    expect(windowOf({ ...heights(), count: 0 }, 0, 600)).toEqual({ first: 0, end: 0, above_px: 0, below_px: 0 });
  });

  test("knows where a row begins", () => {
    expect(topOf(heights(3, 100), 3)).toBe(90);
    expect(topOf(heights(3, 100), 4)).toBe(220);
  });
});

describe("columns that have no room go", () => {
  const columns = [{}, { width: 80, priority: 4 }, { width: 80, priority: 2 }, { width: 80 }];

  test("all stay where there is room", () => expect(fitting(columns, 900)).toEqual([0, 1, 2, 3]));

  test("the least important goes first, of equals the one on the right", () => {
    expect(fitting(columns, 300)).toEqual([0, 1, 2]);
    expect(fitting(columns, 200)).toEqual([0, 2]);
  });

  test("the first stays, whatever its width", () => expect(fitting(columns, 10)).toEqual([0]));
});
