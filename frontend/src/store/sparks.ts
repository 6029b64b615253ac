/**
 * The last minute of a counter, in equal parts, made of the differences between frames.
 *
 * A full frame brings what was before; later ones bring only totals, and the parts in which nothing came are filled
 * when somebody looks. So 2,000 of them cost a frame one addition each.
 */

/** Parts of a spark that nobody told of: a part each second for a minute. */
const PARTS = 60;
const SPAN_US = 60_000_000;

/** How the sparks of one run are divided. */
export interface Scale {
  readonly partUs: number;
  readonly parts: number;
}

/** The scale of a full frame that tells of `spanUs` in `parts`; without one: a minute by the second. */
export function scaleOf(spanUs: number, parts: number): Scale {
  if (spanUs <= 0 || parts <= 0) return { partUs: SPAN_US / PARTS, parts: PARTS };
  return { partUs: spanUs / parts, parts };
}

export class Spark {
  #values: number[];
  /** The part that the last value belongs to, counted from the run's start. */
  #part: number;

  constructor(values: readonly number[], part: number) {
    this.#values = [...values];
    this.#part = Math.floor(part);
  }

  /**
   * Counts `amount`, which came between `from` and `to`, in parts since the run's start. Frames come about once a
   * second and never quite: each part gets its share, or a steady series would look like a saw.
   */
  add(from: number, to: number, amount: number, parts: number): void {
    this.#reach(Math.floor(to), parts);
    const first = this.#part - this.#values.length + 1;
    const begin = Math.min(Math.max(from, first), to);
    if (to - begin <= 0) return this.#count(this.#part, amount);
    for (let part = Math.floor(begin); part < to; part++) {
      this.#count(part, (amount * (Math.min(part + 1, to) - Math.max(part, begin))) / (to - begin));
    }
  }

  /** The values up to `part`, oldest first, `parts` of them at most. */
  until(part: number, parts: number): readonly number[] {
    this.#reach(part, parts);
    return this.#values;
  }

  #count(part: number, amount: number): void {
    const at = Math.max(this.#values.length - 1 - (this.#part - part), 0);
    this.#values[at] = (this.#values[at] ?? 0) + amount;
  }

  #reach(part: number, parts: number): void {
    const missing = this.#values.length === 0 ? 1 : Math.min(Math.max(part - this.#part, 0), parts);
    for (let i = 0; i < missing; i++) this.#values.push(0);
    if (this.#values.length > parts) this.#values.splice(0, this.#values.length - parts);
    this.#part = Math.max(this.#part, part);
  }
}

/** All but the part that still runs, which looks like a drop. */
export function wholeParts(values: readonly number[]): readonly number[] {
  return values.length > 1 ? values.slice(0, -1) : values;
}

/** Per second over the last `count` whole parts. */
export function recentRate(values: readonly number[], partUs: number, count = 5): number {
  const looked = wholeParts(values).slice(-count);
  if (looked.length === 0) return 0;
  return looked.reduce((sum, value) => sum + value, 0) / ((looked.length * partUs) / 1e6);
}
