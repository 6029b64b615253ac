import { count, percent, rate, time } from "../../format.ts";
import { SPREAD, type Totals } from "../../messages.ts";
import type { Wish } from "../../store/compare.ts";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { Change } from "./change.tsx";

interface Figure {
  readonly label: string;
  readonly wish: Wish;
  readonly of: (totals: Totals) => number | null;
  readonly show: (value: number | null) => string;
}

const FIGURES: readonly Figure[] = [
  { label: "Requests/s", wish: "more", of: (totals) => totals.rps, show: rate },
  { label: "Requests", wish: "none", of: (totals) => totals.hits, show: count },
  { label: "Failed requests", wish: "less", of: (totals) => (totals.hits ? totals.failed / totals.hits : null), show: percent },
  { label: "Response p50", wish: "less", of: (totals) => totals.response[SPREAD.p50], show: time },
  { label: "Response p95", wish: "less", of: (totals) => totals.response[SPREAD.p95], show: time },
  { label: "Response p99", wish: "less", of: (totals) => totals.response[SPREAD.p99], show: time },
  { label: "Iterations", wish: "none", of: (totals) => totals.ended, show: count },
  { label: "Failures and errors", wish: "less", of: (totals) => totals.failures + totals.errors, show: count },
];

/** The figures of both runs beside each other, with what changed. */
export function Differences({ a, b }: { a: RunModel; b: RunModel }) {
  useTopics(a, "totals");
  useTopics(b, "totals");
  if (a.totals === null || b.totals === null) return <p class="muted">One of them has not begun.</p>;
  const [first, second] = [a.totals, b.totals];
  return (
    <dl class="tiles differences">
      {FIGURES.map(({ label, wish, of, show }) => (
        <div class="tile" key={label}>
          <dt class="tile-label">{label}</dt>
          <dd class="difference">
            <span><span class="letter letter-a">A</span>{show(of(first))}</span>
            <span><span class="letter letter-b">B</span>{show(of(second))}</span>
          </dd>
          <dd class="tile-note"><Change a={of(first)} b={of(second)} wish={wish} /></dd>
        </div>
      ))}
    </dl>
  );
}
