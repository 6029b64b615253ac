/** One series over time, as its own charts show it. */

import type { Phase, SeriesFrame, SeriesPoint } from "../messages.ts";
import { Topics } from "./topics.ts";
import { Track } from "./track.ts";

export type SeriesTopic = "points" | "details";

export class SeriesModel {
  readonly topics = new Topics<SeriesTopic>();
  readonly id: number;
  ready = false;
  statuses: Readonly<Record<string, number>> = {};
  /** Requests without a whole answer, by kind of error. */
  kinds: Readonly<Record<string, number>> = {};
  phases: readonly Phase[] = [];
  readonly #track = new Track<SeriesPoint>();

  constructor(id: number) {
    this.id = id;
  }

  get points(): readonly SeriesPoint[] {
    return this.#track.points;
  }

  apply(frame: SeriesFrame): void {
    if (frame.full) {
      this.#track.clear();
      this.statuses = {};
      this.kinds = {};
      this.phases = [];
    }
    const moved = this.#track.apply(frame.points, frame.gone);
    if (moved || frame.full) this.topics.touch("points");
    this.statuses = { ...this.statuses, ...frame.statuses };
    this.kinds = { ...this.kinds, ...frame.kinds };
    if (frame.phases.length > 0) this.phases = frame.phases;
    this.topics.touch("details");
    this.ready = this.ready || frame.full;
    this.topics.flush();
  }
}
