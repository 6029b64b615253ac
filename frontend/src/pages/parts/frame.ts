/** What the parts of a run's page share: where the run comes from, and what linked charts show. */

import { createContext } from "preact";
import { useContext, useMemo } from "preact/hooks";

import type { Mark } from "../../charts/chart.tsx";
import type { View } from "../../charts/view.ts";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import type { RunSource } from "../../store/followed.ts";

export interface RunFrameContext {
  readonly source: RunSource;
  readonly view: View;
}

export const RunContext = createContext<RunFrameContext | null>(null);

export function useRun(): RunFrameContext {
  const run = useContext(RunContext);
  if (run === null) throw new Error("there is no run around this");
  return run;
}

/** What happened, as charts mark it. Notes are for the list only: charts would be full of them. */
export function useMarks(model: RunModel): readonly Mark[] {
  useTopics(model, "events");
  const version = model.topics.version("events");
  return useMemo(() => marksOf(model), [model, version]);
}

export function marksOf(model: RunModel): Mark[] {
  return model.events
    .filter((event) => event.kind !== "note")
    .map((event) => ({
      t_s: event.t_us / 1e6,
      until_s: event.until_us === null ? null : event.until_us / 1e6,
      kind: event.kind,
      text: event.text,
    }));
}
