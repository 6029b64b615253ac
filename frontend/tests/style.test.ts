import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

const read = (name: string) => readFileSync(`${import.meta.dirname}/../src/style/${name}.css`, "utf8");
const tokens = read("tokens");

/** Custom properties of a block, by name. */
function block(start: string, sheet = tokens): Record<string, string> {
  const from = sheet.indexOf(start);
  const body = sheet.slice(from + start.length, sheet.indexOf("}", from));
  return Object.fromEntries([...body.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map((found) => [found[1], found[2]]));
}

const light = block(":root {");
const dark = block(':root[data-theme="dark"] {');

/** Relative luminance of #rrggbb (WCAG 2.2). */
function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

test("a dark page has its ground before its script runs, and the login page the same colours", () => {
  expect(dark).toMatchObject(block(":root:not([data-theme]) {"));
  expect(dark).toMatchObject(block("  :root {", read("login")));
});

test("each colour of the light theme has one in the dark theme", () => {
  const colors = Object.keys(light).filter((name) => /^#|^rgb/.test(light[name] ?? ""));
  expect(Object.keys(dark)).toEqual(expect.arrayContaining(colors));
});

test.each([["light", light], ["dark", dark]])("%s words can be read on what they stand on", (_, theme) => {
  for (const ink of ["--ink", "--ink-2", "--ink-3", "--accent"]) {
    for (const ground of ["--ground", "--surface", "--sunken"]) {
      expect(contrast(theme[ink] ?? "", theme[ground] ?? ""), `${ink} on ${ground}`).toBeGreaterThan(4.5);
    }
  }
  for (const tone of ["good", "bad", "warn", "busy", "off"]) {
    expect(contrast(theme[`--${tone}`] ?? "", theme[`--${tone}-soft`] ?? ""), tone).toBeGreaterThan(4.5);
  }
});

test.each([["light", light], ["dark", dark]])("%s lines stand out from the ground", (_, theme) => {
  for (const [name, color] of Object.entries(theme)) {
    if (name.startsWith("--c-")) expect(contrast(color, theme["--surface"] ?? ""), name).toBeGreaterThan(2.6);
  }
});

test.each([["light", light, -1], ["dark", dark, 1]])("a %s heat map's order is seen without colour", (_, theme, way) => {
  const shades = (theme["--heat"] ?? "").split(/\s+/).map(luminance);
  for (const [at, shade] of shades.slice(1).entries()) expect((shade - (shades[at] ?? 0)) * way).toBeGreaterThan(0);
  expect(theme["--heat-stops"]?.split(", ")).toEqual(theme["--heat"]?.split(/\s+/));
});
