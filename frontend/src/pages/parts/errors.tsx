import { useEffect, useMemo, useState } from "preact/hooks";

import { Sparkline } from "../../charts/spark.tsx";
import { count, moment } from "../../format.ts";
import { Badge } from "../../parts/badge.tsx";
import { isPrinting, usePrinting } from "../../parts/printing.ts";
import { useTopics } from "../../store/hooks.ts";
import { type ErrorRow, OTHER } from "../../store/model.ts";
import { useRun } from "./frame.ts";
import { Section } from "./section.tsx";
import { plural, shortTest } from "./words.ts";

const PARTS = 60;
/** So many kinds are shown at first, the most frequent ones; there may be a thousand. */
const FIRST = 25;

/** Failures and errors, grouped by what and where. */
export function Errors() {
  const { source } = useRun();
  const { model } = source;
  useTopics(model, "errors", "stage");
  const [all, showAll] = useState(false);
  const errors = model.errors;
  useEffect(() => {
    const jump = (): void => {
      if (!location.hash.startsWith("#error-")) return;
      showAll(true);
      requestAnimationFrame(() => document.getElementById(location.hash.slice(1))?.scrollIntoView());
    };
    window.addEventListener("hashchange", jump);
    return () => window.removeEventListener("hashchange", jump);
  }, []);
  if (errors.length === 0)
    return (
      <Section id="errors" title="Errors" number={0}>
        <p class="muted">No iteration failed{model.over ? "." : " so far."}</p>
      </Section>
    );
  const total = errors.reduce((sum, error) => sum + error.figures.count, 0);
  return (
    <Section id="errors" title="Errors" number={errors.length} lead={`${plural(total, "time")} in all, grouped by what and where.`}>
      <ol class="errors">
        {(all ? errors : errors.slice(0, FIRST)).map((error) => (
          <ErrorGroup key={error.id} error={error} elapsed_us={model.elapsedUs ?? 0} />
        ))}
      </ol>
      {!all && errors.length > FIRST && (
        <p>
          <button type="button" onClick={() => showAll(true)}>
            Show {plural(errors.length - FIRST, "more kind")}
          </button>
        </p>
      )}
    </Section>
  );
}

function ErrorGroup({ error, elapsed_us }: { error: ErrorRow; elapsed_us: number }) {
  const { text, figures } = error;
  const values = useMemo(() => overTime(figures.points, elapsed_us), [figures, elapsed_us]);
  const series = Object.entries(figures.series).sort((a, b) => b[1] - a[1]);
  return (
    <li class="error" id={`error-${error.id}`}>
      <div class="error-head">
        <Badge tone="bad">{text.outcome}</Badge>
        <h3>{text.kind === OTHER ? "Other kinds" : text.kind}</h3>
        <Sparkline values={values} label={`${text.kind} over the run`} />
        <strong class="error-count">{count(figures.count)}</strong>
      </div>
      {text.kind === OTHER && <p class="muted">There were too many kinds to tell these apart. The text is that of the first.</p>}
      <p class="error-message">{text.message}</p>
      <p class="faint small">
        {text.place && <span class="mono">{text.place}</span>}
        {text.scenario && <span> in {shortTest(text.scenario)}</span>}
        <span>
          {" "}
          · first {moment(text.first_us / 1e6)}, last {moment(figures.last_us / 1e6)}
        </span>
      </p>
      {series.length > 0 && (
        <p class="small muted">
          After{" "}
          {series.slice(0, 4).map(([name, number], at) => (
            <span key={name}>
              {at > 0 && ", "}
              <span class="mono">{name}</span> ({count(number)})
            </span>
          ))}
          {series.length > 4 && ` and ${series.length - 4} more`}
        </p>
      )}
      {text.traceback !== "" && <Traceback text={text.traceback} />}
    </li>
  );
}

/** Folded away until it is asked for, but on paper. */
function Traceback({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const isPrinted = usePrinting();
  return (
    <details open={open || isPrinted} onToggle={(event) => !isPrinting() && setOpen(event.currentTarget.open)}>
      <summary>Traceback of the first</summary>
      <pre tabIndex={0}>{text}</pre>
    </details>
  );
}

/** Pairs of a second and a count as equal parts of the run so far. */
export function overTime(points: readonly (readonly [number, number])[], elapsed_us: number): number[] {
  const seconds = Math.max(elapsed_us / 1e6, 1);
  const parts = Math.max(Math.min(PARTS, Math.ceil(seconds)), 2);
  const values = new Array<number>(parts).fill(0);
  for (const [second, number] of points) {
    const part = Math.min(Math.floor((second / seconds) * parts), parts - 1);
    values[part] = (values[part] ?? 0) + number;
  }
  return values;
}
