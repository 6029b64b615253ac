import { useEffect, useRef } from "preact/hooks";

import { Empty } from "../parts/empty.tsx";
import { ThemeToggle } from "../parts/menu.tsx";
import { ClusterPage } from "./cluster.tsx";
import { ComparePage } from "./compare.tsx";
import { type App as AppValue, AppContext } from "./context.ts";
import { followLinks, type Route, routeOf, useAddress } from "./router.ts";
import { RunPage } from "./run.tsx";
import { RunsPage } from "./runs.tsx";

/** The dashboard: its frame, and the page that the address names. */
export function App({ app }: { app: AppValue }) {
  const { path } = useAddress();
  const route = routeOf(path);
  return (
    <AppContext.Provider value={app}>
      <div onClick={followLinks}>
        <a class="skip-link" href="#main">
          Skip to the content
        </a>
        <Top app={app} route={route} />
        <Main path={path}>
          <Page app={app} route={route} />
        </Main>
      </div>
    </AppContext.Provider>
  );
}

/** The content; after a change of page the focus goes there, as after loading one. */
function Main({ path, children }: { path: string; children: preact.ComponentChildren }) {
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <main id="main" tabIndex={-1} ref={main}>
      {children}
    </main>
  );
}

function Page({ app, route }: { app: AppValue; route: Route }) {
  const { me } = app;
  if (me.local) return me.run === null ? <NoRun /> : <RunPage key={me.run} run={me.run} />;
  switch (route.page) {
    case "cluster":
      return <ClusterPage />;
    case "runs":
      return <RunsPage />;
    case "compare":
      return <ComparePage />;
    case "run":
      return <RunPage key={route.run} run={route.run} />;
    case "unknown":
      return (
        <Empty title="There is no such page">
          <p><a href="/">To the cluster</a></p>
        </Empty>
      );
  }
}

function NoRun() {
  return (
    <Empty title="There is no run">
      <p>The command that served this page has ended, or its run has not begun.</p>
    </Empty>
  );
}

const LINKS = [
  { page: "cluster", path: "/", text: "Cluster" },
  { page: "runs", path: "/runs", text: "Runs" },
  { page: "compare", path: "/compare", text: "Compare" },
] as const;

function Top({ app, route }: { app: AppValue; route: Route }) {
  const { me } = app;
  return (
    <header class="top">
      <a class="brand" href="/" title={`Loads ${me.version}`}>
        <img class="brand-sign" src="/static/icon.svg" alt="" width="22" height="22" />
        Loads
      </a>
      <nav class="top-links" aria-label="Pages">
        {!me.local && LINKS.map(({ page, path, text }) => (
          <a key={page} href={path} aria-current={isCurrent(route, page) ? "page" : undefined}>
            {text}
          </a>
        ))}
        {me.local && <span class="muted">Local run</span>}
      </nav>
      <ThemeToggle />
    </header>
  );
}

function isCurrent(route: Route, page: (typeof LINKS)[number]["page"]): boolean {
  return route.page === page || (route.page === "run" && page === "runs");
}
