import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { clock, count, duration } from "../../format.ts";
import type { Head } from "../../messages.ts";
import { Badge } from "../../parts/badge.tsx";
import { useTopics } from "../../store/hooks.ts";
import type { RunModel } from "../../store/model.ts";
import { outlookWord, runWord, titleOf } from "./words.ts";

/** The top of a run's page, which stays in sight: which run, how it stands, how far it is. */
export function RunHead({ model, actions }: { model: RunModel; actions?: ComponentChildren }) {
  useTopics(model, "stage", "head", "standing");
  const { head, stage, standing } = model;
  const word = runWord(stage, standing);
  const goesOn = stage === "running" || stage === "ending";
  const outlook = standing !== null && goesOn ? outlookWord(standing.outlook) : null;
  return (
    <header class="run-head">
      <div class="run-head-row">
        <div class="run-name">
          <h1 title={titleOf(head, model.run)}>{titleOf(head, model.run)}</h1>
          <p class="run-id">
            <span class="mono">{model.run}</span>
            {head?.who && <span> · {head.who}</span>}
            {head?.started_at && <span> · {clock(head.started_at)}</span>}
          </p>
        </div>
        <div class="run-state">
          <Badge tone={word.tone}>{word.text}</Badge>
          {outlook !== null && <Badge tone={outlook.tone}>{outlook.text}</Badge>}
          <Announcer text={`Run ${word.text.toLowerCase()}`} />
        </div>
        {actions !== undefined && <div class="run-actions">{actions}</div>}
      </div>
      <Progress model={model} head={head} />
    </header>
  );
}

/** Says aloud what changed since the page was opened, and only that. */
function Announcer({ text }: { text: string }) {
  const first = useRef(text);
  const [said, say] = useState("");
  useEffect(() => {
    if (text === first.current && said === "") return;
    say(text);
  }, [text]);
  return (
    <span class="visually-hidden" role="status" aria-live="polite">
      {said}
    </span>
  );
}

function Progress({ model, head }: { model: RunModel; head: Head | null }) {
  useTopics(model, "totals");
  const { elapsedUs, totals, over } = model;
  const planned = head?.duration_us ?? null;
  const due = head?.due ?? null;
  let share: number | null = null;
  if (planned !== null && planned > 0) share = (elapsedUs ?? 0) / planned;
  else if (due !== null && due > 0) share = (totals?.ended ?? 0) / due;
  const parts: string[] = [];
  if (elapsedUs !== null) parts.push(planned === null ? duration(elapsedUs) : `${duration(elapsedUs)} of ${duration(planned)}`);
  if (planned === null && due !== null) parts.push(`${count(totals?.ended ?? 0)} of ${count(due)} iterations`);
  const text = parts.join(" · ") || "not begun";
  return (
    <div class="progress">
      <div
        class={over ? "progress-bar is-over" : "progress-bar"}
        role="progressbar"
        aria-label="Progress"
        aria-valuetext={text}
        aria-valuenow={share === null ? undefined : Math.round(Math.min(share, 1) * 100)}
      >
        <span class="progress-fill" style={{ width: `${Math.min(share ?? (over ? 1 : 0), 1) * 100}%` }} />
      </div>
      <span class="progress-text">{text}</span>
    </div>
  );
}
