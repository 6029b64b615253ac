/** What ties components to stores. */

import { useEffect, useReducer, useRef } from "preact/hooks";
import type { Topics } from "./topics.ts";

/** Draws the component again when one of `topics` changes. Each component names what it shows, and no more. */
export function useTopics<T extends string>(source: { readonly topics: Topics<T> }, ...topics: readonly T[]): void {
  const [, again] = useReducer<number, void>((count) => count + 1, 0);
  const drawn = useRef("");
  const { topics: hub } = source;
  const versions = (): string => topics.map((topic) => hub.version(topic)).join();
  drawn.current = versions();
  const wanted = topics.join();
  useEffect(() => {
    if (versions() !== drawn.current) again();
    return hub.subscribe(topics, () => again());
    // `wanted` stands for `topics`, which is a new list each time.
  }, [hub, wanted]);
}
