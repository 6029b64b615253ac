import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";

import { View } from "../../charts/view.ts";
import { ViewBar } from "../../charts/viewbar.tsx";
import { Empty } from "../../parts/empty.tsx";
import type { RunSource } from "../../store/followed.ts";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { RunCharts } from "./curves.tsx";
import { Endpoints } from "./endpoints.tsx";
import { Errors } from "./errors.tsx";
import { Counters, Plan, Thresholds } from "./facts.tsx";
import { RunTiles } from "./figures.tsx";
import { RunContext } from "./frame.ts";
import { Events, Log } from "./happenings.tsx";
import { RunHead } from "./head.tsx";
import { Machines } from "./machines.tsx";
import { RunNotices } from "./notices.tsx";
import { Section } from "./section.tsx";

export interface RunViewProps {
  source: RunSource;
  /** Buttons in the head. */
  actions?: ComponentChildren;
  /** Said above all else. */
  notice?: ComponentChildren;
  /** What is shown is not up to date. */
  stale?: boolean;
}

/** A run, whole: the same on the dashboard and in a report. */
export function RunView({ source, actions, notice, stale = false }: RunViewProps) {
  const { model } = source;
  const view = useMemo(() => new View(), [source]);
  const context = useMemo(() => ({ source, view }), [source, view]);
  return (
    <RunContext.Provider value={context}>
      <div class={stale ? "run is-stale" : "run"}>
        <div class="run-top">
          <RunHead model={model} actions={actions} />
          <SectionLinks model={model} />
        </div>
        {notice}
        <RunNotices model={model} />
        <Body source={source} view={view} />
      </div>
    </RunContext.Provider>
  );
}

/** All parts. This is drawn once per stage; each part listens to what it shows by itself. */
function Body({ source, view }: { source: RunSource; view: View }) {
  const { model } = source;
  useTopics(model, "stage");
  const begun = model.elapsedUs !== null;
  if (!begun && model.over) return <Plan model={model} />;
  if (!begun) return <NotBegun model={model} />;
  return <Parts source={source} view={view} over={model.over} />;
}

function NotBegun({ model }: { model: RunModel }) {
  const waits = model.stage === "waiting";
  return (
    <>
      <Empty title={waits ? "This run waits for its turn" : "This run is being prepared"}>
        <p>{waits ? "It begins as soon as enough agents are free. This page follows by itself." : "Agents fetch the test and start their workers. This page follows by itself."}</p>
      </Empty>
      <Machines />
      <Plan model={model} />
      <Log />
    </>
  );
}

function Parts({ source, view, over }: { source: RunSource; view: View; over: boolean }) {
  const { model } = source;
  return useMemo(
    () => (
      <>
        <RunTiles model={model} />
        <Thresholds model={model} />
        <Section id="charts" title="Over time" tools={<ViewBar view={view} live={source.live && !over} />}>
          <RunCharts />
        </Section>
        <Endpoints />
        <Errors />
        <Counters model={model} />
        <Machines />
        <Events />
        <Log />
        <Plan model={model} />
      </>
    ),
    [source, view, over],
  );
}

/** Links to the parts that are there. */
function SectionLinks({ model }: { model: RunModel }) {
  useTopics(model, "stage", "series", "errors", "events", "machines", "thresholds", "counters", "lines");
  if (model.elapsedUs === null) return null;
  const links: [string, string, number | null][] = [
    ["charts", "Charts", null],
    ["endpoints", "Endpoints", model.series.length],
    ["errors", "Errors", model.errors.length],
    ["agents", "Load generators", model.machines.length],
    ["events", "Events", model.events.length],
    ["plan", "Plan", null],
  ];
  return (
    <nav class="section-links" aria-label="Parts of this run">
      {links.map(([id, text, number]) => (
        <a key={id} href={`#${id}`}>
          {text}
          {number !== null && number > 0 && <span class="section-count">{number}</span>}
        </a>
      ))}
    </nav>
  );
}
