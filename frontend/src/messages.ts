// Written by frontend/messages.py from loads/report/page.py. Change that, and run: python frontend/messages.py

/** What an event is, and so how it is marked. */
export type EventKind = (typeof EVENT_KINDS)[number];
export const EVENT_KINDS = [
  /** A worker or an agent, and what it had not told. */
  "lost",
  /** An agent joined, is back, or leaves. */
  "agent",
  "threshold",
  "stop",
  "warning",
  "note",
] as const;

/** Where a run is in its life. */
export type Stage = (typeof STAGES)[number];
export const STAGES = [
  "waiting",
  "preparing",
  "running",
  "ending",
  "ended",
  "refused",
] as const;

/** How a run stands: its verdict once it has ended, and before that what is plain already. */
export type Outlook = (typeof OUTLOOKS)[number];
export const OUTLOOKS = [
  /** Nothing has gone wrong so far. */
  "good",
  /** It would not pass as it stands. */
  "bad",
  "passed",
  "failed",
  "invalid",
  "aborted",
] as const;

/** A distribution of times in us; all but `count` null when that is 0. */
export type Spread = [
  count: number,
  mean: number | null,
  min: number | null,
  p50: number | null,
  p90: number | null,
  p95: number | null,
  p99: number | null,
  p999: number | null,
  max: number | null,
];
export const SPREAD = {
  count: 0, mean: 1, min: 2, p50: 3, p90: 4, p95: 5, p99: 6, p999: 7, max: 8,
} as const;

/** A run in the span of `width_us` from `t_us` on. */
export type Point = [
  t_us: number,
  width_us: number,
  /** That ran on average. */
  users: number,
  /** Iterations begun. `failures`, `errors`: iterations that came to that. */
  started: number,
  /** Requests, and those of them without an answer or with a status of 400 and above. */
  hits: number,
  /** Requests, and those of them without an answer or with a status of 400 and above. */
  failed: number,
  failures: number,
  errors: number,
  /** Service times; r50, r95, r99: response times, the same where nothing was planned. */
  s50: number | null,
  /** Service times; r50, r95, r99: response times, the same where nothing was planned. */
  s95: number | null,
  /** Service times; r50, r95, r99: response times, the same where nothing was planned. */
  s99: number | null,
  r50: number | null,
  r95: number | null,
  r99: number | null,
  /** Lateness; null where nothing was planned. */
  l50: number | null,
  /** Lateness; null where nothing was planned. */
  l99: number | null,
  /** Processor time of the busiest worker, 0..1. */
  cpu_share: number | null,
  /** How late the latest event loop was. */
  lag_us: number | null,
  /** Response times as pairs, flat: row of the heat map, count, row, count... */
  heat: number[],
];
export const POINT = {
  t_us: 0, width_us: 1, users: 2, started: 3, hits: 4, failed: 5, failures: 6, errors: 7, s50: 8, s95: 9, s99: 10,
  r50: 11, r95: 12, r99: 13, l50: 14, l99: 15, cpu_share: 16, lag_us: 17, heat: 18,
} as const;

/** One series in the span of `width_us` from `t_us` on; its times are off by up to 3.2 %. */
export type SeriesPoint = [
  t_us: number,
  width_us: number,
  hits: number,
  failed: number,
  s50: number | null,
  s95: number | null,
  s99: number | null,
  r50: number | null,
  r95: number | null,
  r99: number | null,
  heat: number[],
];
export const SERIES_POINT = {
  t_us: 0, width_us: 1, hits: 2, failed: 3, s50: 4, s95: 5, s99: 6, r50: 7, r95: 8, r99: 9, heat: 10,
} as const;

/** An agent, or a worker of a local run, in the span of `width_us` from `t_us` on. */
export type MachinePoint = [
  t_us: number,
  width_us: number,
  users: number,
  hits: number,
  failed: number,
  cpu_share: number | null,
  lag_us: number | null,
];
export const MACHINE_POINT = {
  t_us: 0, width_us: 1, users: 2, hits: 3, failed: 4, cpu_share: 5, lag_us: 6,
} as const;

/** Names a point: what is gone, for wider ones took its place. */
export type Span = [
  t_us: number,
  width_us: number,
];
export const SPAN = {
  t_us: 0, width_us: 1,
} as const;

/** A series: requests of one method and name, a transaction, or whole iterations. `id` stays for the run. */
export type SeriesName = [
  id: number,
  scenario: string,
  method: string,
  name: string,
];
export const SERIES_NAME = {
  id: 0, scenario: 1, method: 2, name: 3,
} as const;

/** A series as it stands: whole counts, exact percentiles (to 0.4 %). */
export type SeriesFigures = [
  id: number,
  hits: number,
  sent: number,
  unsent: number,
  failed: number,
  unstarted: number,
  bytes_sent: number,
  bytes_received: number,
  connections: number,
  service: Spread,
  response: Spread,
];
export const SERIES_FIGURES = {
  id: 0, hits: 1, sent: 2, unsent: 3, failed: 4, unstarted: 5, bytes_sent: 6, bytes_received: 7, connections: 8,
  service: 9, response: 10,
} as const;

/** Hits of a series, oldest first, over equal parts of what `RunFrame.spark_us` says. */
export type Spark = [
  id: number,
  hits: number[],
];
export const SPARK = {
  id: 0, hits: 1,
} as const;

/** A group of errors: what they are. `message` and `traceback` are those of the first. */
export interface ErrorText {
  id: number;
  outcome: string;
  kind: string;
  place: string;
  scenario: string;
  message: string;
  traceback: string;
  first_us: number;
}

/** The same group: how many. `points` are pairs of a second and a count; `series` counts by what went before. */
export interface ErrorFigures {
  id: number;
  count: number;
  last_us: number;
  points: [number, number][];
  series: Record<string, number>;
}

/**
 * A condition, and how it stands. `shown` is its value for people; `holds`: that is on the right side, whatever may
 * come of it. null: there is no value.
 */
export interface Threshold {
  text: string;
  state: string;
  failed: boolean;
  holds: boolean | null;
  shown: string;
  crossed_us: number | null;
  aborted: boolean;
}

/** An agent of the run, or a worker of a local one; `id` is the number of its first worker. */
export interface Machine {
  id: number;
  name: string;
  host: string;
  workers: number;
  /** Where it is with its part, in a word; empty: nobody knows. */
  stage: string;
  /** It was given up. */
  lost: boolean;
  /** Run there now. */
  users: number;
  /** The largest of its workers, over the whole run. */
  cpu_share: number | null;
  /** The largest of its workers, over the whole run. */
  lag_us: number | null;
  /** Part of the time that its workers waited for a processor. */
  waited_share: number | null;
  /** What it suffered from, in words. */
  trouble: string;
}

/** Something that happened at `t_us`, and lasted until `until_us` if that is known. */
export interface Event {
  id: number;
  t_us: number;
  until_us: number | null;
  kind: EventKind;
  text: string;
}

/** What a worker printed; `who` is its name. */
export type Line = [
  t_us: number,
  who: string,
  text: string,
];
export const LINE = {
  t_us: 0, who: 1, text: 2,
} as const;

/** What a run is: known at its start, or when it was submitted. */
export interface Head {
  id: string;
  /** The name that its user gave it; empty: none. `tags` likewise. */
  label: string;
  tags: Record<string, string>;
  /** `ana@laptop`; empty: here. */
  who: string;
  targets: string[];
  scenarios: string[];
  /** The load in words, in lines. */
  plan: string;
  started_at: string | null;
  server_url: string | null;
  seed: number | null;
  /** The most at a time. */
  users: number;
  workers: number;
  /** Planned iterations; null: time decides. */
  due: number | null;
  /** Planned length; null: iterations decide. */
  duration_us: number | null;
  /** Iterations arrive at a rate. */
  is_open: boolean;
  /** They have times to start at, so response times are measured. */
  has_starts: boolean;
  version: string;
}

/**
 * The whole run as it stands. The names are those of the JSON's totals. `rps` is over the whole time; `rps_now`,
 * `failed_now` (requests) and `started_now` (iterations) are per second over the last full seconds.
 */
export interface Totals {
  users: number;
  due: number;
  started: number;
  ended: number;
  unstarted: number;
  interrupted: number;
  lost_iterations: number;
  success: number;
  failures: number;
  errors: number;
  skipped: number;
  hits: number;
  sent: number;
  unsent: number;
  failed: number;
  lost: number;
  bytes_sent: number;
  bytes_received: number;
  connections: number;
  rps: number;
  rps_now: number;
  failed_now: number;
  started_now: number;
  service: Spread;
  response: Spread;
  lateness: Spread | null;
  iteration: Spread;
}

/** How a run stands, in a word and why. `exit_code` is there once it has ended. */
export interface Standing {
  outlook: Outlook;
  reasons: string[];
  exit_code: number | null;
}

/** A run, whole (`full`) or what changed since the last frame. */
export interface RunFrame {
  type: "RunFrame";
  run: string;
  full: boolean;
  stage: Stage;
  /** Its age; null: not begun. Of one that has ended: how long it was. */
  elapsed_us: number | null;
  /** Why it was refused, or what is wrong with the connection; empty: nothing. */
  trouble: string;
  /** Null: as before, or not known yet. */
  head: Head | null;
  /** Null: as before, or not known yet. */
  totals: Totals | null;
  /** Null: as before, or not known yet. */
  standing: Standing | null;
  /** Null: as before, or not known yet. */
  thresholds: Threshold[] | null;
  points: Point[];
  /** Points that are no more; those of machines alike. */
  gone: Span[];
  /** Series; `folded` are ids that are part of `(other)` now. `errors_folded` and `counters_folded` alike. */
  names: SeriesName[];
  /** Series; `folded` are ids that are part of `(other)` now. `errors_folded` and `counters_folded` alike. */
  figures: SeriesFigures[];
  folded: number[];
  /**
   * Only in a full frame: the last minute of a run that goes on, all of one that has ended. The page makes what
   * follows of the figures itself.
   */
  spark_us: number;
  /**
   * Only in a full frame: the last minute of a run that goes on, all of one that has ended. The page makes what
   * follows of the figures itself.
   */
  sparks: Spark[];
  errors: ErrorText[];
  error_figures: ErrorFigures[];
  errors_folded: number[];
  counters: Record<string, number>;
  counters_folded: string[];
  /** Null: as before, or not known yet. */
  machines: Machine[] | null;
  /** By id of the machine. */
  machine_points: Record<string, MachinePoint[]>;
  machine_gone: Span[];
  events: Event[];
  lines: Line[];
  /** Null: as before, or not known yet. */
  warnings: string[] | null;
}

/** A part of requests' time: its name, how many passed it, and in us. */
export type Phase = [
  name: string,
  count: number,
  mean: number | null,
  max: number | null,
];
export const PHASE = {
  name: 0, count: 1, mean: 2, max: 3,
} as const;

/** One series over time, whole or what changed, with what only its own page shows. */
export interface SeriesFrame {
  type: "SeriesFrame";
  run: string;
  series: number;
  full: boolean;
  points: SeriesPoint[];
  gone: Span[];
  statuses: Record<string, number>;
  /** Requests without a whole answer, by kind of error. */
  kinds: Record<string, number>;
  phases: Phase[];
}

/** There is no such run or series, or nothing more is to be had of it: why, and what to do. */
export interface Gone {
  type: "Gone";
  run: string;
  message: string;
  hint: string;
}

/** An agent of the cluster. */
export interface AgentRow {
  name: string;
  host: string;
  cores: number;
  version: string;
  labels: Record<string, string>;
  /** Of all its processors, 0..1; null: not told. */
  cpu_share: number | null;
  /** Of the machine. */
  memory_used_bytes: number | null;
  /** Of the machine. */
  memory_bytes: number | null;
  /** Load average of the last minute. */
  load: number;
  /** The one that it works for. */
  run: string | null;
  /** It takes no other. */
  leaving: boolean;
  /** The most that it runs; null: any number. */
  max_users: number | null;
  /** How long ago it was heard. */
  heard_us: number;
}

/** A run in a list. The figures are null until it has ended, or if it never ran. */
export interface RunRow {
  id: string;
  label: string;
  tags: Record<string, string>;
  who: string;
  targets: string[];
  agents: string[];
  stage: Stage;
  verdict: string | null;
  trouble: string;
  created_at: string;
  elapsed_us: number | null;
  users: number | null;
  hits: number | null;
  failed: number | null;
  rps: number | null;
  p95_us: number | null;
}

/** The broker; `insecure`: it lets in whoever can reach it. */
export interface BrokerRow {
  version: string;
  host: string;
  pid: number;
  up_us: number;
  store: string;
  listens: string[];
  insecure: boolean;
}

/** The cluster as it is: always whole. `trouble`: the broker does not answer; what stands here is old then. */
export interface ClusterFrame {
  type: "ClusterFrame";
  trouble: string;
  broker: BrokerRow | null;
  agents: AgentRow[];
  /** Those that go on or wait, and the last ones that ended. */
  runs: RunRow[];
}

/**
 * An answer of `/api/runs`: those of `total` that fit on this page, the newest first. `labels` and `tags` are all that
 * there are, to choose from.
 */
export interface RunList {
  total: number;
  runs: RunRow[];
  labels: string[];
  tags: Record<string, string[]>;
}

/** An answer of `/api/me`: what this page may do. `local`: the run of one loads-runner, without a cluster. */
export interface Me {
  version: string;
  may_stop: boolean;
  local: boolean;
  /** The only run, if `local`. */
  run: string | null;
  /** The broker's address, for people. */
  where: string;
}

/** The body of every answer of the server that is an error. */
export interface Refusal {
  message: string;
  hint: string;
}

/** All of a report: the run as a full frame, and each of its series over time. */
export interface Report {
  run: RunFrame;
  series: SeriesFrame[];
}

/** Tell me of the cluster, or with `on` false: no more. */
export interface Watch {
  type: "Watch";
  on: boolean;
}

/** Tell me of that run, or no more. */
export interface Follow {
  type: "Follow";
  run: string;
  on: boolean;
}

/** Tell me of that series of a run that I follow, or no more. */
export interface Open {
  type: "Open";
  run: string;
  series: number;
  on: boolean;
}

/** Row r of a heat map holds times from 2 ** (r / 4) us up to the next row's. */
export const HEAT_ROWS_PER_OCTAVE = 4;

export type ToPage = ClusterFrame | RunFrame | SeriesFrame | Gone;

export type FromPage = Watch | Follow | Open;
