// Every chart and part on one page, with made-up data: `npm run dev`, then /static/dev/gallery.html.
// With ?points=1800 the charts hold so many points, with ?live they get one more each second.

import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import { Chart, type Mark } from "../src/charts/chart.tsx";
import { HeatMap, type HeatPoint } from "../src/charts/heat.tsx";
import { Sparkline } from "../src/charts/spark.tsx";
import { View } from "../src/charts/view.ts";
import { ViewBar } from "../src/charts/viewbar.tsx";
import { count, ms, percent, rate } from "../src/format.ts";
import { Badge } from "../src/parts/badge.tsx";
import { Empty } from "../src/parts/empty.tsx";
import { ThemeToggle } from "../src/parts/menu.tsx";
import { Notice } from "../src/parts/notice.tsx";
import { Table } from "../src/parts/table.tsx";
import { startTheme } from "../src/parts/theme.ts";
import { Tile, Tiles } from "../src/parts/tile.tsx";
import "../src/style/main.css";
import "./gallery.css";

const asked = new URLSearchParams(location.search);
const POINTS = Number(asked.get("points") ?? 300);
const HOLE = [120, 138] as const;

/** The same noise each time, 0..1. */
function noise(n: number): number {
  const wave = Math.sin(n * 12.9898) * 43758.5453;
  return wave - Math.floor(wave);
}

const seconds = (to: number) => Array.from({ length: to }, (_, t) => t).filter((t) => t < HOLE[0] || t >= HOLE[1]);

function data(to: number) {
  const times = seconds(to);
  const slow = times.map((t) => (t > 200 && t < 240 ? 6 : 1));
  const p50 = times.map((t, at) => 12_000 * (1 + 0.1 * noise(t)) * Math.sqrt(slow[at] ?? 1));
  return {
    times,
    widths: times.map(() => 1),
    users: times.map((t) => Math.min(200, t * 3)),
    hits: times.map((t) => Math.min(200, t * 3) * (20 + 2 * noise(t + 7))),
    failed: times.map((t) => (t > 200 && t < 240 ? 300 * noise(t) : noise(t) > 0.97 ? 4 : 0)),
    p50,
    p95: p50.map((value, t) => value * (2.2 + noise(t + 3))),
    p99: p50.map((value, t) => value * (4 + 3 * noise(t + 5))),
    cpu: times.map((t) => 0.4 + 0.2 * noise(t + 9)),
    heat: times.map((t, at): HeatPoint => ({ t_us: t * 1e6, width_us: 1e6, heat: column(t, slow[at] ?? 1) })),
  };
}

function column(t: number, slow: number): number[] {
  const middle = Math.log2(12_000 * slow) * 4;
  const pairs: number[] = [];
  for (let row = -8; row < 22; row += 1) {
    const share = Math.exp(-(row * row) / (row < 0 ? 8 : 40));
    const hits = Math.floor(800 * share * (0.6 + 0.8 * noise(t * 31 + row)));
    if (hits > 0) pairs.push(Math.round(middle) + row, hits);
  }
  return pairs;
}

const marks: Mark[] = [
  { t_s: 12, until_s: null, kind: "agent", text: "agent-3 joined" },
  { t_s: 120, until_s: 138, kind: "lost", text: "agent-2 was given up: what it had counted between is lost" },
  { t_s: 121, until_s: null, kind: "agent", text: "its share went to agent-1 and agent-3" },
  { t_s: 214, until_s: null, kind: "threshold", text: "response p95 < 80ms was crossed: 145 ms" },
  { t_s: 250, until_s: null, kind: "warning", text: "the load generator's processors are busy" },
  { t_s: 290, until_s: null, kind: "stop", text: "stop asked for by ana@laptop" },
];

interface Endpoint {
  id: number;
  method: string;
  name: string;
  hits: number;
  failed: number;
  p95: number | null;
  spark: number[];
}

const endpoints = Array.from({ length: Number(asked.get("rows") ?? 2_000) }, (_, id): Endpoint => ({
  id,
  method: noise(id) > 0.7 ? "POST" : "GET",
  name: `https://shop.example/api/v2/products/${id}${noise(id + 1) > 0.8 ? "/reviews/with/a/long/name" : ""}`,
  hits: Math.floor(90_000 * noise(id + 2) ** 4),
  failed: noise(id + 3) > 0.8 ? noise(id + 4) * 0.04 : 0,
  p95: id % 17 ? 4_000 + 400_000 * noise(id + 5) ** 5 : null,
  spark: Array.from({ length: 40 }, (_, at) => noise(id * 40 + at) * (1 + at / 20)),
}));

function Gallery() {
  const [to, setTo] = useState(POINTS);
  const [open, setOpen] = useState<string | number | null>(null);
  const view = useMemo(() => new View(), []);
  useEffect(() => {
    if (!asked.has("live")) return undefined;
    const timer = setInterval(() => setTo((now) => now + 1), 1_000);
    return () => clearInterval(timer);
  }, []);
  const all = useMemo(() => data(to), [to]);
  const shared = { times: all.times, widths: all.widths, marks, view };
  const latency = useMemo(
    () => [
      { label: "p50", values: all.p50, color: "sky" as const },
      { label: "p95", values: all.p95, color: "blue" as const },
      { label: "p99", values: all.p99, color: "vermilion" as const, dash: true },
    ],
    [all],
  );
  const load = useMemo(
    () => [
      { label: "Users", values: all.users, color: "green" as const, fill: true },
      { label: "Processor", values: all.cpu, color: "grey" as const, axis: "right" as const, dash: true },
    ],
    [all],
  );
  const requests = useMemo(
    () => [
      { label: "Requests", values: all.hits, color: "blue" as const, fill: true },
      { label: "Failed", values: all.failed, color: "vermilion" as const, dash: true },
    ],
    [all],
  );
  return (
    <>
      <header class="row">
        <h1>Gallery</h1>
        <Badge tone="busy">running</Badge>
        <Badge tone="good">passed</Badge>
        <Badge tone="bad">failed</Badge>
        <Badge tone="warn">invalid</Badge>
        <Badge tone="off">aborted</Badge>
        <Badge tone="plain">waiting</Badge>
        <ThemeToggle />
        <button type="button">Button</button>
        <button type="button" class="button-primary">
          Primary
        </button>
        <button type="button" class="button-danger">
          Stop
        </button>
        <a href="#gallery">A link</a>
        <input type="search" placeholder="Search" aria-label="Search" />
      </header>
      <Notice tone="bad" title="agent-2 was given up after 3.5 s of silence">
        <p>Its share went to agent-1 and agent-3; what it had counted between 2:00 and 2:18 is lost.</p>
      </Notice>
      <Notice tone="warn" title="The connection is lost, trying again in 2 s" />
      <Tiles>
        <Tile label="Users" value="200" note="of 200 planned" />
        <Tile label="Requests now" value={rate(4_123.4)} unit="/s" note="3,981/s on average" />
        <Tile label="Failed" value={percent(0.0123)} tone="bad" note="14,012 of 1,139,201" />
        <Tile label="Response p95" value="61.2" unit="ms" tone="good" note="p50 12.3 · p99 240 ms" />
        <Tile label="Iterations" value={count(48_112)} note="of 60,000" />
        <Tile label="Lateness p99" value="0.41" unit="ms" />
        <Tile label="Unstarted" value="12" tone="warn" />
      </Tiles>
      <ViewBar view={view} live={asked.has("live")} />
      <div class="grid">
        <div class="panel">
          <Chart {...shared} title="Load" unit="" rightUnit="share" lines={load} file="load" />
        </div>
        <div class="panel">
          <Chart {...shared} title="Requests" unit="/s" lines={requests} file="requests" />
        </div>
        <div class="panel">
          <Chart {...shared} title="Response time" note="From when an iteration should have started" unit="us" lines={latency} file="response" log />
        </div>
        <div class="panel">
          <HeatMap title="Response times" points={all.heat} view={view} marks={marks} file="heat" />
        </div>
      </div>
      <section class="panel">
        <div class="panel-head">
          <h2>Endpoints</h2>
        </div>
        <Table<Endpoint>
          caption="Endpoints"
          rows={endpoints}
          id={(row) => row.id}
          sort={{ key: "hits", down: true }}
          search={(row) => `${row.method} ${row.name}`}
          openId={open}
          onOpen={setOpen}
          detail={(row) => (
            <div class="panel">
              <Chart {...shared} title={row.name} unit="us" lines={latency} file="endpoint" log />
            </div>
          )}
          empty={<Empty title="No requests yet" />}
          columns={[
            { key: "name", head: "Name", value: (row) => `${row.method} ${row.name}` },
            { key: "hits", head: "Hits", value: (row) => row.hits, render: (row) => count(row.hits), width: 84, priority: 2 },
            { key: "failed", head: "Failed", value: (row) => row.failed, render: (row) => percent(row.failed), width: 80, priority: 4 },
            { key: "p95", head: "p95 ms", title: "95 of 100 took at most that", value: (row) => row.p95, render: (row) => ms(row.p95), width: 84, priority: 3 },
            { key: "spark", head: "Last minute", fixed: true, align: "left", value: () => null, render: (row) => <Sparkline values={row.spark} label="Hits" />, width: 120, priority: 5 },
          ]}
        />
      </section>
      <section class="panel">
        <pre>{'Traceback (most recent call last):\n  File "loadtests.py", line 12, in test_es\n    self.assertEqual(answer.status_code, 200)\nAssertionError: 500 != 200'}</pre>
      </section>
      <Empty title="No run yet">
        <p>
          Start one: <code>loads-runner -a 1 loadtests.TestWebSite.test_es</code>
        </p>
      </Empty>
    </>
  );
}

startTheme();
render(<Gallery />, document.getElementById("gallery") as HTMLElement);
