import type { ComponentChildren } from "preact";

import type { Tone } from "./badge.tsx";

export interface TileProps {
  label: string;
  value: ComponentChildren;
  unit?: string;
  note?: ComponentChildren;
  tone?: Tone;
}

/** One figure, large, with its name above it. */
export function Tile({ label, value, unit, note, tone = "plain" }: TileProps) {
  return (
    <div class={`tile tone-${tone}`}>
      <dt class="tile-label">{label}</dt>
      <dd class="tile-value">
        {value}
        {unit !== undefined && <span class="tile-unit"> {unit}</span>}
      </dd>
      {note !== undefined && <dd class="tile-note">{note}</dd>}
    </div>
  );
}

/** Tiles in a row, as the list of terms and figures that they are. */
export function Tiles({ children }: { children: ComponentChildren }) {
  return <dl class="tiles">{children}</dl>;
}
