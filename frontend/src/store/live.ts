/**
 * The page's one socket to the server: it follows what the page looks at, and comes back by itself.
 *
 * What is followed is remembered here, so that a new connection asks for all of it again; the server answers each
 * question with a full frame, which makes up for whatever was missed. A connection that is refused before it stood may
 * mean that nobody is logged in: the server is asked, since a socket does not tell why.
 */

import type { ClusterFrame, FromPage, Gone, RunFrame, SeriesFrame, ToPage } from "../messages.ts";
import { Topics } from "./topics.ts";

/** The first wait before another try; each next one is twice as long, up to the longest. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** Without a message for so long from a server that tells something each second, the connection is dead. */
export const SILENCE_MS = 15_000;

/** What this needs of a WebSocket. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(text: string): void;
  close(): void;
}

/** What this needs of the world. */
export interface World {
  connect(): Socket;
  /** Whether the server still lets this page in; rejects when it does not answer. */
  isKnown(): Promise<boolean>;
  /** Goes to the login. */
  login(): void;
  later(call: () => void, ms: number): number;
  never(timer: number): void;
  /** 0..1: spreads the tries of many pages. */
  random(): number;
}

export type LinkState = "connecting" | "open" | "lost";

/** Who is told of a run. */
export interface RunListener {
  onRun(frame: RunFrame): void;
  onSeries(frame: SeriesFrame): void;
  onGone(gone: Gone): void;
}

interface Followed {
  readonly listeners: Set<RunListener>;
  /** Series that are open, and by how many. */
  readonly open: Map<number, number>;
  /** Something changes each second, so that silence means something. */
  runs: boolean;
}

export class Live {
  readonly topics = new Topics<"state">();
  state: LinkState = "connecting";
  /** When the next try comes, in ms from when the connection was lost; null: none is waiting. */
  nextTryMs: number | null = null;

  readonly #world: World;
  readonly #watchers = new Set<(frame: ClusterFrame) => void>();
  readonly #runs = new Map<string, Followed>();
  #socket: Socket | null = null;
  #stood = false;
  #failures = 0;
  #retry: number | null = null;
  #silence: number | null = null;
  #stopped = false;

  constructor(world: World) {
    this.#world = world;
  }

  start(): void {
    this.#stopped = false;
    if (this.#socket === null && this.#retry === null) this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#clearTimers();
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  /** Tries at once rather than when the wait is over: somebody looks, or the network is back. */
  hurry(): void {
    if (this.#retry === null || this.#stopped) return;
    this.#clearTimers();
    this.#connect();
  }

  watch(listener: (frame: ClusterFrame) => void): () => void {
    this.#watchers.add(listener);
    if (this.#watchers.size === 1) this.#send({ type: "Watch", on: true });
    return () => {
      if (this.#watchers.delete(listener) && this.#watchers.size === 0) this.#send({ type: "Watch", on: false });
    };
  }

  follow(run: string, listener: RunListener): () => void {
    let followed = this.#runs.get(run);
    if (followed === undefined) {
      this.#runs.set(run, (followed = { listeners: new Set(), open: new Map(), runs: false }));
      this.#send({ type: "Follow", run, on: true });
    }
    const { listeners } = followed;
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      this.#runs.delete(run);
      this.#send({ type: "Follow", run, on: false });
    };
  }

  /** Asks for a series of a run that is followed. */
  open(run: string, series: number): () => void {
    const followed = this.#runs.get(run);
    if (followed === undefined) return () => undefined;
    const count = followed.open.get(series) ?? 0;
    followed.open.set(series, count + 1);
    if (count === 0) this.#send({ type: "Open", run, series, on: true });
    let closed = false;
    return () => {
      if (closed) return;
      closed = true;
      const left = (followed.open.get(series) ?? 1) - 1;
      if (left > 0) followed.open.set(series, left);
      else {
        followed.open.delete(series);
        if (this.#runs.get(run) === followed) this.#send({ type: "Open", run, series, on: false });
      }
    };
  }

  #connect(): void {
    this.#retry = null;
    this.#stood = false;
    const socket = this.#world.connect();
    this.#socket = socket;
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = () => this.#closed(socket);
    // A network that swallows everything never says that it closed.
    this.#listen(socket);
  }

  #opened(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#stood = true;
    this.#tell("open", null);
    if (this.#watchers.size > 0) this.#send({ type: "Watch", on: true });
    for (const [run, followed] of this.#runs) {
      this.#send({ type: "Follow", run, on: true });
      for (const series of followed.open.keys()) this.#send({ type: "Open", run, series, on: true });
    }
  }

  #heard(data: unknown): void {
    if (typeof data !== "string") return;
    this.#failures = 0;
    if (this.#socket !== null) this.#listen(this.#socket);
    const message = JSON.parse(data) as ToPage;
    if (message.type === "ClusterFrame") for (const watcher of [...this.#watchers]) watcher(message);
    else this.#hand(message);
  }

  #hand(message: RunFrame | SeriesFrame | Gone): void {
    const followed = this.#runs.get(message.run);
    if (followed === undefined) return;
    if (message.type === "RunFrame") followed.runs = message.stage === "running" && message.trouble === "";
    for (const listener of [...followed.listeners]) {
      if (message.type === "RunFrame") listener.onRun(message);
      else if (message.type === "SeriesFrame") listener.onSeries(message);
      else listener.onGone(message);
    }
  }

  #closed(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#clearTimers();
    for (const followed of this.#runs.values()) followed.runs = false;
    if (this.#stopped) return;
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.#failures, LONGEST_WAIT_MS) * (0.75 + this.#world.random() / 2);
    this.#failures += 1;
    this.#tell("lost", Math.round(wait));
    this.#retry = this.#world.later(() => this.#connect(), wait);
    if (!this.#stood) this.#world.isKnown().then((known) => this.#judged(known), () => undefined);
  }

  #judged(known: boolean): void {
    if (known || this.#stopped) return;
    this.stop();
    this.#world.login();
  }

  /** Whether the page looks at anything of which the server tells something each second. */
  #expectsNews(): boolean {
    return this.#watchers.size > 0 || [...this.#runs.values()].some((followed) => followed.runs);
  }

  /** Gives a connection up on which nothing came for too long. */
  #listen(socket: Socket): void {
    if (this.#silence !== null) this.#world.never(this.#silence);
    this.#silence = this.#world.later(() => {
      this.#silence = null;
      if (socket !== this.#socket) return;
      if (this.#stood && !this.#expectsNews()) return this.#listen(socket);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      this.#closed(socket);
    }, SILENCE_MS);
  }

  #clearTimers(): void {
    if (this.#retry !== null) this.#world.never(this.#retry);
    if (this.#silence !== null) this.#world.never(this.#silence);
    this.#retry = this.#silence = null;
  }

  #send(message: FromPage): void {
    if (this.#stood) this.#socket?.send(JSON.stringify(message));
  }

  #tell(state: LinkState, nextTryMs: number | null): void {
    this.state = state;
    this.nextTryMs = nextTryMs;
    this.topics.touch("state");
    this.topics.flush();
  }
}
