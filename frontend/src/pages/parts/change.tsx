import { percent } from "../../format.ts";
import { changeOf, trendOf, type Wish } from "../../store/compare.ts";

const SIGNS = { better: "✓ better", worse: "✕ worse", same: "" } as const;
const TONES = { better: "is-good", worse: "is-bad", same: "faint" } as const;

/** What changed from `a` to `b`, and whether that is good: in words, too. */
export function Change({ a, b, wish }: { a: number | null; b: number | null; wish: Wish }) {
  if (a === null || b === null) return <span class="faint">-</span>;
  const trend = trendOf(a, b, wish);
  return (
    <span class={`change ${TONES[trend]}`}>
      <span class="change-size">{sizeOf(a, b)}</span>
      {SIGNS[trend] !== "" && <span class="change-word"> {SIGNS[trend]}</span>}
    </span>
  );
}

/** The size of a change: in percent, in how many times, or in words where neither can be said. */
export function sizeOf(a: number, b: number): string {
  const change = changeOf(a, b);
  if (change === null) return "from none";
  if (change === 0) return "±0 %";
  if (change >= 9) return `× ${Math.round(1 + change)}`;
  return `${change > 0 ? "+" : "−"}${percent(Math.abs(change))}`;
}
