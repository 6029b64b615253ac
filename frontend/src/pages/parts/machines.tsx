import { useMemo, useState } from "preact/hooks";

import { Chart, type ColorName, type Line } from "../../charts/chart.tsx";
import { count, ms, percent, rate } from "../../format.ts";
import { MACHINE_POINT as M, type Machine } from "../../messages.ts";
import { Badge } from "../../parts/badge.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import { column, perSecond, spansOf } from "../../store/columns.ts";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { useMarks, useRun } from "./frame.ts";
import { Meter, Section } from "./section.tsx";
import { fileName } from "./words.ts";

/** Lines that one chart tells apart; with more agents, each one's own row shows it. */
const MOST_LINES = 6;
const COLORS: readonly ColorName[] = ["blue", "orange", "green", "purple", "sky", "ink"];

/** Agents, or the workers of a local run: where the load comes from, and how well they were. */
export function Machines() {
  const { source } = useRun();
  const { model } = source;
  useTopics(model, "machines", "machinePoints", "head", "stage");
  const [open, setOpen] = useState<string | number | null>(null);
  const columns = useMemo(() => columnsOf(model), [model]);
  const { machines } = model;
  if (machines.length === 0) return null;
  return (
    <Section id="agents" title="Load generators" number={machines.length} lead="The agents and workers that make the load, and how well they are.">
      <Table
        caption="Load generators"
        rows={machines}
        columns={columns}
        id={(machine) => machine.id}
        sort={null}
        openId={open}
        onOpen={setOpen}
        detail={(machine) => <MachineCharts ids={[machine.id]} />}
        empty="No agent is there yet."
        height={400}
      />
      {machines.length > 1 && <MachineCharts ids={machines.slice(0, MOST_LINES).map((machine) => machine.id)} />}
    </Section>
  );
}

function columnsOf(model: RunModel): Column<Machine>[] {
  return [
    { key: "name", head: "Name", priority: 1, value: (machine) => machine.name,
      render: (machine) => <strong title={machine.host}>{machine.name}</strong> },
    { key: "stage", head: "Stage", width: 120, priority: 1, value: (machine) => stageText(model, machine),
      render: (machine) => <Badge tone={machine.lost ? "bad" : "plain"}>{stageText(model, machine)}</Badge> },
    { key: "host", head: "Host", width: 150, priority: 8, value: (machine) => machine.host },
    { key: "workers", head: "Workers", width: 80, align: "right", priority: 7, value: (machine) => machine.workers },
    { key: "users", head: "Users", width: 72, align: "right", priority: 3, value: (machine) => machine.users,
      render: (machine) => count(machine.users) },
    { key: "rps", head: "Requests/s", title: model.over ? "On average, over the run" : "Over the last full second", width: 96, align: "right", priority: 2,
      value: (machine) => rateOf(model, machine), render: (machine) => rate(rateOf(model, machine)) },
    { key: "cpu", head: "Processor", title: "Its busiest worker, at most", width: 130, align: "left", priority: 4, value: (machine) => machine.cpu_share,
      render: (machine) => <Meter share={machine.cpu_share} text={percent(machine.cpu_share)} label="Processor" /> },
    { key: "lag", head: "Lag ms", title: "How late its event loops were at most", width: 78, align: "right", priority: 6,
      value: (machine) => machine.lag_us, render: (machine) => ms(machine.lag_us) },
    { key: "waited", head: "Waited", title: "Part of the time that its workers waited for a processor", width: 78, align: "right", priority: 9,
      value: (machine) => machine.waited_share, render: (machine) => percent(machine.waited_share) },
    { key: "trouble", head: "Trouble", width: 220, priority: 5, value: (machine) => machine.trouble,
      render: (machine) => <span class={machine.trouble ? "is-warn" : "faint"} title={machine.trouble}>{machine.trouble || "none"}</span> },
  ];
}

/** Where it is with its part. What nobody told is as far as the run is. */
function stageText(model: RunModel, machine: Machine): string {
  if (machine.lost) return "lost";
  return machine.stage || (model.over ? "done" : model.stage);
}

/** Requests per second of the last second that is whole; of a run that is over, of all of it. */
function rateOf(model: RunModel, machine: Machine): number | null {
  if (model.over) {
    const hits = model.machinePoints(machine.id).reduce((sum, point) => sum + point[M.hits], 0);
    return model.elapsedUs ? (hits * 1e6) / model.elapsedUs : null;
  }
  if (machine.lost) return null;
  const spans = spansOf(model.machinePoints(machine.id).slice(-4), model.elapsedUs, model.over);
  return perSecond(spans, M.hits).at(-1) ?? null;
}

function MachineCharts({ ids }: { ids: readonly number[] }) {
  const { source, view } = useRun();
  const { model } = source;
  useTopics(model, "machinePoints", "machines");
  const marks = useMarks(model);
  const version = `${model.topics.version("machinePoints")}:${model.over}:${ids.join()}`;
  const lines = useMemo(() => linesOf(model, ids), [model, version]);
  const file = fileName(model.run, "agents");
  const shared = { times: lines.times, widths: lines.widths, view, marks, height: 150 };
  return (
    <div class="charts">
      <Chart {...shared} title="Requests by agent" unit="/s" lines={lines.hits} file={`${file}-requests`} />
      <Chart {...shared} title="Users by agent" unit="" lines={lines.users} file={`${file}-users`} />
      <Chart {...shared} title="Processor by agent" unit="share" lines={lines.cpu} file={`${file}-processor`} />
      <Chart {...shared} title="Loop lag by agent" unit="us" lines={lines.lag} file={`${file}-lag`} />
    </div>
  );
}

interface MachineLines {
  times: number[];
  widths: number[];
  hits: Line[];
  users: Line[];
  cpu: Line[];
  lag: Line[];
}

/** The agents' points beside each other; they share where points begin, but not every agent has each of them. */
function linesOf(model: RunModel, ids: readonly number[]): MachineLines {
  const all = ids.map((id) => spansOf(model.machinePoints(id), model.elapsedUs, model.over));
  const widthAt = new Map<number, number>();
  for (const spans of all) spans.times.forEach((t, at) => widthAt.set(t, Math.max(widthAt.get(t) ?? 0, spans.widths[at] ?? 0)));
  const times = [...widthAt.keys()].sort((a, b) => a - b);
  const out: MachineLines = { times, widths: times.map((t) => widthAt.get(t) ?? 1), hits: [], users: [], cpu: [], lag: [] };
  all.forEach((spans, at) => {
    const place = new Map(spans.times.map((t, index) => [t, index]));
    const aligned = (values: (number | null)[]): (number | null)[] =>
      times.map((t) => {
        const index = place.get(t);
        return index === undefined ? null : (values[index] ?? null);
      });
    const machine = model.machines.find((one) => one.id === ids[at]);
    const look = { label: machine?.name ?? String(ids[at]), color: COLORS[at % COLORS.length] ?? "ink", dash: at % 2 === 1 };
    out.hits.push({ ...look, values: aligned(perSecond(spans, M.hits)) });
    out.users.push({ ...look, values: aligned(column(spans, M.users)) });
    out.cpu.push({ ...look, values: aligned(column(spans, M.cpu_share)) });
    out.lag.push({ ...look, values: aligned(column(spans, M.lag_us)) });
  });
  return out;
}
