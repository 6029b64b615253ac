/**
 * Who wants to hear of what: a store touches topics while it takes a frame, and tells each listener once at its end.
 *
 * A page of 2,000 endpoints is drawn again only where something changed, because each part listens to its own topics.
 */

interface Listener<T extends string> {
  readonly topics: readonly T[];
  readonly call: () => void;
}

export class Topics<T extends string> {
  readonly #listeners = new Set<Listener<T>>();
  readonly #versions = new Map<T, number>();
  readonly #touched = new Set<T>();

  /** Notes that something of `topic` changed; nobody is told before `flush`. */
  touch(topic: T): void {
    this.#touched.add(topic);
    this.#versions.set(topic, this.version(topic) + 1);
  }

  /** How often `topic` changed: a key to remember by what was worked out of it. */
  version(topic: T): number {
    return this.#versions.get(topic) ?? 0;
  }

  flush(): void {
    if (this.#touched.size === 0) return;
    const touched = new Set(this.#touched);
    this.#touched.clear();
    for (const listener of [...this.#listeners]) {
      if (listener.topics.some((topic) => touched.has(topic))) listener.call();
    }
  }

  /** Calls back when one of `topics` changed, until the function that is returned is called. */
  subscribe(topics: readonly T[], call: () => void): () => void {
    const listener = { topics, call };
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
