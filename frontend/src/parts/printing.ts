// A page on its way to paper. What is drawn for it has to stand when the browser's event ends: it does not wait.

import { options } from "preact";
import { useEffect, useState } from "preact/hooks";

import { setPrinting } from "./theme.ts";

const listeners = new Set<() => void>();
let printing = false;

export function isPrinting(): boolean {
  return printing;
}

/** Calls `listener` before printing and after it; returns what ends that. */
export function onPrinting(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether the page is being printed; components that ask are drawn for it. */
export function usePrinting(): boolean {
  const [is, set] = useState(printing);
  useEffect(() => onPrinting(() => set(printing)), []);
  return is;
}

function turn(on: boolean): void {
  if (on === printing) return;
  printing = on;
  const later = options.debounceRendering;
  options.debounceRendering = (draw) => draw();
  try {
    setPrinting(on);
    for (const listener of [...listeners]) listener();
  } finally {
    options.debounceRendering = later;
  }
}

if (typeof addEventListener === "function") {
  addEventListener("beforeprint", () => turn(true));
  addEventListener("afterprint", () => turn(false));
  // What only looks like paper, as the tools of developers show it, has no such events.
  matchMedia("print").addEventListener("change", ({ matches }) => turn(matches));
}
