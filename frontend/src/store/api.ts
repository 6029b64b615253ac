/** Questions and orders to the server, besides what the socket tells. */

import type { Me, Refusal, RunList } from "../messages.ts";
import type { Socket, World } from "./live.ts";

/** The server said no, in words for people. */
export class ApiError extends Error {
  readonly status: number;
  readonly hint: string;

  constructor(status: number, message: string, hint = "") {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** Where to log in; a page that can't be read without goes there. */
export const LOGIN = "/login";

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...init });
  } catch {
    throw new ApiError(0, "the server does not answer", "is loads-web still there?");
  }
  if (answer.ok) return answer;
  throw await refusalOf(answer);
}

async function refusalOf(answer: Response): Promise<ApiError> {
  try {
    const { message, hint } = (await answer.json()) as Partial<Refusal>;
    if (message) return new ApiError(answer.status, message, hint);
  } catch {
    // No JSON: something between here and the server answered. The status has to do.
  }
  return new ApiError(answer.status, `the server answered ${answer.status}`);
}

export async function fetchMe(): Promise<Me> {
  return (await (await ask("/api/me")).json()) as Me;
}

/** One page of the history; `query` as `queryOf` writes it. */
export async function fetchRuns(query: string, signal?: AbortSignal): Promise<RunList> {
  return (await (await ask(`/api/runs${query}`, { signal })).json()) as RunList;
}

/** Asks a run to end: gracefully, or `now`. */
export async function stopRun(run: string, now: boolean): Promise<void> {
  const headers = { "X-XSRFToken": cookie("_xsrf") };
  await ask(`/api/runs/${encodeURIComponent(run)}/stop?now=${now ? 1 : 0}`, { method: "POST", headers });
}

/** Where the report of a run is downloaded. */
export function reportPath(run: string): string {
  return `/api/runs/${encodeURIComponent(run)}/report`;
}

function cookie(name: string): string {
  for (const part of document.cookie.split(";")) {
    const [key, ...value] = part.trim().split("=");
    if (key === name) return decodeURIComponent(value.join("="));
  }
  return "";
}

/** The world of a page in a browser. */
export function browserWorld(): World {
  return {
    connect: () => {
      const url = new URL("/api/live", location.href);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      return new WebSocket(url) as Socket;
    },
    isKnown: async () => {
      try {
        await fetchMe();
        return true;
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return false;
        throw error;
      }
    },
    login: () => location.assign(LOGIN),
    later: (call, ms) => window.setTimeout(call, ms),
    never: (timer) => window.clearTimeout(timer),
    random: Math.random,
  };
}
