/** What the history is asked for, and how that stands in an address: so that a reload and a link keep it. */

/** What runs to show. Empty texts, lists and dates: whatever. */
export interface RunQuery {
  readonly text: string;
  readonly label: string;
  /** ``key=value``, all of which a run must have. */
  readonly tags: readonly string[];
  readonly verdict: string;
  /** Days, ``YYYY-MM-DD``, both included. */
  readonly from: string;
  readonly to: string;
  readonly offset: number;
}

export const ANY_RUN: RunQuery = { text: "", label: "", tags: [], verdict: "", from: "", to: "", offset: 0 };
export const PAGE_SIZE = 50;

const VERDICTS = ["passed", "failed", "invalid", "aborted"];
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Reads an address's query; what makes no sense there is left out. */
export function parseQuery(search: string): RunQuery {
  const given = new URLSearchParams(search);
  const text = (name: string): string => (given.get(name) ?? "").trim();
  const day = (name: string): string => (DAY.test(text(name)) ? text(name) : "");
  const offset = Number(text("offset"));
  return {
    text: text("text"),
    label: text("label"),
    tags: [...new Set(given.getAll("tag").map((tag) => tag.trim()).filter((tag) => tag.includes("=")))],
    verdict: VERDICTS.includes(text("verdict")) ? text("verdict") : "",
    from: day("from"),
    to: day("to"),
    offset: Number.isSafeInteger(offset) && offset > 0 ? offset : 0,
  };
}

/** The query of an address that shows `query`: with its question mark, or nothing. */
export function queryOf(query: RunQuery, limit?: number): string {
  const out = new URLSearchParams();
  for (const name of ["text", "label", "verdict", "from", "to"] as const) if (query[name]) out.set(name, query[name]);
  for (const tag of query.tags) out.append("tag", tag);
  if (query.offset > 0) out.set("offset", String(query.offset));
  if (limit !== undefined) out.set("limit", String(limit));
  const text = out.toString();
  return text && `?${text}`;
}

/** Whether `query` leaves anything out. */
export function isFiltered(query: RunQuery): boolean {
  return queryOf({ ...query, offset: 0 }) !== "";
}
