// Which part of the run all charts of a View show.

import { useEffect, useReducer } from "preact/hooks";

import { moment } from "../format.ts";
import type { View } from "./view.ts";

export interface ViewBarProps {
  view: View;
  /** The run goes on: "last minutes" move with it. */
  live: boolean;
}

const MINUTES = [1, 5, 15];

export function ViewBar({ view, live }: ViewBarProps) {
  const [, again] = useReducer<number, void>((count) => count + 1, 0);
  useEffect(() => view.subscribe((change) => change === "range" && again()), [view]);
  const chosen = view.isZoomed ? undefined : view.last_s;
  const { from_s, to_s } = view.shown;
  return (
    <div class="viewbar" role="group" aria-label="Shown time">
      <div class="segments">
        <button type="button" class="segment" aria-pressed={chosen === null} onClick={() => view.lastMinutes(null)}>
          Whole run
        </button>
        {MINUTES.map((minutes) => (
          <button
            key={minutes}
            type="button"
            class="segment"
            aria-pressed={chosen === minutes * 60}
            title={`The last ${minutes === 1 ? "minute" : `${minutes} minutes`}${live ? ", moving on" : ""}`}
            onClick={() => view.lastMinutes(minutes)}
          >
            {minutes}
            {"\u2009"}min
          </button>
        ))}
      </div>
      <div class="segments">
        <button type="button" class="segment" title="Zoom in" aria-label="Zoom in" onClick={() => view.zoomBy(0.5)}>
          +
        </button>
        <button
          type="button"
          class="segment"
          title="Zoom out"
          aria-label="Zoom out"
          disabled={!view.isZoomed && view.last_s === null}
          onClick={() => view.zoomBy(2)}
        >
          −
        </button>
      </div>
      {view.isZoomed && (
        <span class="viewbar-zoom">
          {moment(from_s)} – {moment(to_s)}
          <button type="button" class="button-link" onClick={() => view.reset()}>
            Reset zoom
          </button>
        </span>
      )}
      <span class="viewbar-hint">Drag in a chart to zoom, double-click to reset</span>
    </div>
  );
}
