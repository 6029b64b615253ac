import { useEffect, useMemo, useState } from "preact/hooks";

import { ViewBar } from "../charts/viewbar.tsx";
import { View } from "../charts/view.ts";
import { clock, duration } from "../format.ts";
import type { RunRow } from "../messages.ts";
import { Badge } from "../parts/badge.tsx";
import { Empty } from "../parts/empty.tsx";
import { fetchRuns } from "../store/api.ts";
import { FollowedRun } from "../store/followed.ts";
import { useTopics } from "../store/hooks.ts";
import type { RunModel } from "../store/model.ts";
import { useApp, useTitle } from "./context.ts";
import { PairTable } from "./parts/pairs.tsx";
import { OverlaidCharts } from "./parts/overlaid.tsx";
import { Differences } from "./parts/differences.tsx";
import { LinkNotice, useStale } from "./parts/link.tsx";
import { Section } from "./parts/section.tsx";
import { runWord, titleOf, titleOfRow } from "./parts/words.ts";
import { navigate, pathOfRun, useAddress } from "./router.ts";

/** Two runs over each other, whether they go on or not. */
export function ComparePage() {
  useTitle("Compare");
  const given = new URLSearchParams(useAddress().search);
  const a = given.get("a") ?? "";
  const b = given.get("b") ?? "";
  const go = (next: { a?: string; b?: string }): void => navigate(`/compare?${new URLSearchParams({ a, b, ...next })}`, true);
  return (
    <div class="stack">
      <div class="page-head">
        <h1>Compare two runs</h1>
        {a !== "" && b !== "" && <button type="button" onClick={() => go({ a: b, b: a })}>Swap A and B</button>}
      </div>
      <LinkNotice />
      {a === "" || b === "" ? <Choose a={a} b={b} go={go} /> : <Both key={`${a} ${b}`} a={a} b={b} />}
    </div>
  );
}

/** One or both are not chosen yet. */
function Choose({ a, b, go }: { a: string; b: string; go: (next: { a?: string; b?: string }) => void }) {
  const [runs, setRuns] = useState<readonly RunRow[] | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    fetchRuns("?limit=50", stop.signal).then((list) => setRuns(list.runs), () => setRuns([]));
    return () => stop.abort();
  }, []);
  const field = (side: "a" | "b", chosen: string) => (
    <label>
      <span>{side === "a" ? "A: before" : "B: after"}</span>
      <select value={chosen} onChange={(event) => go({ [side]: event.currentTarget.value })}>
        <option value="">Choose a run</option>
        {chosen !== "" && !runs?.some((run) => run.id === chosen) && <option value={chosen}>{chosen}</option>}
        {(runs ?? []).map((run) => (
          <option key={run.id} value={run.id}>{`${titleOfRow(run)} · ${clock(run.created_at).slice(0, 16)} · ${run.id}`}</option>
        ))}
      </select>
    </label>
  );
  return (
    <>
      <div class="filters">
        {field("a", a)}
        {field("b", b)}
      </div>
      <Empty title="Choose two runs">
        <p>They are laid over each other by the time since their start. The <a href="/runs">history</a> has all of them.</p>
      </Empty>
    </>
  );
}

function useFollowed(run: string): FollowedRun {
  const { live } = useApp();
  const source = useMemo(() => new FollowedRun(live, run), [live, run]);
  useEffect(() => {
    source.start();
    return () => source.stop();
  }, [source]);
  useTopics(source, "gone");
  useTopics(source.model, "head");
  return source;
}

function Both({ a, b }: { a: string; b: string }) {
  const first = useFollowed(a);
  const second = useFollowed(b);
  const view = useMemo(() => new View(), []);
  const [open, setOpen] = useState<string | null>(null);
  const stale = useStale();
  for (const source of [first, second]) {
    if (source.gone === null || source.model.ready) continue;
    return (
      <Empty title={source.gone.message}>
        <p>{source.gone.hint} <a href="/runs">All runs</a></p>
      </Empty>
    );
  }
  if (!first.model.ready || !second.model.ready) return <p class="muted loading" role="status">Fetching both runs…</p>;
  const live = !first.model.over || !second.model.over;
  return (
    <div class={stale ? "stack is-stale" : "stack"}>
      <div class="sides">
        <Side letter="A" model={first.model} />
        <Side letter="B" model={second.model} />
      </div>
      <Differences a={first.model} b={second.model} />
      <Section id="charts" title="Over time" lead="A: whole lines. B: dashed lines." tools={<ViewBar view={view} live={live} />}>
        <OverlaidCharts a={first} b={second} view={view} />
      </Section>
      <PairTable a={first} b={second} view={view} open={open} choose={setOpen} />
    </div>
  );
}

function Side({ letter, model }: { letter: "A" | "B"; model: RunModel }) {
  useTopics(model, "head", "stage", "standing");
  const word = runWord(model.stage, model.standing);
  return (
    <section class={`panel side side-${letter.toLowerCase()}`} aria-label={`Run ${letter}`}>
      <span class="side-letter" aria-hidden="true">{letter}</span>
      <div class="side-text">
        <h2><a href={pathOfRun(model.run)}>{titleOf(model.head, model.run)}</a></h2>
        <p class="faint small">
          <span class="mono">{model.run}</span> · {clock(model.head?.started_at ?? null).slice(0, 16)} · {duration(model.elapsedUs)}
          {model.head?.server_url ? ` · ${model.head.server_url}` : ""}
        </p>
      </div>
      <Badge tone={word.tone}>{word.text}</Badge>
    </section>
  );
}
