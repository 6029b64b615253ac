/** Where the page of a run gets what it shows: from the socket, or out of a report. */

import type { Gone, Report } from "../messages.ts";
import type { Live } from "./live.ts";
import { RunModel } from "./model.ts";
import { SeriesModel } from "./series.ts";
import { Topics } from "./topics.ts";

/** A series that is looked at; `close` it when nobody does any more. */
export interface OpenSeries {
  readonly model: SeriesModel;
  close(): void;
}

export interface RunSource {
  readonly model: RunModel;
  /** Whether frames still come. */
  readonly live: boolean;
  openSeries(id: number): OpenSeries;
}

/** A run that the server tells of. */
export class FollowedRun implements RunSource {
  readonly topics = new Topics<"gone">();
  readonly model: RunModel;
  readonly live = true;
  /** Why there is nothing to show. */
  gone: Gone | null = null;
  readonly #link: Live;
  readonly #series = new Map<number, { model: SeriesModel; users: number }>();
  #leave: (() => void) | null = null;

  constructor(link: Live, run: string) {
    this.#link = link;
    this.model = new RunModel(run);
  }

  start(): void {
    this.#leave ??= this.#link.follow(this.model.run, {
      onRun: (frame) => {
        this.#tellGone(null);
        this.model.apply(frame);
      },
      onSeries: (frame) => this.#series.get(frame.series)?.model.apply(frame),
      onGone: (gone) => this.#tellGone(gone),
    });
  }

  stop(): void {
    this.#leave?.();
    this.#leave = null;
  }

  openSeries(id: number): OpenSeries {
    let held = this.#series.get(id);
    if (held === undefined) this.#series.set(id, (held = { model: new SeriesModel(id), users: 0 }));
    held.users += 1;
    const { model } = held;
    const leave = this.#link.open(this.model.run, id);
    return {
      model,
      close: () => {
        leave();
        const now = this.#series.get(id);
        if (now?.model === model && --now.users === 0) this.#series.delete(id);
      },
    };
  }

  #tellGone(gone: Gone | null): void {
    if (this.gone === gone) return;
    this.gone = gone;
    this.topics.touch("gone");
    this.topics.flush();
  }
}

/** The run of a report: all is there from the start. */
export class ReportedRun implements RunSource {
  readonly model: RunModel;
  readonly live = false;
  readonly #series = new Map<number, SeriesModel>();

  constructor(report: Report) {
    this.model = new RunModel(report.run.run);
    this.model.apply(report.run);
    for (const frame of report.series) {
      const model = new SeriesModel(frame.series);
      model.apply(frame);
      this.#series.set(frame.series, model);
    }
  }

  openSeries(id: number): OpenSeries {
    let model = this.#series.get(id);
    if (model === undefined) {
      // A report leaves out the points of the rarest series when there are too many: what is known stands in the table.
      model = new SeriesModel(id);
      model.ready = true;
    }
    return { model, close: () => undefined };
  }
}
