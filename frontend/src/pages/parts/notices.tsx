import { moment } from "../../format.ts";
import { Notice } from "../../parts/notice.tsx";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { plural } from "./words.ts";

/** What has to be known before the figures are read: why the verdict, what was lost, what is wrong. */
export function RunNotices({ model }: { model: RunModel }) {
  useTopics(model, "stage", "standing", "machines", "events", "warnings");
  const { standing, stage, trouble, warnings } = model;
  return (
    <div class="notices">
      {trouble !== "" && (
        <Notice tone={stage === "refused" ? "bad" : "warn"} title={stage === "refused" ? "This run was refused" : trouble}>
          {stage === "refused" && <p>{trouble}</p>}
        </Notice>
      )}
      {standing !== null && standing.reasons.length > 0 && <Reasons model={model} />}
      <Losses model={model} />
      {warnings.length > 0 && (
        <Notice tone="warn" title={warnings.length === 1 ? "A warning" : plural(warnings.length, "warning")}>
          <List texts={warnings} />
        </Notice>
      )}
    </div>
  );
}

function Reasons({ model }: { model: RunModel }) {
  const { standing, stage } = model;
  if (standing === null) return null;
  const over = stage === "ended";
  const titles = {
    good: "So far",
    bad: "It would fail as it stands",
    passed: "It passed, though",
    failed: "Why it failed",
    invalid: "Why it is invalid: it says nothing of the service",
    aborted: "Why it was aborted",
  } as const;
  const tone = { good: "plain", bad: "bad", passed: "plain", failed: "bad", invalid: "warn", aborted: "off" } as const;
  return (
    <Notice tone={tone[standing.outlook]} title={titles[standing.outlook]}>
      <List texts={standing.reasons} />
      {over && standing.exit_code !== null && <p class="faint">Exit code {standing.exit_code}</p>}
    </Notice>
  );
}

/** Agents and workers that were lost: their names, and what the run noted of them. */
function Losses({ model }: { model: RunModel }) {
  const lost = model.machines.filter((machine) => machine.lost);
  const named = (text: string): boolean => lost.some((machine) => text.includes(` ${machine.name} `));
  const events = model.events.filter((event) => event.kind === "lost" || (event.kind === "agent" && named(event.text)));
  if (lost.length === 0 && events.length === 0) return null;
  const names = lost.map((machine) => machine.name).join(", ");
  const title = lost.length > 0 ? `Lost: ${names}` : "Something was lost";
  const shown = events.slice(0, 5);
  return (
    <Notice tone="bad" title={title}>
      <ul class="reasons">
        {shown.map((event) => (
          <li key={event.id}>
            <span class="mono">{moment(event.t_us / 1e6)}</span> {event.text}
          </li>
        ))}
        {events.length > shown.length && (
          <li>
            <a href="#events">and {plural(events.length - shown.length, "more event")}</a>
          </li>
        )}
      </ul>
    </Notice>
  );
}

function List({ texts }: { texts: readonly string[] }) {
  return (
    <ul class="reasons">
      {texts.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}
