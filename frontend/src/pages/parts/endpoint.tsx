import { useEffect, useMemo, useState } from "preact/hooks";

import { Chart } from "../../charts/chart.tsx";
import { HeatMap, type HeatPoint } from "../../charts/heat.tsx";
import { bytes, count, percent, time } from "../../format.ts";
import { PHASE, SERIES_FIGURES as F, SERIES_NAME as N, SERIES_POINT as P, type SeriesPoint, SPREAD } from "../../messages.ts";
import { column, perSecond, type Spans, spansOf } from "../../store/columns.ts";
import type { OpenSeries } from "../../store/followed.ts";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel, SeriesRow } from "../../store/model.ts";
import type { SeriesModel } from "../../store/series.ts";
import { percentileLines, Percentiles, requestLines } from "./curves.tsx";
import { useMarks, useRun } from "./frame.ts";
import { Facts } from "./section.tsx";
import { fileName, seriesLabel } from "./words.ts";

/** What a row of the endpoints opens: that series over time, and all that is known of it. */
export function Endpoint({ id }: { id: number }) {
  const { source } = useRun();
  const [series, setSeries] = useState<OpenSeries | null>(null);
  useEffect(() => {
    const opened = source.openSeries(id);
    setSeries(opened);
    return () => opened.close();
  }, [source, id]);
  const row = source.model.seriesOf(id);
  if (row === null) return <p class="muted">This endpoint is part of (other) now: there are too many.</p>;
  return (
    <div class="endpoint-detail">
      {series === null ? null : <SeriesCharts series={series.model} row={row} />}
      <Numbers row={row} />
      {series === null ? null : <Kinds series={series.model} />}
      <EndpointErrors model={source.model} row={row} />
    </div>
  );
}

function SeriesCharts({ series, row }: { series: SeriesModel; row: SeriesRow }) {
  const { source, view } = useRun();
  const { model } = source;
  useTopics(series, "points");
  const marks = useMarks(model);
  const version = `${series.topics.version("points")}:${model.over}`;
  const spans = useMemo(() => spansOf(series.points, model.elapsedUs, model.over), [series, version]);
  const lines = useMemo(() => linesOf(spans), [spans]);
  const heat = useMemo(() => heatOf(spans), [spans]);
  if (!series.ready) return <p class="muted" role="status">Fetching what this endpoint did…</p>;
  if (spans.points.length === 0) return <p class="muted">Nothing over time is kept of this endpoint.</p>;
  const shared = { times: spans.times, widths: spans.widths, view, marks, height: 150 };
  const file = fileName(model.run, seriesLabel(row.name));
  const planned = model.head?.has_starts ?? false;
  return (
    <div class="charts">
      <Chart {...shared} title="Requests" unit="/s" lines={lines.requests} file={`${file}-requests`} />
      <Percentiles {...shared} title="Response time" lines={lines.response} file={`${file}-response`} note="Each point to 3.2 %; the table below to 0.5 %" />
      {planned && <Percentiles {...shared} title="Service time" lines={lines.service} file={`${file}-service`} note="Each point to 3.2 %; the table below to 0.5 %" />}
      <HeatMap title="Response time heat map" points={heat} view={view} marks={marks} file={`${file}-heat`} height={150} />
    </div>
  );
}

function linesOf(spans: Spans<SeriesPoint>) {
  const at = (name: keyof typeof P): (number | null)[] => column(spans, P[name]);
  return {
    requests: requestLines(perSecond(spans, P.hits), perSecond(spans, P.failed)),
    response: percentileLines(at("r50"), at("r95"), at("r99")),
    service: percentileLines(at("s50"), at("s95"), at("s99")),
  };
}

function heatOf(spans: Spans<SeriesPoint>): HeatPoint[] {
  return spans.points.map((point) => ({ t_us: point[P.t_us], width_us: point[P.width_us], heat: point[P.heat] }));
}

const QUANTILES = ["min", "p50", "p90", "p95", "p99", "p999", "max", "mean"] as const;
const QUANTILE_HEADS: Record<(typeof QUANTILES)[number], string> = {
  min: "Min", p50: "p50", p90: "p90", p95: "p95", p99: "p99", p999: "p99.9", max: "Max", mean: "Mean",
};

function Numbers({ row }: { row: SeriesRow }) {
  const { source } = useRun();
  useTopics(source.model, "series");
  const { figures } = source.model.seriesOf(row.id) ?? row;
  const planned = source.model.head?.has_starts ?? false;
  const spreads = planned
    ? ([["Response", figures[F.response]], ["Service", figures[F.service]]] as const)
    : ([["Response", figures[F.response]]] as const);
  return (
    <>
      <div class="scroll-x">
        <table class="plain-table">
          <caption class="visually-hidden">Times of this endpoint</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {QUANTILES.map((key) => <th key={key} scope="col" class="number">{QUANTILE_HEADS[key]}</th>)}
            </tr>
          </thead>
          <tbody>
            {spreads.map(([name, spread]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {QUANTILES.map((key) => <td key={key} class="number">{time(spread[SPREAD[key]])}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Facts facts={factsOf(row, figures)} />
    </>
  );
}

function factsOf(row: SeriesRow, figures: SeriesRow["figures"]): [string, string][] {
  const facts: [string, string][] = [
    ["Test", row.name[N.scenario]],
    ["Requests", count(figures[F.hits])],
    ["Failed", count(figures[F.failed])],
  ];
  if (figures[F.unsent] > 0) facts.push(["Never sent", count(figures[F.unsent])]);
  if (figures[F.unstarted] > 0) facts.push(["Unstarted", count(figures[F.unstarted])]);
  facts.push(["Received", bytes(figures[F.bytes_received])], ["Sent", bytes(figures[F.bytes_sent])]);
  facts.push(["New connections", count(figures[F.connections])]);
  return facts;
}

/** Statuses, kinds of errors and phases: small tables beside each other. */
function Kinds({ series }: { series: SeriesModel }) {
  useTopics(series, "details");
  const phases = series.phases;
  return (
    <div class="kinds">
      <Shares title="Statuses" counts={series.statuses} />
      <Shares title="Without an answer" counts={series.kinds} />
      {phases.length > 0 && (
        <table class="plain-table">
          <caption>Phases</caption>
          <thead>
            <tr><th scope="col">Phase</th><th scope="col" class="number">Times</th><th scope="col" class="number">Mean</th><th scope="col" class="number">Max</th></tr>
          </thead>
          <tbody>
            {phases.map((phase) => (
              <tr key={phase[PHASE.name]}>
                <th scope="row">{phase[PHASE.name].replace("_", " ")}</th>
                <td class="number">{count(phase[PHASE.count])}</td>
                <td class="number">{time(phase[PHASE.mean])}</td>
                <td class="number">{time(phase[PHASE.max])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function Shares({ title, counts }: { title: string; counts: Readonly<Record<string, number>> }) {
  const entries = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  if (entries.length === 0) return null;
  const total = entries.reduce((sum, [, number]) => sum + number, 0);
  return (
    <table class="plain-table">
      <caption>{title}</caption>
      <tbody>
        {entries.map(([name, number]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number">{count(number)}</td>
            <td class="number faint">{percent(number / total)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The errors that this endpoint's requests came before. */
function EndpointErrors({ model, row }: { model: RunModel; row: SeriesRow }) {
  useTopics(model, "errors");
  const label = seriesLabel(row.name);
  const plain = `${row.name[N.method]} ${row.name[N.name]}`;
  const errors = model.errors
    .map((error) => ({ error, number: error.figures.series[label] ?? error.figures.series[plain] ?? 0 }))
    .filter(({ number }) => number > 0);
  if (errors.length === 0) return null;
  return (
    <div>
      <h3>Errors after it</h3>
      <ul class="reasons">
        {errors.map(({ error, number }) => (
          <li key={error.id}>
            <a href={`#error-${error.id}`}>{error.text.kind}</a> {error.text.message.split("\n")[0]}{" "}
            <span class="faint">{count(number)} times</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
