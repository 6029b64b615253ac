// What charts and heat maps have around their plot: title, buttons, flags with their texts, and keys.

import type { ComponentChildren, RefObject } from "preact";
import { useId, useState } from "preact/hooks";

import { moment } from "../format.ts";
import { type Flag, FLAG_PX, KINDS, markText, nextMark } from "./flags.ts";
import type { Mark } from "./types.ts";
import type { View } from "./view.ts";

export interface FrameProps {
  title: string;
  note?: string;
  /** All of it in a sentence or two, for those who can't see it. */
  summary: string;
  legend: ComponentChildren;
  tools?: ComponentChildren;
  view: View;
  marks: readonly Mark[];
  flags: readonly Flag[];
  left_px: number;
  height: number;
  host: RefObject<HTMLDivElement | null>;
  onPng: () => void;
  onCsv: () => void;
  /** The next time that has a point, from `t_s` on or with a negative step back. */
  next: (t_s: number | null, steps: number) => number | null;
  /** What stands at the cursor, in words. */
  read: (t_s: number) => string;
  /** Nothing is there to be drawn. */
  isEmpty: boolean;
  children?: ComponentChildren;
}

export function Frame(props: FrameProps) {
  const { title, view } = props;
  const id = useId();
  const [at_s, setAt] = useState<number | null>(null);
  const move = (to_s: number | null) => {
    setAt(to_s);
    view.moveCursor(to_s);
  };
  const said = at_s === null ? props.summary : `${moment(Math.floor(at_s))}: ${props.read(at_s)}${textsAt(props.marks, at_s)}`;
  return (
    <figure class="chart" aria-labelledby={id}>
      <Head {...props} id={id} />
      {props.legend}
      <div
        class="chart-plot"
        role="slider"
        tabIndex={0}
        aria-label={title}
        aria-orientation="horizontal"
        aria-valuemin={0}
        aria-valuemax={Math.round(view.end_s)}
        aria-valuenow={Math.round(at_s ?? 0)}
        aria-valuetext={said}
        onKeyDown={(event) => onKey(event, props, view.cursor, move) && event.preventDefault()}
        onBlur={() => at_s !== null && move(null)}
        style={{ height: `${props.height}px` }}
      >
        <div class="chart-host" ref={props.host} />
        {props.isEmpty && <p class="chart-empty">Nothing yet</p>}
        <Flags {...props} />
        {props.children}
      </div>
    </figure>
  );
}

function Head({ id, title, note, tools, onPng, onCsv }: FrameProps & { id: string }) {
  return (
    <figcaption class="chart-head">
      <span class="chart-title" id={id} title={title}>
        {title}
      </span>
      <span class="chart-tools">
        {tools}
        <button type="button" class="chart-tool" onClick={onPng} title="Save as a picture">
          PNG<span class="visually-hidden"> of {title}</span>
        </button>
        <button type="button" class="chart-tool" onClick={onCsv} title="Save as a table">
          CSV<span class="visually-hidden"> of {title}</span>
        </button>
      </span>
      {note !== undefined && <span class="chart-note">{note}</span>}
    </figcaption>
  );
}

/** What is pressed or pointed at to read a flag. The flags themselves are a part of the picture, which is saved. */
function Flags({ flags, left_px, host }: FrameProps) {
  const [tip, setTip] = useState<Flag | null>(null);
  return (
    <>
      {flags.map((flag) => (
        <button
          key={`${flag.marks[0]?.t_s} ${flag.sign}`}
          type="button"
          class="chart-flag"
          tabIndex={-1}
          aria-label={flag.marks.map(markText).join("; ")}
          style={{ left: `${left_px + flag.x_px - FLAG_PX / 2}px` }}
          onPointerEnter={() => setTip(flag)}
          onPointerLeave={() => setTip(null)}
          onFocus={() => setTip(flag)}
          onBlur={() => setTip(null)}
          onClick={() => setTip(flag)}
        />
      ))}
      {tip !== null && <FlagTip flag={tip} left_px={left_px} width_px={host.current?.clientWidth ?? 0} />}
    </>
  );
}

function FlagTip({ flag, left_px, width_px }: { flag: Flag; left_px: number; width_px: number }) {
  const x_px = left_px + flag.x_px;
  const side = x_px > width_px / 2 ? { right: `${width_px - x_px - 8}px` } : { left: `${x_px - 8}px` };
  return (
    <ul class="chart-tip is-flag" style={side}>
      {flag.marks.slice(0, 8).map((mark) => (
        <li key={`${mark.t_s} ${mark.text}`}>
          <span class={`mark-sign mark-${mark.kind}`} aria-hidden="true">
            {KINDS[mark.kind].letter}
          </span>
          {markText(mark)}
        </li>
      ))}
      {flag.marks.length > 8 && <li class="faint">and {flag.marks.length - 8} more</li>}
    </ul>
  );
}

/** Marks within a second of `t_s`, in words. */
function textsAt(marks: readonly Mark[], t_s: number): string {
  const near = marks.filter((mark) => Math.abs(mark.t_s - t_s) < 1);
  return near.length ? `. ${near.map(markText).join("; ")}` : "";
}

type Move = (to_s: number | null) => void;

/** Does what a key asks for; false: it was not for us. */
function onKey(event: KeyboardEvent, props: FrameProps, cursor_s: number | null, move: Move): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { view } = props;
  const target_s = targetOf(event, props, cursor_s);
  if (target_s !== undefined) {
    if (target_s !== null) goTo(view, target_s, move);
    return true;
  }
  const does: Record<string, () => void> = {
    "+": () => view.zoomBy(0.5),
    "=": () => view.zoomBy(0.5),
    "-": () => view.zoomBy(2),
    "0": () => view.reset(),
    Escape: () => move(null),
  };
  does[event.key]?.();
  return event.key in does;
}

/** Where a key moves the cursor to; null: there is nothing in that direction, undefined: it moves nothing. */
function targetOf(
  { key, shiftKey }: KeyboardEvent,
  { view, marks, next }: FrameProps,
  cursor_s: number | null,
): number | null | undefined {
  const steps = shiftKey ? 10 : 1;
  const { from_s, to_s } = view.shown;
  switch (key) {
    case "ArrowRight":
      return next(cursor_s, steps);
    case "ArrowLeft":
      return next(cursor_s, -steps);
    case "Home":
      return next(from_s, 0);
    case "End":
      return next(to_s, 0);
    case "n":
      return nextMark(marks, cursor_s ?? from_s, false)?.t_s ?? null;
    case "p":
      return nextMark(marks, cursor_s ?? to_s, true)?.t_s ?? null;
    default:
      return undefined;
  }
}

/** Puts the cursor there, and moves what is shown if it is outside. */
function goTo(view: View, target_s: number, move: Move): void {
  const { from_s, to_s } = view.shown;
  move(target_s);
  if (target_s >= from_s && target_s <= to_s) return;
  const half_s = (to_s - from_s) / 2;
  view.zoom(target_s - half_s, target_s + half_s);
}
