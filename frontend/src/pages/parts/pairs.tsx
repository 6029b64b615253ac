import { useMemo } from "preact/hooks";

import type { View } from "../../charts/view.ts";
import { percent, rate, time } from "../../format.ts";
import { type Column, Table } from "../../parts/table.tsx";
import { type Figures, figuresOf, type Pair, pairsOf, type Wish } from "../../store/compare.ts";
import type { FollowedRun } from "../../store/followed.ts";
import { useTopics } from "../../store/hooks.ts";
import { changeOf } from "../../store/compare.ts";
import { Change } from "./change.tsx";
import { OverlaidSeries } from "./overlaid.tsx";
import { Section } from "./section.tsx";
import { shortTest } from "./words.ts";

/** A pair with the figures of both sides. */
interface Row extends Pair {
  readonly first: Figures | null;
  readonly second: Figures | null;
}

export interface PairTableProps {
  a: FollowedRun;
  b: FollowedRun;
  view: View;
  open: string | null;
  choose: (id: string | null) => void;
}

/** The endpoints of both runs; a row lays that endpoint's charts over each other. */
export function PairTable({ a, b, view, open, choose }: PairTableProps) {
  useTopics(a.model, "series");
  useTopics(b.model, "series");
  const version = `${a.model.topics.version("series")} ${b.model.topics.version("series")}`;
  const rows = useMemo(() => rowsOf(a, b), [a, b, version]);
  return (
    <Section id="endpoints" title="Endpoints" number={rows.length} lead="Response times. A row opens its charts. Changes below 5 % are called neither better nor worse.">
      <Table
        caption="Endpoints of both runs"
        rows={rows}
        columns={COLUMNS}
        id={(row) => row.id}
        sort={{ key: "hits", down: true }}
        search={(row) => `${row.method} ${row.name} ${row.scenario}`}
        openId={open}
        onOpen={(id) => choose(id === null ? null : String(id))}
        detail={(row) => <OverlaidSeries key={row.id} a={a} b={b} view={view} pair={row} />}
        empty="No request has ended in either."
        height={560}
      />
    </Section>
  );
}

function rowsOf(a: FollowedRun, b: FollowedRun): Row[] {
  return pairsOf(a.model, b.model).map((pair) => ({
    ...pair,
    first: figuresOf(a.model, pair.a),
    second: figuresOf(b.model, pair.b),
  }));
}

function both(row: Row, of: (figures: Figures) => number | null): [number | null, number | null] {
  return [row.first && of(row.first), row.second && of(row.second)];
}

function figure(key: string, head: string, wish: Wish, of: (figures: Figures) => number | null, show: (value: number | null) => string, priority: number): Column<Row>[] {
  return [
    { key, head: `${head} A, B`, width: 158, align: "right", priority, value: (row) => both(row, of)[1],
      render: (row) => {
        const [a, b] = both(row, of);
        return <span>{show(a)} <span class="faint" aria-hidden="true">→</span><span class="visually-hidden">, then</span> {show(b)}</span>;
      } },
    { key: `${key}-change`, head: "Change", title: `What changed in ${head}`, width: 154, align: "left", priority: priority + 1,
      value: (row) => changeOf(...both(row, of)), render: (row) => {
        const [a, b] = both(row, of);
        return <Change a={a} b={b} wish={wish} />;
      } },
  ];
}

const COLUMNS: readonly Column<Row>[] = [
  { key: "name", head: "Endpoint", priority: 1, value: (row) => `${row.method} ${row.name}`, render: (row) => <PairName row={row} /> },
  ...figure("p95", "p95", "less", (figures) => figures.p95, time, 2),
  ...figure("rps", "/s", "more", (figures) => figures.rps, rate, 5),
  ...figure("failed", "Failed", "less", (figures) => figures.failedShare, percent, 7),
  { key: "hits", head: "Requests", title: "Of both", width: 84, align: "right", priority: 9,
    value: (row) => (row.first?.hits ?? 0) + (row.second?.hits ?? 0),
    render: (row) => ((row.first?.hits ?? 0) + (row.second?.hits ?? 0)).toLocaleString("en") },
];

function PairName({ row }: { row: Row }) {
  const name = row.method === "iteration" ? shortTest(row.scenario) : row.name;
  const only = row.a === null ? "only in B" : row.b === null ? "only in A" : "";
  return (
    <span class="endpoint" title={`${row.method} ${name}`}>
      <span class={row.method === row.method.toUpperCase() ? "method" : "method is-kind"}>{row.method}</span>
      <span class="endpoint-name">{name}</span>
      {only !== "" && <span class="faint">{only}</span>}
    </span>
  );
}
