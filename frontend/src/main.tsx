// The dashboard's beginning: asks who we are, opens the socket, draws the page.

import "./style/main.css";
import "./pages/pages.css";
import "./pages/dashboard.css";

import { options, render } from "preact";

import { App } from "./pages/app.tsx";
import { Notice } from "./parts/notice.tsx";
import { startTheme } from "./parts/theme.ts";
import { ApiError, browserWorld, fetchMe, LOGIN } from "./store/api.ts";
import { Live } from "./store/live.ts";

/** How long until a server that does not answer is asked again. */
const AGAIN_MS = 3_000;

// Draws at most once for each picture of the screen, however many frames came; a page that nobody sees draws nothing.
options.debounceRendering = (draw) => {
  if (document.hidden) setTimeout(draw, 500);
  else requestAnimationFrame(draw);
};

async function start(root: HTMLElement): Promise<void> {
  try {
    const me = await fetchMe();
    const live = new Live(browserWorld());
    live.start();
    window.addEventListener("online", () => live.hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) live.hurry();
    });
    render(<App app={{ me, live }} />, root);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return location.assign(LOGIN);
    const { message, hint } = error instanceof ApiError ? error : { message: String(error), hint: "" };
    render(
      <main id="main">
        <Notice tone="bad" title={message}>{hint && <p>{hint}</p>}</Notice>
      </main>,
      root,
    );
    setTimeout(() => void start(root), AGAIN_MS);
  }
}

startTheme();
const root = document.getElementById("app");
if (root !== null) void start(root);
