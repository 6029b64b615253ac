// The colours that canvases need by value: read from the style sheet once per theme.

import { onTheme } from "../parts/theme.ts";
import type { ColorName } from "./types.ts";

const NAMES: readonly ColorName[] = [
  "blue", "orange", "green", "sky", "vermilion", "purple", "yellow", "ink", "grey",
];

export interface Palette {
  lines: Record<ColorName, string>;
  ground: string;
  text: string;
  faint: string;
  grid: string;
  edge: string;
  /** From nothing to most. */
  heat: readonly string[];
  font: string;
}

let known: Palette | null = null;
onTheme(() => {
  known = null;
});

/** Those of the theme that the page has now. */
export function palette(): Palette {
  known ??= read(getComputedStyle(document.documentElement));
  return known;
}

/** `color` (#rrggbb) let through by `alpha` 0..1. */
export function faded(color: string, alpha: number): string {
  return /^#[0-9a-f]{6}$/i.test(color) ? color + Math.round(alpha * 255).toString(16).padStart(2, "0") : color;
}

/** `steps` colours between those of `stops`, as red, green, blue. */
export function ramp(stops: readonly string[], steps: number): Uint8ClampedArray {
  const made = new Uint8ClampedArray(steps * 3);
  const parts = stops.map((stop) => [1, 3, 5].map((at) => Number.parseInt(stop.slice(at, at + 2), 16) || 0));
  for (let step = 0; step < steps; step += 1) {
    const place = (step / Math.max(1, steps - 1)) * (parts.length - 1);
    const low = Math.min(Math.floor(place), parts.length - 2);
    for (let channel = 0; channel < 3; channel += 1) {
      const from = parts[low]?.[channel] ?? 0;
      const to = parts[low + 1]?.[channel] ?? from;
      made[step * 3 + channel] = from + (to - from) * (place - low);
    }
  }
  return made;
}

function read(style: CSSStyleDeclaration): Palette {
  const of = (name: string) => style.getPropertyValue(name).trim();
  const lines = Object.fromEntries(NAMES.map((name) => [name, of(`--c-${name}`)])) as Record<ColorName, string>;
  return {
    lines,
    ground: of("--surface"),
    text: of("--ink"),
    faint: of("--ink-3"),
    grid: of("--grid"),
    edge: of("--line"),
    heat: of("--heat").split(/\s+/),
    font: of("--font") || "system-ui, sans-serif",
  };
}
