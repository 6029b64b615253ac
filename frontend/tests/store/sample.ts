// The sample that frontend/sample.py made: what a server told of a run, second by second.

import type { ClusterFrame, Me, RunFrame, RunList, SeriesFrame } from "../../src/messages.ts";
import json from "../sample.json";

export interface Sample {
  me: Me;
  cluster: ClusterFrame;
  runs: RunList;
  /** Full, from within the run; then a frame for each second, the last of which ends it; then full again. */
  run: RunFrame;
  "run-frames": RunFrame[];
  "run-final": RunFrame;
  series: { full: SeriesFrame; frames: SeriesFrame[]; final: SeriesFrame }[];
}

export const sample = json as unknown as Sample;

/** A frame that changes nothing, but for `part`. */
export function frameOf(part: Partial<RunFrame>): RunFrame {
  return {
    ...sample.run,
    full: false,
    head: null, totals: null, standing: null, thresholds: null, machines: null, warnings: null,
    points: [], gone: [], names: [], figures: [], folded: [], spark_us: 0, sparks: [],
    errors: [], error_figures: [], errors_folded: [], counters: {}, counters_folded: [],
    machine_points: {}, machine_gone: [], events: [], lines: [],
    ...part,
  };
}
