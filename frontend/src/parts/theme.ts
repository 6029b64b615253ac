// Which colours the page has: chosen by hand (kept in this browser), by the system, and on paper always light ones.

export type Theme = "auto" | "light" | "dark";

const KEY = "loads-theme";
const listeners = new Set<() => void>();
let printing = false;

/** What was chosen by hand; "auto": nothing. */
export function chosenTheme(): Theme {
  const chosen = document.documentElement.dataset["choice"];
  return chosen === "light" || chosen === "dark" ? chosen : "auto";
}

/** Whether the page is dark now. */
export function isDark(): boolean {
  if (printing) return false;
  const theme = chosenTheme();
  return theme === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
}

export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset["choice"] = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // A file, or a browser that keeps nothing: the choice holds for this page.
  }
  changed();
}

/** Calls `listener` when the colours change; returns what ends that. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Paper is light: while a page is printed, all colours are. */
export function setPrinting(on: boolean): void {
  if (on === printing) return;
  printing = on;
  changed();
}

/** Call it once, before anything is drawn. */
export function startTheme(): void {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // As above.
  }
  document.documentElement.dataset["choice"] = kept === "light" || kept === "dark" ? kept : "auto";
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  changed();
}

function changed(): void {
  document.documentElement.dataset["theme"] = isDark() ? "dark" : "light";
  for (const listener of [...listeners]) listener();
}
