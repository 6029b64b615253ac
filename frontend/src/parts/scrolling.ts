// How a table is scrolled, and how the focus moves in it.

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Id } from "./columns.ts";
import { type Heights, topOf } from "./rows.ts";

/** As in style/parts.css, where it is `--row`. */
export const ROW_PX = 34;

/** How wide the table may be, and how far it is scrolled. */
export function useScroll(box: RefObject<HTMLDivElement | null>): { width_px: number; top_px: number } {
  const [width_px, setWidth] = useState(0);
  const [top_px, setTop] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const resized = () => setWidth(element.clientWidth);
    // A row is as far as it has to be scrolled before another one comes into the picture.
    const scrolled = () => setTop(Math.floor(element.scrollTop / ROW_PX) * ROW_PX);
    resized();
    const resizes = new ResizeObserver(resized);
    resizes.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      resizes.disconnect();
      element.removeEventListener("scroll", scrolled);
    };
  }, []);
  return { width_px, top_px };
}

/** Puts the focus on a row by its place: scrolls there first, for a row that is not in the picture is not drawn. */
export function useFocus<R>(
  box: RefObject<HTMLDivElement | null>,
  heights: Heights,
  shown: readonly R[],
  id: (row: R) => Id,
  setActive: (id: Id) => void,
): (index: number) => void {
  const wanted = useRef(-1);
  useEffect(() => {
    if (wanted.current < 0) return;
    const button = box.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"]`);
    if (!button) return;
    wanted.current = -1;
    button.focus({ preventScroll: true });
  });
  return (index) => {
    const element = box.current;
    const row = shown[index];
    if (element === null || row === undefined) return;
    wanted.current = index;
    const top_px = topOf(heights, index);
    if (top_px < element.scrollTop) element.scrollTop = top_px;
    else if (top_px + 2 * ROW_PX > element.scrollTop + element.clientHeight) {
      element.scrollTop = top_px + 2 * ROW_PX - element.clientHeight;
    }
    setActive(id(row));
  };
}

/** Arrows, Home, End and the page keys go from row to row. */
export function moveByKey(
  event: KeyboardEvent,
  count: number,
  height: number,
  focusRow: (index: number) => void,
): void {
  const target = event.target as HTMLElement;
  if (!target.classList.contains("table-open")) return;
  const at = Number(target.dataset["index"]);
  const page = Math.max(1, Math.floor(height / ROW_PX) - 2);
  const to = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: count - 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  focusRow(Math.min(Math.max(to, 0), count - 1));
}
