import { type ComponentChildren, toChildArray } from "preact";

import type { Tone } from "./badge.tsx";

export interface TileProps {
  label: string;
  value: ComponentChildren;
  unit?: string;
  note?: ComponentChildren;
  tone?: Tone;
}

/** From so many characters on a figure is drawn smaller. */
const LONG = 7;
/** So many tiles have room in one row of a wide screen. */
const IN_A_ROW = 9;

/** One figure, large, with its name above it. */
export function Tile({ label, value, unit, note, tone = "plain" }: TileProps) {
  return (
    <div class={`tile tone-${tone}${String(value).length > LONG ? " is-long" : ""}`}>
      <dt class="tile-label">{label}</dt>
      <dd class="tile-value">
        {value}
        {unit !== undefined && <span class="tile-unit"> {unit}</span>}
      </dd>
      {note !== undefined && <dd class="tile-note">{note}</dd>}
    </div>
  );
}

/** Tiles in rows of the same length, as the list of terms and figures that they are. */
export function Tiles({ children }: { children: ComponentChildren }) {
  const many = toChildArray(children).length;
  const columns = Math.ceil(many / Math.ceil(many / IN_A_ROW));
  return (
    <dl class="tiles has-columns" style={{ "--columns": columns }}>
      {children}
    </dl>
  );
}
