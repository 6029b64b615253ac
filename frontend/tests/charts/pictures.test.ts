import { expect, test } from "vitest";

import { faded, ramp } from "../../src/charts/colors.ts";
import { fileName, wrap } from "../../src/charts/save.ts";
import { sparkPaths } from "../../src/charts/spark.tsx";

test("names of files hold nothing that a file system does not take", () => {
  expect(fileName("3f2a GET https://x/y?z=1")).toBe("3f2a-GET-https-x-y-z-1");
  expect(fileName("../../etc/passwd")).toBe("etc-passwd");
  expect(fileName("///")).toBe("loads");
  expect(fileName("x".repeat(999))).toHaveLength(120);
});

test("a legend goes on in a new line where one is full", () => {
  const entries = ["aa", "bb", "cc"].map((label) => ({ label, color: "#000000", dash: false }));
  expect(wrap(entries, 110, () => 10)).toEqual([
    { x: 0, line: 0 },
    { x: 50, line: 0 },
    { x: 0, line: 1 },
  ]);
});

test("a ramp goes from its first colour to its last", () => {
  const shades = ramp(["#000000", "#ff0000", "#ffffff"], 5);
  expect([...shades.slice(0, 3)]).toEqual([0, 0, 0]);
  expect([...shades.slice(6, 9)]).toEqual([255, 0, 0]);
  expect([...shades.slice(12)]).toEqual([255, 255, 255]);
});

test("only a colour in hexadecimal digits is faded", () => {
  expect(faded("#112233", 0.5)).toBe("#11223380");
  expect(faded("red", 0.5)).toBe("red");
});

test("a small line is split by a hole", () => {
  expect(sparkPaths([1, 2, null, 1]).line.match(/M/g)).toHaveLength(2);
  expect(sparkPaths([]).line).toBe("");
  expect(sparkPaths([0, 0]).line).not.toContain("NaN");
  expect(sparkPaths([5]).line).not.toContain("NaN");
});
