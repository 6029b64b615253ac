import { clock, count, duration, percent, rate, time } from "../../format.ts";
import type { RunRow } from "../../messages.ts";
import { Badge } from "../../parts/badge.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import { pathOfRun } from "../router.ts";
import { rowWord, shortTest, titleOfRow } from "./words.ts";

/** Which runs are ticked, to be laid over each other. */
export interface Choice {
  readonly chosen: readonly string[];
  readonly toggle: (run: string) => void;
}

export interface RunTableProps {
  caption: string;
  rows: readonly RunRow[];
  choice?: Choice;
  /** The most that it takes in pixels before it scrolls. */
  height?: number;
}

/** A list of runs; their names are links to their pages. */
export function RunTable({ caption, rows, choice, height }: RunTableProps) {
  const columns = choice === undefined ? COLUMNS : [tickColumn(choice), ...COLUMNS];
  return <Table caption={caption} rows={rows} columns={columns} id={(row) => row.id} sort={null} height={height} empty="No run is like that." />;
}

function tickColumn({ chosen, toggle }: Choice): Column<RunRow> {
  return {
    key: "tick",
    head: "Compare",
    title: "Two can be compared",
    width: 76,
    priority: 1,
    fixed: true,
    value: () => null,
    render: (row) => (
      <input
        type="checkbox"
        aria-label={`Compare ${titleOfRow(row)} ${row.id}`}
        checked={chosen.includes(row.id)}
        disabled={chosen.length >= 2 && !chosen.includes(row.id)}
        onChange={() => toggle(row.id)}
      />
    ),
  };
}

function failedShare(row: RunRow): number | null {
  return row.hits === null || row.failed === null || row.hits === 0 ? null : row.failed / row.hits;
}

const COLUMNS: readonly Column<RunRow>[] = [
  { key: "name", head: "Run", priority: 1, value: titleOfRow, render: (row) => <RunName row={row} /> },
  { key: "state", head: "Verdict", width: 106, priority: 1, value: (row) => rowWord(row).text,
    render: (row) => {
      const word = rowWord(row);
      return <Badge tone={word.tone} title={row.trouble || undefined}>{word.text}</Badge>;
    } },
  { key: "created", head: "Submitted", width: 150, priority: 3, value: (row) => row.created_at,
    render: (row) => <span class="muted">{clock(row.created_at).slice(0, 16)}</span> },
  { key: "elapsed", head: "Took", width: 80, align: "right", priority: 5, value: (row) => row.elapsed_us, render: (row) => duration(row.elapsed_us) },
  { key: "users", head: "Users", width: 72, align: "right", priority: 7, value: (row) => row.users, render: (row) => count(row.users) },
  { key: "hits", head: "Requests", width: 92, align: "right", priority: 6, value: (row) => row.hits, render: (row) => count(row.hits) },
  { key: "rps", head: "/s", title: "Requests per second, on average", width: 72, align: "right", priority: 4, value: (row) => row.rps,
    render: (row) => rate(row.rps) },
  { key: "failed", head: "Failed", width: 76, align: "right", priority: 5, value: failedShare, render: (row) => percent(failedShare(row)) },
  { key: "p95", head: "p95", title: "Response time", width: 80, align: "right", priority: 4, value: (row) => row.p95_us, render: (row) => time(row.p95_us) },
  { key: "who", head: "By", width: 110, priority: 8, value: (row) => row.who, render: (row) => <span class="muted">{row.who || "here"}</span> },
];

function RunName({ row }: { row: RunRow }) {
  const tags = Object.entries(row.tags);
  const targets = row.targets.map(shortTest).join(", ");
  const about = row.trouble || [...tags.map(([key, value]) => `${key}=${value}`), row.label && targets].filter(Boolean).join(" · ");
  return (
    <span class="run-cell" title={about || undefined}>
      <a href={pathOfRun(row.id)}>{titleOfRow(row)}</a> <span class="mono faint">{row.id}</span>
      {about !== "" && <span class="faint"> {about}</span>}
    </span>
  );
}
