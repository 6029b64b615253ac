import { clock, count, duration, rate } from "../../format.ts";
import { Badge } from "../../parts/badge.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import { useTopics } from "../../store/hooks.ts";
import type { CounterRow, RunModel } from "../../store/model.ts";
import { moment } from "../../format.ts";
import { Facts, Section, Tags } from "./section.tsx";
import { plural, thresholdWord } from "./words.ts";

/** The conditions that decide, as they stand. */
export function Thresholds({ model }: { model: RunModel }) {
  useTopics(model, "thresholds");
  const { thresholds } = model;
  if (thresholds.length === 0) return null;
  return (
    <Section id="thresholds" title="Thresholds" number={thresholds.length}>
      <ul class="thresholds">
        {thresholds.map((threshold) => {
          const word = thresholdWord(threshold.state, threshold.failed, threshold.holds);
          return (
            <li key={threshold.text} class={threshold.failed ? "threshold is-failed" : "threshold"}>
              <Badge tone={word.tone}>{word.text}</Badge>
              <code>{threshold.text}</code>
              <span class="threshold-value">{threshold.shown}</span>
              {threshold.crossed_us !== null && <span class="faint small">crossed at {moment(threshold.crossed_us / 1e6)}</span>}
              {threshold.aborted && <span class="small is-bad">ended the run</span>}
            </li>
          );
        })}
      </ul>
    </Section>
  );
}

const COUNTER_COLUMNS: readonly Column<CounterRow>[] = [
  { key: "name", head: "Counter", value: (row) => row.name, render: (row) => <span class="mono">{row.name}</span> },
  { key: "value", head: "Value", width: 140, align: "right", value: (row) => row.value, render: (row) => count(row.value) },
  { key: "rate", head: "Per second", width: 120, align: "right", value: (row) => row.perSecond, render: (row) => rate(row.perSecond) },
];

/** What the test counted itself, and web sockets. */
export function Counters({ model }: { model: RunModel }) {
  useTopics(model, "counters", "stage");
  const { counters } = model;
  if (counters.length === 0) return null;
  return (
    <Section id="counters" title="Counters" number={counters.length} lead="What the test counted itself, and its web sockets.">
      <Table caption="Counters" rows={counters} columns={COUNTER_COLUMNS} id={(row) => row.name} sort={null} height={360}
        search={counters.length > 12 ? (row) => row.name : undefined} empty="Nothing was counted." />
    </Section>
  );
}

/** What was asked for. */
export function Plan({ model }: { model: RunModel }) {
  useTopics(model, "head");
  const { head } = model;
  if (head === null) return null;
  const scenarios = head.scenarios.length > 0 ? head.scenarios : head.targets;
  return (
    <Section id="plan" title="Plan">
      <div class="plan">
        {head.plan !== "" && <pre tabIndex={0}>{head.plan}</pre>}
        <Facts
          facts={[
            ["Run", <span class="mono">{head.id || model.run}</span>],
            ["Tests", scenarios.join(", ")],
            ["Targets", head.targets.join(", ")],
            ["Service", head.server_url ?? "as the test says"],
            ["Tags", <Tags tags={head.tags} />],
            ["Users", `${count(head.users)} on ${plural(head.workers, "worker")}`],
            ["Planned", head.duration_us !== null ? duration(head.duration_us) : head.due !== null ? plural(head.due, "iteration") : "until stopped"],
            ["Started", clock(head.started_at)],
            ["By", head.who || "here"],
            ["Seed", head.seed === null ? "none" : <span class="mono">{String(head.seed)}</span>],
            ["Loads", head.version],
          ]}
        />
      </div>
    </Section>
  );
}
