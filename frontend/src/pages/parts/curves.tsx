import { useMemo } from "preact/hooks";

import { Chart, type Line, type Mark } from "../../charts/chart.tsx";
import { HeatMap, type HeatPoint } from "../../charts/heat.tsx";
import type { View } from "../../charts/view.ts";
import { POINT, type Point } from "../../messages.ts";
import { column, perSecond, sameColumns, type Spans, spansOf } from "../../store/columns.ts";
import { useTopics } from "../../store/hooks.ts";
import { useMarks, useRun } from "./frame.ts";
import { fileName } from "./words.ts";

/** What all charts of a run are given. */
interface Shared {
  times: number[];
  widths: number[];
  view: View;
  marks: readonly Mark[];
}

/** The run over time: linked charts, drawn again only when points came. */
export function RunCharts() {
  const { source, view } = useRun();
  const { model } = source;
  useTopics(model, "points", "head");
  const marks = useMarks(model);
  const version = `${model.topics.version("points")}:${model.over}`;
  const data = useMemo(() => chartsOf(spansOf(model.points, model.elapsedUs, model.over)), [model, version]);
  const heat = useMemo(() => heatOf(data.spans), [data]);
  const shared = { times: data.spans.times, widths: data.spans.widths, view, marks };
  const planned = model.head?.has_starts ?? false;
  return (
    <div class="charts">
      <LoadCharts shared={shared} data={data} run={model.run} isOpen={model.head?.is_open ?? false} />
      <Percentiles {...shared} title="Response time" lines={data.response} file={fileName(model.run, "response")}
        note={planned ? "From when an iteration should have started" : undefined} />
      {data.differ && (
        <Percentiles {...shared} title="Service time" lines={data.service} file={fileName(model.run, "service")}
          note="From when a request was sent" />
      )}
      <HeatMap title="Response time heat map" points={heat} view={view} marks={marks} file={fileName(model.run, "heat")}
        note="How many requests took how long" />
      {planned && (
        <Percentiles {...shared} title="Lateness" lines={data.lateness} file={fileName(model.run, "lateness")}
          note="How late iterations began" />
      )}
      <Chart {...shared} title="Load generator" unit="share" rightUnit="us" lines={data.health}
        file={fileName(model.run, "generator")} note="The busiest worker, and the latest event loop" />
    </div>
  );
}

function LoadCharts({ shared, data, run, isOpen }: { shared: Shared; data: ChartData; run: string; isOpen: boolean }) {
  return (
    <>
      <Chart {...shared} title="Load" unit="" rightUnit="/s" lines={data.load} file={fileName(run, "load")}
        note={isOpen ? "Users that are busy, and iterations begun" : undefined} />
      <Chart {...shared} title="Requests" unit="/s" lines={data.requests} file={fileName(run, "requests")} />
    </>
  );
}

interface PercentilesProps extends Shared {
  title: string;
  lines: Line[];
  file: string;
  note?: string;
  height?: number;
}

export function Percentiles(props: PercentilesProps) {
  return <Chart {...props} unit="us" log />;
}

interface ChartData {
  spans: Spans<Point>;
  load: Line[];
  requests: Line[];
  response: Line[];
  service: Line[];
  lateness: Line[];
  health: Line[];
  /** Response and service times are not the same. */
  differ: boolean;
}

function chartsOf(spans: Spans<Point>): ChartData {
  const at = (name: keyof typeof POINT): (number | null)[] => column(spans, POINT[name]);
  const each = (name: keyof typeof POINT): (number | null)[] => perSecond(spans, POINT[name]);
  const response = [at("r50"), at("r95"), at("r99")] as const;
  const service = [at("s50"), at("s95"), at("s99")] as const;
  return {
    spans,
    load: [
      { label: "Users", values: at("users"), color: "blue", fill: true },
      { label: "Iterations started", values: each("started"), color: "orange", dash: true, axis: "right" },
    ],
    requests: requestLines(each("hits"), each("failed")),
    response: percentileLines(...response),
    service: percentileLines(...service),
    lateness: [
      { label: "p50", values: at("l50"), color: "sky" },
      { label: "p99", values: at("l99"), color: "vermilion", dash: true },
    ],
    health: [
      { label: "Processor", values: at("cpu_share"), color: "purple" },
      { label: "Loop lag", values: at("lag_us"), color: "grey", dash: true, axis: "right" },
    ],
    differ: response.some((values, index) => !sameColumns(values, service[index] ?? [])),
  };
}

type Values = (number | null)[];

export function requestLines(hits: Values, failed: Values): Line[] {
  return [
    { label: "Requests", values: hits, color: "blue", fill: true },
    { label: "Failed", values: failed, color: "vermilion", dash: true },
  ];
}

export function percentileLines(p50: Values, p95: Values, p99: Values): Line[] {
  return [
    { label: "p50", values: p50, color: "sky" },
    { label: "p95", values: p95, color: "blue" },
    { label: "p99", values: p99, color: "vermilion", dash: true },
  ];
}

function heatOf(spans: Spans<Point>): HeatPoint[] {
  return spans.points.map((point) => ({ t_us: point[POINT.t_us], width_us: point[POINT.width_us], heat: point[POINT.heat] }));
}
