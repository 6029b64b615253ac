import { beforeEach, expect, test } from "vitest";

import type { FromPage, Gone, RunFrame, SeriesFrame, ToPage } from "../../src/messages.ts";
import { FollowedRun } from "../../src/store/followed.ts";
import { Live, SILENCE_MS, type Socket, type World } from "../../src/store/live.ts";
import { frameOf, sample } from "./sample.ts";

/** A socket of which the test is the server. */
class Wire implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: FromPage[] = [];
  isClosed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as FromPage);
  }

  close(): void {
    this.isClosed = true;
  }

  tell(message: ToPage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

/** A world whose time the test moves. */
class Made implements World {
  readonly wires: Wire[] = [];
  readonly timers = new Map<number, { call: () => void; at: number }>();
  now = 0;
  logins = 0;
  /** What the server says of this page; null: it does not answer. */
  known: boolean | null = true;

  connect(): Socket {
    const wire = new Wire();
    this.wires.push(wire);
    return wire;
  }

  async isKnown(): Promise<boolean> {
    if (this.known === null) throw new Error("no answer");
    return this.known;
  }

  login(): void {
    this.logins += 1;
  }

  later(call: () => void, ms: number): number {
    const timer = this.timers.size === 0 ? 1 : Math.max(...this.timers.keys()) + 1;
    this.timers.set(timer, { call, at: this.now + ms });
    return timer;
  }

  never(timer: number): void {
    this.timers.delete(timer);
  }

  random(): number {
    return 0.5;
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const [due] = [...this.timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at);
      if (due === undefined) break;
      this.now = due[1].at;
      this.timers.delete(due[0]);
      due[1].call();
    }
    this.now = end;
  }

  get wire(): Wire {
    return this.wires.at(-1) as Wire;
  }
}

const RUN = sample.run.run;
const NOBODY = { onRun: () => undefined, onSeries: () => undefined, onGone: () => undefined };

let world: Made;
let live: Live;

beforeEach(() => {
  world = new Made();
  live = new Live(world);
  live.start();
});

/** What was asked promises has been answered. */
const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

test("what is looked at before the connection stands is asked for once it does", () => {
  live.watch(() => undefined);
  live.follow(RUN, NOBODY);
  live.open(RUN, 3);
  expect(world.wire.sent).toEqual([]);
  world.wire.onopen?.();
  expect(world.wire.sent).toEqual([
    { type: "Watch", on: true },
    { type: "Follow", run: RUN, on: true },
    { type: "Open", run: RUN, series: 3, on: true },
  ]);
});

test("a lost connection comes back, later each time, and asks for all that is still looked at", () => {
  world.wire.onopen?.();
  live.follow(RUN, NOBODY);
  const leave = live.follow("other", NOBODY);
  live.open(RUN, 3);
  leave();
  const waits: number[] = [];
  for (let turn = 0; turn < 8; turn++) {
    world.wire.onclose?.();
    expect(live.state).toBe("lost");
    waits.push(live.nextTryMs ?? 0);
    world.pass(waits.at(-1) ?? 0);
  }
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 10000, 10000, 10000]);
  expect(world.wires).toHaveLength(9);
  world.wire.onopen?.();
  expect(live.state).toBe("open");
  expect(world.wire.sent).toEqual([
    { type: "Follow", run: RUN, on: true },
    { type: "Open", run: RUN, series: 3, on: true },
  ]);
});

test("after something was heard the waits begin anew", () => {
  for (const turn of [0, 1, 2]) {
    world.wire.onclose?.();
    world.pass(500 * 2 ** turn);
  }
  world.wire.onopen?.();
  world.wire.tell(sample.cluster);
  world.wire.onclose?.();
  expect(live.nextTryMs).toBe(500);
});

test("who comes back or looks does not wait", () => {
  world.wire.onclose?.();
  live.hurry();
  expect(world.wires).toHaveLength(2);
  live.hurry();
  expect(world.wires).toHaveLength(2);
});

test("who is not let in any more goes to the login, and no other try is made", async () => {
  world.known = false;
  world.wire.onclose?.();
  await settled();
  expect(world.logins).toBe(1);
  world.pass(60_000);
  expect(world.wires).toHaveLength(1);
});

test("a server that is away, or that only lost the connection, asks nobody to log in", async () => {
  world.known = null;
  world.wire.onclose?.();
  await settled();
  world.pass(500);
  world.known = false;
  world.wire.onopen?.();
  world.wire.onclose?.();
  await settled();
  expect(world.logins).toBe(0);
});

test("a connection on which a run that goes on says nothing is given up", () => {
  world.wire.onopen?.();
  live.follow(RUN, NOBODY);
  world.wire.tell(sample.run);
  const silent = world.wire;
  world.pass(SILENCE_MS + 600);
  expect(silent.isClosed).toBe(true);
  expect(world.wires).toHaveLength(2);
});

test("silence is nothing where nothing is to be told", () => {
  world.wire.onopen?.();
  live.follow(RUN, NOBODY);
  world.wire.tell(sample["run-final"]);
  world.pass(10 * SILENCE_MS);
  expect(world.wires).toHaveLength(1);
});

test("a server that never answers the connection is tried again", () => {
  world.pass(SILENCE_MS + 600);
  expect(world.wires).toHaveLength(2);
});

test("two who look at the same ask once, and the last to leave says so", () => {
  world.wire.onopen?.();
  const leaves = [live.follow(RUN, NOBODY), live.follow(RUN, NOBODY)];
  const closes = [live.open(RUN, 3), live.open(RUN, 3)];
  for (const leave of [...closes, ...leaves, ...closes]) leave();
  expect(world.wire.sent.map((message) => [message.type, message.on])).toEqual([
    ["Follow", true], ["Open", true], ["Open", false], ["Follow", false],
  ]);
});

test("each message goes to who looks at its run", () => {
  const heard: string[] = [];
  const listener = (name: string) => ({
    onRun: (frame: RunFrame) => heard.push(`${name} run ${frame.run}`),
    onSeries: (frame: SeriesFrame) => heard.push(`${name} series ${frame.series}`),
    onGone: (gone: Gone) => heard.push(`${name} gone ${gone.message}`),
  });
  world.wire.onopen?.();
  live.follow("a", listener("A"));
  live.follow("b", listener("B"));
  world.wire.tell(frameOf({ run: "a" }));
  world.wire.tell({ type: "SeriesFrame", run: "b", series: 4, full: true, points: [], gone: [], statuses: {}, kinds: {}, phases: [] });
  world.wire.tell({ type: "Gone", run: "b", message: "no such run", hint: "" });
  world.wire.tell(frameOf({ run: "c" }));
  world.wire.onmessage?.({ data: new ArrayBuffer(2) });
  expect(heard).toEqual(["A run a", "B series 4", "B gone no such run"]);
});

test("a page that reloads or comes back has all of the run with the first frame", () => {
  const source = new FollowedRun(live, RUN);
  source.start();
  world.wire.onopen?.();
  world.wire.tell(sample.run);
  for (const frame of sample["run-frames"].slice(0, 2)) world.wire.tell(frame);
  world.wire.onclose?.();
  world.pass(500);
  world.wire.onopen?.();
  world.wire.tell(sample["run-final"]);
  expect(source.model.over).toBe(true);
  expect(source.model.totals).toEqual(sample["run-final"].totals);
  expect(source.model.points).toHaveLength(sample["run-final"].points.length);
});

test("a run that is not there says why, until it is", () => {
  const source = new FollowedRun(live, RUN);
  source.start();
  world.wire.onopen?.();
  world.wire.tell({ type: "Gone", run: RUN, message: "there is no such run", hint: "look at all" });
  expect(source.gone?.hint).toBe("look at all");
  world.wire.tell(sample.run);
  expect(source.gone).toBeNull();
});

test("an endpoint that was closed and is opened again begins with what comes then", () => {
  const source = new FollowedRun(live, RUN);
  source.start();
  world.wire.onopen?.();
  const { full } = sample.series[0] ?? { full: null };
  if (full === null) throw new Error("the sample has a series");
  const first = source.openSeries(full.series);
  world.wire.tell(full);
  expect(first.model.ready).toBe(true);
  first.close();
  expect(source.openSeries(full.series).model.ready).toBe(false);
});
