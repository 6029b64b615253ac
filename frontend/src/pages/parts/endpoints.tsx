import { useMemo, useState } from "preact/hooks";

import { Sparkline } from "../../charts/spark.tsx";
import { count, ms, percent, rate } from "../../format.ts";
import { SERIES_FIGURES as F, SERIES_NAME as N, SPREAD, type Spread } from "../../messages.ts";
import { type Column, Table } from "../../parts/table.tsx";
import { pathOf } from "../../store/compare.ts";
import { useTopics } from "../../store/hooks.ts";
import { OTHER, type RunModel, type SeriesRow } from "../../store/model.ts";
import { Endpoint } from "./endpoint.tsx";
import { useRun } from "./frame.ts";
import { Section } from "./section.tsx";
import { seriesLabel, shortTest } from "./words.ts";

/** Which times the table shows. */
type Times = "response" | "service";

/** Methods of series that count no requests; they come last. */
const RANKS: Record<string, number> = { transaction: 1, iteration: 2 };

/** All endpoints; a row opens its own charts. */
export function Endpoints() {
  const { source } = useRun();
  const { model } = source;
  useTopics(model, "series", "head", "stage");
  const [times, setTimes] = useState<Times>("response");
  const [open, setOpen] = useState<string | number | null>(null);
  const rows = model.series;
  const many = useMemo(() => new Set(rows.map((row) => row.name[N.scenario])).size > 1, [rows]);
  const rest = model.over || model.sparksAreWhole;
  const columns = useMemo(() => columnsOf(model, times, many, rest), [model, times, many, rest]);
  const planned = model.head?.has_starts ?? false;
  return (
    <Section id="endpoints" title="Endpoints" number={rows.length}
      lead={`${times === "response" ? "Response" : "Service"} times in ms. A row opens its own charts.`}>
      <Table
        caption="Endpoints"
        rows={rows}
        columns={columns}
        id={(row) => row.id}
        sort={{ key: "hits", down: true }}
        search={searched}
        openId={open}
        onOpen={setOpen}
        detail={(row) => <Endpoint key={row.id} id={row.id} />}
        height={560}
        empty="No request has ended yet."
        tools={planned ? <TimesChoice times={times} choose={setTimes} /> : undefined}
      />
    </Section>
  );
}

function TimesChoice({ times, choose }: { times: Times; choose: (times: Times) => void }) {
  return (
    <div class="segments" role="group" aria-label="Which times">
      {(["response", "service"] as const).map((one) => (
        <button key={one} type="button" class="segment" aria-pressed={one === times} onClick={() => choose(one)}>
          {one === "response" ? "Response" : "Service"}
        </button>
      ))}
    </div>
  );
}

function searched(row: SeriesRow): string {
  return `${seriesLabel(row.name)} ${row.name[N.scenario]}`;
}

function columnsOf(model: RunModel, times: Times, many: boolean, rest: boolean): Column<SeriesRow>[] {
  const index = times === "response" ? F.response : F.service;
  const figure = (key: string, head: string, at: number, priority: number): Column<SeriesRow> => ({
    key,
    head,
    width: 66,
    align: "right",
    priority,
    value: (row) => (row.figures[index] as Spread)[at] as number | null,
    render: (row) => ms((row.figures[index] as Spread)[at] as number | null),
  });
  return [
    {
      key: "name",
      head: "Endpoint",
      priority: 1,
      value: (row) => (RANKS[row.name[N.method]] ?? 0) + seriesLabel(row.name),
      render: (row) => <EndpointName row={row} many={many} server={model.head?.server_url ?? null} />,
    },
    { key: "hits", head: "Requests", title: "How many ended", width: 92, align: "right", priority: 2,
      value: (row) => row.figures[F.hits], render: (row) => count(row.figures[F.hits]) },
    { key: "rps", head: rest ? "/s" : "/s now", title: rest ? "Per second, on average" : "Per second, over the last seconds",
      width: 74, align: "right", priority: 4, value: (row) => model.rate(row.id), render: (row) => rate(model.rate(row.id)) },
    { key: "failed", head: "Failed", title: "Without an answer, or with a status of 400 and above", width: 78, align: "right",
      priority: 3, value: failedShare, render: (row) => <FailedShare share={failedShare(row)} /> },
    figure("p50", "p50", SPREAD.p50, 6),
    figure("p95", "p95", SPREAD.p95, 2),
    figure("p99", "p99", SPREAD.p99, 5),
    figure("max", "Max", SPREAD.max, 7),
    { key: "spark", head: rest ? "Over the run" : "Last minute", title: "Requests over time", width: 128, priority: 8, fixed: true,
      value: () => null,
      render: (row) => <Sparkline values={model.spark(row.id)} label={`Requests of ${seriesLabel(row.name)} over time`} /> },
  ];
}

function failedShare(row: SeriesRow): number | null {
  const hits = row.figures[F.hits];
  return hits ? row.figures[F.failed] / hits : null;
}

/** A share of failures; some stand out by more than colour. */
export function FailedShare({ share }: { share: number | null }) {
  if (share === null || share === 0) return <span class="faint">{percent(share)}</span>;
  return <strong class="is-bad">{percent(share)}</strong>;
}

/** Its method and name, without the address of the service, which all of them share. */
function EndpointName({ row, many, server }: { row: SeriesRow; many: boolean; server: string | null }) {
  const method = row.name[N.method];
  const name = method === "iteration" ? shortTest(row.name[N.scenario]) : row.name[N.name];
  const other = name === OTHER;
  const test = many && !other && method !== "iteration" ? ` · ${shortTest(row.name[N.scenario])}` : "";
  return (
    <span class="endpoint" title={`${method} ${name}${test}`}>
      {!(other && method === OTHER) && <span class={method === method.toUpperCase() ? "method" : "method is-kind"}>{method}</span>}
      <span class="endpoint-name">{pathOf(name, server)}</span>
      {other && <span class="faint">too many to tell apart</span>}
      {test !== "" && <span class="faint">{test}</span>}
    </span>
  );
}
