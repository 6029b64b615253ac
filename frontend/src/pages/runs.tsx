import { useEffect, useRef, useState } from "preact/hooks";

import { count } from "../format.ts";
import type { RunList } from "../messages.ts";
import { Empty } from "../parts/empty.tsx";
import { Notice } from "../parts/notice.tsx";
import { ApiError, fetchRuns, LOGIN } from "../store/api.ts";
import { ANY_RUN, isFiltered, PAGE_SIZE, parseQuery, queryOf, type RunQuery } from "../store/query.ts";
import { useTitle } from "./context.ts";
import { RunTable } from "./parts/runtable.tsx";
import { navigate, pathOfComparison, useAddress } from "./router.ts";

/** How long typing has to rest before the server is asked. */
const TYPING_MS = 250;
/** A page of runs is not scrolled by itself. */
const WHOLE_PX = 4_000;
/** How often the list is fetched anew while somebody looks. */
const ANEW_MS = 10_000;

/** All runs that the store has. What is asked for stands in the address. */
export function RunsPage() {
  useTitle("Runs");
  const { search } = useAddress();
  const query = parseQuery(search);
  const [list, setList] = useState<RunList | null>(null);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  useEffect(() => fetching(query, setList, setTrouble), [queryOf(query)]);
  const change = (part: Partial<RunQuery>, replace = true): void =>
    navigate(`/runs${queryOf({ ...query, offset: 0, ...part })}`, replace);
  const toggle = (run: string): void =>
    setChosen((now) => (now.includes(run) ? now.filter((one) => one !== run) : [...now, run].slice(-2)));
  return (
    <div class="stack">
      <div class="page-head">
        <h1>Runs</h1>
        <CompareBar chosen={chosen} clear={() => setChosen([])} />
      </div>
      <Filters query={query} list={list} change={change} />
      {trouble !== null && <Notice tone="bad" title={trouble.message}>{trouble.hint !== "" && <p>{trouble.hint}</p>}</Notice>}
      {list === null ? (
        trouble === null && <p class="muted loading" role="status">Fetching runs…</p>
      ) : list.total === 0 ? (
        <NoRuns filtered={isFiltered(query)} all={() => navigate("/runs")} />
      ) : (
        <>
          <RunTable caption="Runs" rows={list.runs} choice={{ chosen, toggle }} height={WHOLE_PX} />
          <Pages query={query} list={list} go={(offset) => change({ offset }, false)} />
        </>
      )}
    </div>
  );
}

/** Asks for the list now and every so often; returns what ends that. */
function fetching(query: RunQuery, tell: (list: RunList) => void, complain: (trouble: ApiError | null) => void): () => void {
  const stop = new AbortController();
  let timer = 0;
  const again = async (): Promise<void> => {
    try {
      const list = await fetchRuns(queryOf(query, PAGE_SIZE), stop.signal);
      if (stop.signal.aborted) return;
      tell(list);
      complain(null);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) return location.assign(LOGIN);
      complain(error instanceof ApiError ? error : new ApiError(0, String(error)));
    }
    timer = window.setTimeout(() => void again(), ANEW_MS);
  };
  void again();
  return () => {
    stop.abort();
    window.clearTimeout(timer);
  };
}

function NoRuns({ filtered, all }: { filtered: boolean; all: () => void }) {
  if (filtered)
    return (
      <Empty title="No run is like that">
        <button type="button" onClick={all}>Show all runs</button>
      </Empty>
    );
  return (
    <Empty title="There is no run yet">
      <p>Start one, and it stays here: <code>loads-runner -a 1 -u 10 -d 30s --name first tests.TestShop</code></p>
    </Empty>
  );
}

function CompareBar({ chosen, clear }: { chosen: readonly string[]; clear: () => void }) {
  const [a, b] = chosen;
  if (a === undefined) return <p class="muted">Tick two runs to compare them.</p>;
  return (
    <div class="row">
      <span class="muted">{b === undefined ? "One is ticked: tick another" : "Two are ticked"}</span>
      {b !== undefined && <a class="button button-primary" href={pathOfComparison(a, b)}>Compare</a>}
      <button type="button" class="button-quiet" onClick={clear}>Clear</button>
    </div>
  );
}

interface FiltersProps {
  query: RunQuery;
  list: RunList | null;
  change: (part: Partial<RunQuery>) => void;
}

function Filters({ query, list, change }: FiltersProps) {
  const value = (event: { currentTarget: HTMLInputElement | HTMLSelectElement }): string => event.currentTarget.value;
  const tags = Object.entries(list?.tags ?? {}).flatMap(([key, values]) => values.map((one) => `${key}=${one}`));
  return (
    <form class="filters" role="search" aria-label="Runs" onSubmit={(event) => event.preventDefault()}>
      <SearchText text={query.text} change={(text) => change({ text })} />
      <label>
        <span>Name</span>
        <select value={query.label} onChange={(event) => change({ label: value(event) })}>
          <option value="">Any</option>
          {options(list?.labels ?? [], query.label).map((label) => <option key={label} value={label}>{label}</option>)}
        </select>
      </label>
      <label>
        <span>Tag</span>
        <select value="" onChange={(event) => change({ tags: [...query.tags, value(event)] })}>
          <option value="">{query.tags.length > 0 ? "And…" : "Any"}</option>
          {tags.filter((tag) => !query.tags.includes(tag)).map((tag) => <option key={tag} value={tag}>{tag}</option>)}
        </select>
      </label>
      <label>
        <span>Verdict</span>
        <select value={query.verdict} onChange={(event) => change({ verdict: value(event) })}>
          <option value="">Any</option>
          {["passed", "failed", "invalid", "aborted"].map((verdict) => <option key={verdict} value={verdict}>{verdict}</option>)}
        </select>
      </label>
      <label>
        <span>From</span>
        <input type="date" value={query.from} max={query.to || undefined} onChange={(event) => change({ from: value(event) })} />
      </label>
      <label>
        <span>To</span>
        <input type="date" value={query.to} min={query.from || undefined} onChange={(event) => change({ to: value(event) })} />
      </label>
      {isFiltered(query) && <button type="button" class="button-quiet" onClick={() => change(ANY_RUN)}>Clear</button>}
      {query.tags.length > 0 && <ChosenTags tags={query.tags} change={(left) => change({ tags: left })} />}
    </form>
  );
}

/** What there is to choose from; what is chosen stays there, even if no run has it any more. */
function options(known: readonly string[], chosen: string): string[] {
  return chosen === "" || known.includes(chosen) ? [...known] : [chosen, ...known];
}

function SearchText({ text, change }: { text: string; change: (text: string) => void }) {
  const [typed, setTyped] = useState(text);
  const timer = useRef(0);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const type = (value: string): void => {
    setTyped(value);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => change(value.trim()), TYPING_MS);
  };
  return (
    <label class="filter-text">
      <span>Search</span>
      <input type="search" value={typed} placeholder="id, name, test, who" onInput={(event) => type(event.currentTarget.value)} />
    </label>
  );
}

function ChosenTags({ tags, change }: { tags: readonly string[]; change: (tags: string[]) => void }) {
  return (
    <ul class="tags chosen-tags">
      {tags.map((tag) => (
        <li key={tag}>
          <button type="button" class="tag" aria-label={`Without tag ${tag}`} onClick={() => change(tags.filter((one) => one !== tag))}>
            {tag} <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Pages({ query, list, go }: { query: RunQuery; list: RunList; go: (offset: number) => void }) {
  const last = Math.min(query.offset + list.runs.length, list.total);
  return (
    <nav class="pages" aria-label="Pages">
      <button type="button" disabled={query.offset === 0} onClick={() => go(Math.max(query.offset - PAGE_SIZE, 0))}>Newer</button>
      <span class="muted">{count(query.offset + 1)} to {count(last)} of {count(list.total)}</span>
      <button type="button" disabled={last >= list.total} onClick={() => go(query.offset + PAGE_SIZE)}>Older</button>
    </nav>
  );
}
