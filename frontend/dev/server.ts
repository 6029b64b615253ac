// `npm run dev`: the pages with sample data (sample.py), or with LOADS_WEB=http://127.0.0.1:7777 those of a running
// loads-web (log in there first: the cookie is the same). LOADS_SAMPLE=DIR has samples that were made before.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Plugin, ViteDevServer } from "vite";

import type { FromPage, Report, RunFrame, RunList, SeriesFrame } from "../src/messages.ts";
import { accept, type Peer } from "./socket.ts";

/** A page of the dashboard, whose address says which. */
const PAGES = /^\/(runs(\/[^/]*)?|compare)?$/;

export function devServer(): Plugin {
  const real = process.env["LOADS_WEB"];
  return {
    name: "loads-dev-server",
    apply: "serve",
    config: () => (real ? { server: { proxy: proxied(real) } } : {}),
    configureServer: (server) => {
      if (process.env["VITEST"]) return;
      const sample = real ? null : new Sample(process.env["LOADS_SAMPLE"] ?? made());
      if (sample !== null) server.httpServer?.on("upgrade", (request, stream) => {
        if (request.url === "/api/live") sample.play(accept(request, stream));
      });
      server.middlewares.use((request, response, next) => {
        const path = (request.url ?? "/").split("?")[0] ?? "/";
        if (PAGES.test(path)) void page(server, response);
        else if (sample !== null && path.startsWith("/api/")) sample.answer(path, request, response);
        else next();
      });
    },
  };
}

/** The server checks who asks from where: it is told what it expects. */
function proxied(target: string) {
  return { "/api": { target, ws: true, changeOrigin: true, headers: { Origin: target } }, "/login": { target, changeOrigin: true } };
}

async function page(server: ViteDevServer, response: ServerResponse): Promise<void> {
  const html = readFileSync(join(server.config.root, "index.html"), "utf8");
  response.setHeader("Content-Type", "text/html");
  response.end(await server.transformIndexHtml("/static/index.html", html));
}

function made(): string {
  const folder = mkdtempSync(join(tmpdir(), "loads-sample-"));
  execFileSync("python3", [join(import.meta.dirname, "..", "sample.py"), folder], { stdio: "inherit" });
  return folder;
}

/** The sample's files; each page that follows the run sees it from its middle on, a frame a second. */
class Sample {
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  private read<T>(name: string): T {
    return JSON.parse(readFileSync(join(this.folder, `${name}.json`), "utf8")) as T;
  }

  answer(path: string, request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("Content-Type", "application/json");
    if (path === "/api/me") response.end(JSON.stringify(this.read("me")));
    else if (path === "/api/runs") response.end(JSON.stringify(this.runs(new URL(request.url ?? "/", "http://here").searchParams)));
    else {
      response.statusCode = path.endsWith("/stop") ? 204 : 404;
      response.end(path.endsWith("/stop") ? undefined : JSON.stringify({ message: "the sample has none", hint: "" }));
    }
  }

  private runs(query: URLSearchParams): RunList {
    const list = this.read<RunList>("runs");
    const verdict = query.get("verdict");
    const text = query.get("text") ?? "";
    const runs = list.runs.filter((run) => (!verdict || run.verdict === verdict) && JSON.stringify(run).includes(text));
    return { ...list, runs, total: runs.length };
  }

  play(peer: Peer): void {
    const timers = new Map<string, NodeJS.Timeout>();
    const each = (key: string, tell: (turn: number) => void): void => {
      clearInterval(timers.get(key));
      let turn = 0;
      tell(turn);
      timers.set(key, setInterval(() => tell(++turn), 1_000));
    };
    peer.onText = (text) => {
      const message = JSON.parse(text) as FromPage;
      const key = message.type === "Watch" ? "cluster" : `${message.type} ${message.run}`;
      if (!message.on) clearInterval(timers.get(key));
      else if (message.type === "Watch") each(key, () => peer.send(JSON.stringify(this.read("cluster"))));
      else if (message.type === "Follow") this.follow(message.run, peer, (tell) => each(key, tell));
      else this.open(message.run, message.series, peer);
    };
    peer.onClose = () => timers.forEach((timer) => clearInterval(timer));
  }

  /** The sample's own run goes on; all others are the same one, over. */
  private follow(run: string, peer: Peer, each: (tell: (turn: number) => void) => void): void {
    const first = this.read<RunFrame>("run");
    if (run !== first.run) {
      peer.send(JSON.stringify({ ...this.read<RunFrame>("run-final"), run }));
      return;
    }
    const frames = this.read<RunFrame[]>("run-frames");
    each((turn) => {
      const frame = turn === 0 ? first : frames[turn - 1];
      if (frame !== undefined) peer.send(JSON.stringify(frame));
    });
  }

  private open(run: string, series: number, peer: Peer): void {
    const frame = this.read<Report>("report").series.find((one: SeriesFrame) => one.series === series);
    peer.send(JSON.stringify({ ...(frame ?? { type: "SeriesFrame", series, full: true, points: [], gone: [], statuses: {}, kinds: {}, phases: [] }), run }));
  }
}
