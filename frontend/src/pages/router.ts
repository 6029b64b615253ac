/** Which page is shown: by the address, which pages change without loading anew. */

import { useEffect, useReducer } from "preact/hooks";

export type Route =
  | { readonly page: "cluster" }
  | { readonly page: "runs" }
  | { readonly page: "run"; readonly run: string }
  | { readonly page: "compare" }
  | { readonly page: "unknown" };

/** The page at `path`. */
export function routeOf(path: string): Route {
  if (path === "/") return { page: "cluster" };
  if (path === "/runs" || path === "/runs/") return { page: "runs" };
  if (path === "/compare") return { page: "compare" };
  const run = /^\/runs\/([^/]+)\/?$/.exec(path)?.[1];
  return run === undefined ? { page: "unknown" } : { page: "run", run: decoded(run) };
}

export function pathOfRun(run: string): string {
  return `/runs/${encodeURIComponent(run)}`;
}

export function pathOfComparison(a: string, b: string): string {
  return `/compare?${new URLSearchParams({ a, b })}`;
}

const MOVED = "loads-moved";

/** Goes to `path` in this page; with `replace` the way back leaves out where we are. */
export function navigate(path: string, replace = false): void {
  if (path === location.pathname + location.search + location.hash) return;
  const samePage = new URL(path, location.href).pathname === location.pathname;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  if (!samePage) window.scrollTo(0, 0);
  window.dispatchEvent(new Event(MOVED));
}

/** The address, and drawing again when it changes. */
export function useAddress(): { readonly path: string; readonly search: string } {
  const [, again] = useReducer<number, void>((count) => count + 1, 0);
  useEffect(() => {
    const moved = (): void => again();
    window.addEventListener("popstate", moved);
    window.addEventListener(MOVED, moved);
    return () => {
      window.removeEventListener("popstate", moved);
      window.removeEventListener(MOVED, moved);
    };
  }, []);
  return { path: location.pathname, search: location.search };
}

/** Takes over clicks on links to pages of ours; all others, and those that open a new tab, are the browser's. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (routeOf(link.pathname).page === "unknown") return;
  if (link.hash !== "" && link.pathname === location.pathname) return;
  event.preventDefault();
  navigate(link.pathname + link.search + link.hash);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
