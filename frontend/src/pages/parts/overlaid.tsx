import { useEffect, useMemo, useState } from "preact/hooks";

import { Chart, type Line } from "../../charts/chart.tsx";
import type { Unit } from "../../charts/types.ts";
import type { View } from "../../charts/view.ts";
import { POINT, SERIES_POINT } from "../../messages.ts";
import { column, perSecond, type Spans, spansOf } from "../../store/columns.ts";
import { type Overlay, overlay, type Pair, pick } from "../../store/compare.ts";
import type { FollowedRun, OpenSeries } from "../../store/followed.ts";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { SeriesModel } from "../../store/series.ts";
import type { Timed } from "../../store/track.ts";
import { fileName } from "./words.ts";

/** A chart of one figure: A solid, B dashed. */
interface Curve {
  readonly title: string;
  readonly unit: Unit;
  readonly index: number;
  readonly perSecond?: boolean;
}

const RUN_CURVES: readonly Curve[] = [
  { title: "Requests", unit: "/s", index: POINT.hits, perSecond: true },
  { title: "Failed requests", unit: "/s", index: POINT.failed, perSecond: true },
  { title: "Response time p50", unit: "us", index: POINT.r50 },
  { title: "Response time p95", unit: "us", index: POINT.r95 },
  { title: "Response time p99", unit: "us", index: POINT.r99 },
  { title: "Users", unit: "", index: POINT.users },
];

const SERIES_CURVES: readonly Curve[] = [
  { title: "Requests", unit: "/s", index: SERIES_POINT.hits, perSecond: true },
  { title: "Failed requests", unit: "/s", index: SERIES_POINT.failed, perSecond: true },
  { title: "Response time p50", unit: "us", index: SERIES_POINT.r50 },
  { title: "Response time p95", unit: "us", index: SERIES_POINT.r95 },
];

export interface OverlaidProps {
  a: FollowedRun;
  b: FollowedRun;
  view: View;
}

/** Both runs over the time since their start. */
export function OverlaidCharts({ a, b, view }: OverlaidProps) {
  useTopics(a.model, "points");
  useTopics(b.model, "points");
  const version = `${a.model.topics.version("points")} ${b.model.topics.version("points")}`;
  const [first, second] = useMemo(() => [spansIn(a.model, a.model.points), spansIn(b.model, b.model.points)], [a, b, version]);
  return <Curves curves={RUN_CURVES} first={first} second={second} view={view} file={fileName("compare")} />;
}

/** The same of one endpoint. */
export function OverlaidSeries({ a, b, view, pair }: OverlaidProps & { pair: Pair }) {
  const first = useSeries(a, pair.a?.id ?? null);
  const second = useSeries(b, pair.b?.id ?? null);
  useTopics(first, "points");
  useTopics(second, "points");
  const version = `${first.topics.version("points")} ${second.topics.version("points")}`;
  const spans = useMemo(
    () => [spansIn(a.model, first.points), spansIn(b.model, second.points)] as const,
    [first, second, version],
  );
  if (!first.ready && !second.ready) return <p class="muted" role="status">Fetching what this endpoint did…</p>;
  return <Curves curves={SERIES_CURVES} first={spans[0]} second={spans[1]} view={view} file={fileName("compare", pair.name)} height={150} />;
}

function useSeries(source: FollowedRun, id: number | null): SeriesModel {
  const none = useMemo(() => new SeriesModel(-1), []);
  const [open, setOpen] = useState<OpenSeries | null>(null);
  useEffect(() => {
    if (id === null) return setOpen(null);
    const opened = source.openSeries(id);
    setOpen(opened);
    return () => opened.close();
  }, [source, id]);
  return open?.model ?? none;
}

function spansIn<P extends Timed>(model: RunModel, points: readonly P[]): Spans<P> {
  return spansOf(points, model.elapsedUs, model.over);
}

interface CurvesProps<P extends Timed> {
  curves: readonly Curve[];
  first: Spans<P>;
  second: Spans<P>;
  view: View;
  file: string;
  height?: number;
}

function Curves<P extends Timed>({ curves, first, second, view, file, height }: CurvesProps<P>) {
  const laid = useMemo(() => overlay(first, second), [first, second]);
  const lines = useMemo(() => curves.map((curve) => linesOf(curve, first, second, laid)), [laid]);
  return (
    <div class="charts">
      {curves.map((curve, at) => (
        <Chart key={curve.title} title={curve.title} unit={curve.unit} log={curve.unit === "us"} times={laid.times} widths={laid.widths}
          lines={lines[at] ?? []} view={view} file={`${file}-${fileName(curve.title)}`} height={height} />
      ))}
    </div>
  );
}

function linesOf<P extends Timed>(curve: Curve, first: Spans<P>, second: Spans<P>, laid: Overlay): Line[] {
  const values = curve.perSecond ? perSecond : column;
  return [
    { label: "A", values: pick(values(first, curve.index), laid.a), color: "blue" },
    { label: "B", values: pick(values(second, curve.index), laid.b), color: "vermilion", dash: true },
  ];
}
