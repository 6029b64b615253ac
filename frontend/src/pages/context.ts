/** What all pages of the dashboard share; a report has none of it. */

import { createContext } from "preact";
import { useContext, useEffect } from "preact/hooks";

import type { Me } from "../messages.ts";
import type { Live } from "../store/live.ts";

export interface App {
  readonly me: Me;
  readonly live: Live;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === null) throw new Error("there is no dashboard around this");
  return app;
}

/** The page's title in the browser, with what it is first. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Loads` : "Loads";
  }, [title]);
}
