/** The words and tones of states, the same on all pages. */

import { count } from "../../format.ts";
import type { EventKind, Head, Outlook, RunRow, SeriesName, Stage, Standing } from "../../messages.ts";
import { SERIES_NAME } from "../../messages.ts";
import type { Tone } from "../../parts/badge.tsx";

export interface Word {
  readonly text: string;
  readonly tone: Tone;
}

const STAGE_WORDS: Record<Stage, Word> = {
  waiting: { text: "Waiting", tone: "plain" },
  preparing: { text: "Preparing", tone: "busy" },
  running: { text: "Running", tone: "busy" },
  ending: { text: "Ending", tone: "busy" },
  ended: { text: "Ended", tone: "plain" },
  refused: { text: "Refused", tone: "bad" },
};

const OUTLOOK_WORDS: Record<Outlook, Word> = {
  good: { text: "Good so far", tone: "good" },
  bad: { text: "Would fail", tone: "bad" },
  passed: { text: "Passed", tone: "good" },
  failed: { text: "Failed", tone: "bad" },
  invalid: { text: "Invalid", tone: "warn" },
  aborted: { text: "Aborted", tone: "off" },
};

export function stageWord(stage: Stage): Word {
  return STAGE_WORDS[stage];
}

export function outlookWord(outlook: Outlook): Word {
  return OUTLOOK_WORDS[outlook];
}

/** How a run stands in one word: its verdict if there is one, else its stage. */
export function runWord(stage: Stage, standing: Standing | null): Word {
  if (stage === "ended" && standing !== null) return OUTLOOK_WORDS[standing.outlook];
  return STAGE_WORDS[stage];
}

/** The same of a row of a list. */
export function rowWord(row: RunRow): Word {
  const outlook = row.verdict as Outlook | null;
  if (row.stage === "ended" && outlook !== null && outlook in OUTLOOK_WORDS) return OUTLOOK_WORDS[outlook];
  return STAGE_WORDS[row.stage];
}

export const EVENT_WORDS: Record<EventKind, Word> = {
  lost: { text: "Lost", tone: "bad" },
  agent: { text: "Agent", tone: "plain" },
  threshold: { text: "Threshold", tone: "bad" },
  stop: { text: "Stop", tone: "warn" },
  warning: { text: "Warning", tone: "warn" },
  note: { text: "Note", tone: "plain" },
};

const THRESHOLD_WORDS: Record<string, Word> = {
  pending: { text: "Holds so far", tone: "plain" },
  passed: { text: "Held", tone: "good" },
  crossed: { text: "Crossed", tone: "bad" },
  "no data": { text: "No data", tone: "bad" },
};

/** How a threshold stands. A state that has no word here is shown as it comes. */
export function thresholdWord(state: string, failed: boolean, holds: boolean | null): Word {
  if (state === "pending" && holds === false) return { text: "Does not hold now", tone: "warn" };
  return THRESHOLD_WORDS[state] ?? { text: state, tone: failed ? "bad" : "plain" };
}

/** What a run is called: its label, else what it tests. */
export function titleOf(head: Head | null, run: string): string {
  if (head === null) return `Run ${run}`;
  return head.label || head.scenarios.map(shortTest).join(", ") || head.targets.join(", ") || `Run ${run}`;
}

export function titleOfRow(row: RunRow): string {
  return row.label || row.targets.map(shortTest).join(", ") || row.id;
}

/** ``module.Class.test`` as ``Class.test``; paths and addresses stay as they are. */
export function shortTest(name: string): string {
  if (/[/:\\]/.test(name)) return name;
  const parts = name.split(".");
  return parts.length > 2 ? parts.slice(-2).join(".") : name;
}

/** A series in one line, as the console has it: ``GET /search``, ``iteration Class.test``. */
export function seriesLabel(name: SeriesName): string {
  const method = name[SERIES_NAME.method];
  if (method === "iteration") return `iteration ${shortTest(name[SERIES_NAME.scenario])}`;
  return `${method} ${name[SERIES_NAME.name]}`;
}

/** A name of a file without what file systems or shells mind. */
export function fileName(...parts: string[]): string {
  const text = parts.join("-").toLowerCase().replace(/[^a-z0-9.]+/g, "-");
  return text.replace(/^[-.]+|-+$/g, "").slice(0, 80) || "loads";
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}
