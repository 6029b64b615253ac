// The report's beginning: a run that is over, out of the page itself.

import "./style/main.css";
import "./pages/pages.css";

import { render } from "preact";

import { RunView } from "./pages/parts/runview.tsx";
import { Notice } from "./parts/notice.tsx";
import { ThemeToggle } from "./parts/menu.tsx";
import { startTheme } from "./parts/theme.ts";
import { ReportedRun } from "./store/followed.ts";
import { decodeReport } from "./store/report.ts";

async function start(root: HTMLElement): Promise<void> {
  try {
    const source = new ReportedRun(await decodeReport(document.getElementById("report-data")?.textContent ?? ""));
    render(
      <div class="report">
        <a class="skip-link" href="#main">Skip to the content</a>
        <header class="top">
          <span class="brand">Loads</span>
          <span class="muted report-word">Report</span>
          <ThemeToggle />
        </header>
        <main id="main" tabIndex={-1}>
          <RunView source={source} actions={<button type="button" onClick={() => window.print()}>Print</button>} />
        </main>
      </div>,
      root,
    );
  } catch (error) {
    render(
      <main id="main">
        <Notice tone="bad" title="This report can't be read">
          <p>The file is damaged, or this browser is too old: {String(error)}</p>
        </Notice>
      </main>,
      root,
    );
  }
}

/** Where the report goes: the page may have a place for it already. */
function rootOf(): HTMLElement {
  const there = document.getElementById("app");
  if (there !== null) return there;
  const made = document.createElement("div");
  made.id = "app";
  document.body.append(made);
  return made;
}

startTheme();
void start(rootOf());
