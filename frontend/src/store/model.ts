/**
 * A run as its page shows it: kept up to date by frames, told by topics.
 *
 * A full frame replaces everything; each other one holds only what changed. Frames that are applied in order on a full
 * one give what the next full one would say, but for sparks and rates, which the page works out of the differences.
 */

import {
  type ErrorFigures,
  type ErrorText,
  type Event,
  type Head,
  type Line,
  type Machine,
  type MachinePoint,
  type Point,
  type RunFrame,
  SERIES_FIGURES,
  SERIES_NAME,
  type SeriesFigures,
  type SeriesName,
  SPARK,
  type Span,
  type Stage,
  type Standing,
  type Threshold,
  type Totals,
} from "../messages.ts";
import { recentRate, type Scale, scaleOf, Spark, wholeParts } from "./sparks.ts";
import { Topics } from "./topics.ts";
import { Track } from "./track.ts";

/** Lines of a log that are kept; the oldest go first. */
export const MAX_LINES = 1_000;

/** Seconds that a counter's rate remembers. */
const COUNTER_PARTS = 60;

/** The name of the series, of the kind of error and of the counter that hold what is too much to be told apart. */
export const OTHER = "(other)";

export type RunTopic =
  | "stage"
  | "head"
  | "totals"
  | "standing"
  | "thresholds"
  | "points"
  | "series"
  | "errors"
  | "counters"
  | "machines"
  | "machinePoints"
  | "events"
  | "lines"
  | "warnings";

const ALL_TOPICS: readonly RunTopic[] = [
  "stage",
  "head",
  "totals",
  "standing",
  "thresholds",
  "points",
  "series",
  "errors",
  "counters",
  "machines",
  "machinePoints",
  "events",
  "lines",
  "warnings",
];

/** A series with what the table of endpoints shows of it. */
export interface SeriesRow {
  readonly id: number;
  readonly name: SeriesName;
  readonly figures: SeriesFigures;
}

/** A group of errors, with its figures. */
export interface ErrorRow {
  readonly id: number;
  readonly text: ErrorText;
  readonly figures: ErrorFigures;
}

export interface CounterRow {
  readonly name: string;
  readonly value: number;
  /** Over the last seconds; null: there was no time to tell. */
  readonly perSecond: number | null;
}

/** The stages in which a run is at rest: no frame changes it any more. */
export function isOver(stage: Stage): boolean {
  return stage === "ended" || stage === "refused";
}

export class RunModel {
  readonly topics = new Topics<RunTopic>();
  readonly run: string;

  /** Whether a full frame has come: before that nothing is known. */
  ready = false;
  stage: Stage = "waiting";
  elapsedUs: number | null = null;
  trouble = "";
  head: Head | null = null;
  totals: Totals | null = null;
  standing: Standing | null = null;
  thresholds: readonly Threshold[] = [];
  machines: readonly Machine[] = [];
  warnings: readonly string[] = [];
  lines: readonly Line[] = [];
  /** How many came before the first of `lines`. */
  firstLine = 0;

  readonly #points = new Track<Point>();
  readonly #machinePoints = new Map<number, Track<MachinePoint>>();
  readonly #names = new Map<number, SeriesName>();
  readonly #series = new Map<number, SeriesRow>();
  readonly #sparks = new Map<number, Spark>();
  readonly #texts = new Map<number, ErrorText>();
  readonly #errors = new Map<number, ErrorRow>();
  readonly #events = new Map<number, Event>();
  readonly #counters = new Map<string, number>();
  readonly #counterSparks = new Map<string, Spark>();
  #scale: Scale = scaleOf(0, 0);
  #wholeRun = false;
  /** The run's age at the frame before: what the next one brings came since then. */
  #beforeUs = 0;
  #rows: readonly SeriesRow[] | null = null;

  constructor(run: string) {
    this.run = run;
  }

  get points(): readonly Point[] {
    return this.#points.points;
  }

  /** The series, in the order of their ids. The list is the same one until something changes. */
  get series(): readonly SeriesRow[] {
    this.#rows ??= [...this.#series.values()].sort((a, b) => a.id - b.id);
    return this.#rows;
  }

  seriesOf(id: number): SeriesRow | null {
    return this.#series.get(id) ?? null;
  }

  get errors(): readonly ErrorRow[] {
    return [...this.#errors.values()].sort((a, b) => b.figures.count - a.figures.count || a.id - b.id);
  }

  get events(): readonly Event[] {
    return [...this.#events.values()].sort((a, b) => a.t_us - b.t_us || a.id - b.id);
  }

  get counters(): readonly CounterRow[] {
    return [...this.#counters]
      .map(([name, value]) => ({ name, value, perSecond: this.#counterRate(name, value) }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  machinePoints(id: number): readonly MachinePoint[] {
    return this.#machinePoints.get(id)?.points ?? [];
  }

  get over(): boolean {
    return isOver(this.stage);
  }

  /** Whether sparks show all of the run, rather than its last minute. */
  get sparksAreWhole(): boolean {
    return this.#wholeRun;
  }

  /** Hits of a series over the last minute, or over the run if that is what was told; oldest first. */
  spark(id: number): readonly number[] {
    const values = this.#sparkOf(id);
    return this.over || this.#wholeRun ? values : wholeParts(values);
  }

  #sparkOf(id: number): readonly number[] {
    return this.#sparks.get(id)?.until(this.#part(), this.#scale.parts) ?? [];
  }

  /** Hits per second of a series: over the last seconds while the run goes on, over all of it afterwards. */
  rate(id: number): number {
    if (this.over || this.#wholeRun) return this.average(id);
    return recentRate(this.#sparkOf(id), this.#scale.partUs);
  }

  /** Hits per second of a series over the whole run. */
  average(id: number): number {
    const hits = this.#series.get(id)?.figures[SERIES_FIGURES.hits] ?? 0;
    return this.elapsedUs ? (hits * 1e6) / this.elapsedUs : 0;
  }

  /** Takes a frame and tells who listens to what it changed. */
  apply(frame: RunFrame): void {
    if (frame.full) this.#clear();
    this.#takeStage(frame);
    this.#takeFacts(frame);
    this.#takePoints(frame);
    this.#takeSeries(frame);
    this.#takeErrors(frame);
    this.#takeCounters(frame);
    this.#takeHappenings(frame);
    if (frame.full) {
      this.ready = true;
      for (const topic of ALL_TOPICS) this.topics.touch(topic);
    }
    this.topics.flush();
  }

  #clear(): void {
    this.head = this.totals = this.standing = null;
    this.thresholds = [];
    this.machines = [];
    this.warnings = [];
    this.lines = [];
    this.firstLine = 0;
    this.#points.clear();
    this.#rows = null;
    const maps = [this.#machinePoints, this.#names, this.#series, this.#sparks, this.#texts, this.#errors];
    for (const map of [...maps, this.#events, this.#counters, this.#counterSparks]) map.clear();
  }

  #takeStage(frame: RunFrame): void {
    const changed =
      this.stage !== frame.stage || this.elapsedUs !== frame.elapsed_us || this.trouble !== frame.trouble;
    this.stage = frame.stage;
    this.#beforeUs = this.elapsedUs ?? 0;
    this.elapsedUs = frame.elapsed_us;
    this.trouble = frame.trouble;
    if (changed) this.topics.touch("stage");
  }

  #takeFacts(frame: RunFrame): void {
    if (frame.head !== null) {
      this.head = frame.head;
      this.topics.touch("head");
    }
    if (frame.totals !== null) {
      this.totals = frame.totals;
      this.topics.touch("totals");
    }
    if (frame.standing !== null) {
      this.standing = frame.standing;
      this.topics.touch("standing");
    }
    if (frame.thresholds !== null) {
      this.thresholds = frame.thresholds;
      this.topics.touch("thresholds");
    }
    if (frame.machines !== null) {
      this.machines = frame.machines;
      this.topics.touch("machines");
    }
    if (frame.warnings !== null) {
      this.warnings = frame.warnings;
      this.topics.touch("warnings");
    }
  }

  #takePoints(frame: RunFrame): void {
    if (this.#points.apply(frame.points, frame.gone)) this.topics.touch("points");
    if (this.#takeMachinePoints(frame.machine_points, frame.machine_gone)) this.topics.touch("machinePoints");
  }

  #takeMachinePoints(points: RunFrame["machine_points"], gone: readonly Span[]): boolean {
    let changed = false;
    if (gone.length > 0) for (const track of this.#machinePoints.values()) changed = track.apply([], gone) || changed;
    for (const [key, added] of Object.entries(points)) {
      const id = Number(key);
      let track = this.#machinePoints.get(id);
      if (track === undefined) this.#machinePoints.set(id, (track = new Track<MachinePoint>()));
      changed = track.apply(added) || changed;
    }
    return changed;
  }

  #takeSeries(frame: RunFrame): void {
    if (frame.full) this.#takeSparks(frame);
    for (const name of frame.names) this.#names.set(name[SERIES_NAME.id], name);
    for (const figures of frame.figures) this.#takeFigures(figures, frame);
    for (const id of frame.folded) {
      this.#names.delete(id);
      this.#series.delete(id);
      this.#sparks.delete(id);
    }
    if (frame.names.length + frame.figures.length + frame.folded.length === 0) return;
    this.#rows = null;
    this.topics.touch("series");
  }

  #takeSparks(frame: RunFrame): void {
    this.#scale = scaleOf(frame.spark_us, Math.max(0, ...frame.sparks.map((spark) => spark[SPARK.hits].length)));
    this.#wholeRun = isOver(frame.stage);
    for (const spark of frame.sparks) this.#sparks.set(spark[SPARK.id], new Spark(spark[SPARK.hits], this.#part()));
  }

  #takeFigures(figures: SeriesFigures, frame: RunFrame): void {
    const id = figures[SERIES_FIGURES.id];
    const name = this.#names.get(id);
    if (name === undefined) return;
    const before = this.#series.get(id)?.figures[SERIES_FIGURES.hits] ?? 0;
    this.#series.set(id, { id, name, figures });
    if (frame.full) return;
    let spark = this.#sparks.get(id);
    if (spark === undefined) this.#sparks.set(id, (spark = new Spark([0], this.#beforeUs / this.#scale.partUs)));
    // What (other) took over from the series that were folded into it is no burst.
    const took = frame.folded.length > 0 && name[SERIES_NAME.name] === OTHER;
    const { partUs, parts } = this.#scale;
    const came = took ? 0 : figures[SERIES_FIGURES.hits] - before;
    spark.add(this.#beforeUs / partUs, (this.elapsedUs ?? 0) / partUs, came, parts);
  }

  #takeErrors(frame: RunFrame): void {
    for (const text of frame.errors) this.#texts.set(text.id, text);
    for (const figures of frame.error_figures) {
      const text = this.#texts.get(figures.id);
      if (text !== undefined) this.#errors.set(figures.id, { id: figures.id, text, figures });
    }
    for (const id of frame.errors_folded) {
      this.#texts.delete(id);
      this.#errors.delete(id);
    }
    if (frame.errors.length + frame.error_figures.length + frame.errors_folded.length > 0) this.topics.touch("errors");
  }

  #takeCounters(frame: RunFrame): void {
    const changed = Object.entries(frame.counters);
    for (const [name, value] of changed) {
      if (!frame.full) {
        let spark = this.#counterSparks.get(name);
        if (spark === undefined) this.#counterSparks.set(name, (spark = new Spark([0], this.#beforeUs / 1e6)));
        const came = value - (this.#counters.get(name) ?? 0);
        spark.add(this.#beforeUs / 1e6, (this.elapsedUs ?? 0) / 1e6, came, COUNTER_PARTS);
      }
      this.#counters.set(name, value);
    }
    for (const name of frame.counters_folded) {
      this.#counters.delete(name);
      this.#counterSparks.delete(name);
    }
    if (changed.length + frame.counters_folded.length > 0) this.topics.touch("counters");
  }

  #counterRate(name: string, value: number): number | null {
    if (this.over) return this.elapsedUs ? (value * 1e6) / this.elapsedUs : null;
    const spark = this.#counterSparks.get(name);
    return spark === undefined ? null : recentRate(spark.until(this.#second(), COUNTER_PARTS), 1e6);
  }

  #takeHappenings(frame: RunFrame): void {
    for (const event of frame.events) this.#events.set(event.id, event);
    if (frame.events.length > 0) this.topics.touch("events");
    if (frame.lines.length === 0) return;
    const lines = [...this.lines, ...frame.lines];
    this.lines = lines.slice(-MAX_LINES);
    this.firstLine += lines.length - this.lines.length;
    this.topics.touch("lines");
  }

  /** The part of a spark that now belongs to. */
  #part(): number {
    return Math.floor((this.elapsedUs ?? 0) / this.#scale.partUs);
  }

  #second(): number {
    return Math.floor((this.elapsedUs ?? 0) / 1e6);
  }
}
