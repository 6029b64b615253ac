// What linked charts share: the part of the run that is shown, and where the cursor stands. All in seconds since the
// run's start. Charts and the bar above them subscribe; nothing here knows of the screen but the frame it waits for.

/** What changed: the part that is shown, or only the cursor. */
export type Change = "range" | "cursor";

export interface Range {
  from_s: number;
  to_s: number;
}

/** The narrowest part that zooming shows. */
export const LEAST_S = 2;

export class View {
  /** A part that was chosen by hand; null: the whole run, or its last minutes. */
  range: Range | null = null;
  /** Only the last so many seconds, moving on with the run; null: all of it. */
  last_s: number | null = null;
  /** Where the cursor stands; null: nowhere. */
  cursor: number | null = null;
  /** How far the run has come: the latest time that any chart holds. */
  end_s = 0;

  private readonly listeners = new Set<(change: Change) => void>();
  private pending = new Set<Change>();

  constructor(private readonly later: (call: () => void) => void = nextFrame) {}

  /** Calls `listener` once for each kind of change in a frame of the screen. Returns what ends that. */
  subscribe(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The part that is shown now. */
  get shown(): Range {
    if (this.range !== null) return this.range;
    const end_s = Math.max(this.end_s, LEAST_S);
    return { from_s: this.last_s === null ? 0 : Math.max(0, end_s - this.last_s), to_s: end_s };
  }

  get isZoomed(): boolean {
    return this.range !== null;
  }

  /** A chart holds data up to there. */
  reach(end_s: number): void {
    if (end_s <= this.end_s) return;
    this.end_s = end_s;
    if (this.range === null) this.changed("range");
  }

  /** Shows from there to there, at least LEAST_S and nothing outside the run. */
  zoom(from_s: number, to_s: number): void {
    const whole_s = Math.max(this.end_s, LEAST_S);
    const width_s = Math.min(Math.max(Math.abs(to_s - from_s), LEAST_S), whole_s);
    const middle_s = (from_s + to_s) / 2;
    const start_s = Math.min(Math.max(0, middle_s - width_s / 2), whole_s - width_s);
    this.range = width_s >= whole_s ? null : { from_s: start_s, to_s: start_s + width_s };
    if (this.range === null) this.last_s = null;
    this.changed("range");
  }

  /** Zooms by `factor` (below 1: closer) and keeps `at_s` where it stands; null: the cursor, or the middle. */
  zoomBy(factor: number, at_s: number | null = null): void {
    const { from_s, to_s } = this.shown;
    const cursor_s = at_s ?? this.cursor;
    const fixed_s = cursor_s !== null && cursor_s >= from_s && cursor_s <= to_s ? cursor_s : (from_s + to_s) / 2;
    const left = (fixed_s - from_s) / (to_s - from_s);
    const width_s = Math.max((to_s - from_s) * factor, LEAST_S);
    this.zoom(fixed_s - left * width_s, fixed_s + (1 - left) * width_s);
  }

  /** Moves what is shown by a part of its width. */
  pan(share: number): void {
    if (this.range === null && this.last_s === null) return;
    const { from_s, to_s } = this.shown;
    const by_s = (to_s - from_s) * share;
    this.zoom(from_s + by_s, to_s + by_s);
  }

  /** The whole run again. */
  reset(): void {
    this.range = null;
    this.last_s = null;
    this.changed("range");
  }

  /** Only the last minutes, or with null the whole run. */
  lastMinutes(minutes: number | null): void {
    this.range = null;
    this.last_s = minutes === null ? null : minutes * 60;
    this.changed("range");
  }

  moveCursor(t_s: number | null): void {
    if (t_s === this.cursor) return;
    this.cursor = t_s;
    this.changed("cursor");
  }

  private changed(change: Change): void {
    if (this.pending.size === 0) this.later(() => this.tell());
    this.pending.add(change);
  }

  private tell(): void {
    const changes = this.pending;
    this.pending = new Set();
    for (const change of changes) for (const listener of [...this.listeners]) listener(change);
  }
}

function nextFrame(call: () => void): void {
  if (typeof document !== "undefined" && !document.hidden) requestAnimationFrame(call);
  else setTimeout(call, 0);
}
