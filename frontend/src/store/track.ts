/**
 * Points over time, in order, as they come and go.
 *
 * A point is named by where it begins and how wide it is. As a run grows old, ten points make way for one that is ten
 * times as wide: the old ones are `gone`, the new one is just a change. New points nearly always belong at the end.
 */

import type { Span } from "../messages.ts";

/** What all kinds of points begin with. */
export type Timed = readonly [t_us: number, width_us: number, ...rest: unknown[]];

const keyOf = (point: readonly [number, number, ...unknown[]]): string => `${point[0]}:${point[1]}`;

export class Track<P extends Timed> {
  #points: P[] = [];
  #known = new Map<string, P>();

  /** All points, the oldest first. A new list after each change. */
  get points(): readonly P[] {
    return this.#points;
  }

  /** Drops `gone`, puts `changed`; whether that changed anything. */
  apply(changed: readonly P[], gone: readonly Span[] = []): boolean {
    let inOrder = true;
    let removed = false;
    for (const span of gone) removed = this.#known.delete(keyOf(span)) || removed;
    let last = removed ? undefined : this.#points.at(-1);
    const added: P[] = [];
    const replaced = new Set<string>();
    for (const point of changed) {
      const key = keyOf(point);
      if (this.#known.has(key)) replaced.add(key);
      else {
        if (last !== undefined && point[0] < last[0]) inOrder = false;
        last = point;
        added.push(point);
      }
      this.#known.set(key, point);
    }
    if (removed || !inOrder) this.#points = [...this.#known.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    else if (changed.length > 0) {
      const kept = replaced.size === 0 ? this.#points : this.#points.map((point) => this.#known.get(keyOf(point)) ?? point);
      this.#points = [...kept, ...added];
    }
    return removed || changed.length > 0;
  }

  clear(): void {
    this.#points = [];
    this.#known = new Map();
  }
}
