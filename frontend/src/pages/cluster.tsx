import { useEffect, useState } from "preact/hooks";

import { bytes, count, duration, percent } from "../format.ts";
import type { AgentRow, BrokerRow, ClusterFrame } from "../messages.ts";
import { Badge } from "../parts/badge.tsx";
import { Empty } from "../parts/empty.tsx";
import { Notice } from "../parts/notice.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { isOver } from "../store/model.ts";
import { useApp, useTitle } from "./context.ts";
import { LinkNotice, useStale } from "./parts/link.tsx";
import { RunTable } from "./parts/runtable.tsx";
import { Facts, Meter, Section, Tags } from "./parts/section.tsx";
import { pathOfRun } from "./router.ts";

/** Silence after which an agent is in trouble; it tells something each second. */
const QUIET_US = 3_000_000;

/** The broker, its agents, and what they work on. */
export function ClusterPage() {
  const { live, me } = useApp();
  const [frame, setFrame] = useState<ClusterFrame | null>(null);
  useEffect(() => live.watch(setFrame), [live]);
  useTitle("Cluster");
  const stale = useStale() || (frame !== null && frame.trouble !== "");
  return (
    <div class="stack">
      <div class="page-head">
        <h1>Cluster</h1>
        <p class="muted mono">{me.where}</p>
      </div>
      <LinkNotice />
      {frame === null ? (
        <p class="muted loading" role="status">Asking the broker…</p>
      ) : (
        <>
          {frame.trouble !== "" && (
            <div role="status">
              <Notice tone="bad" title="The broker does not answer">
                <p>{frame.trouble}</p>
                {frame.broker !== null && <p>What stands here is what it said last.</p>}
              </Notice>
            </div>
          )}
          <div class={stale ? "stack is-stale" : "stack"}>
            <ClusterParts frame={frame} />
          </div>
        </>
      )}
    </div>
  );
}

function ClusterParts({ frame }: { frame: ClusterFrame }) {
  const going = frame.runs.filter((run) => !isOver(run.stage));
  const last = frame.runs.filter((run) => isOver(run.stage));
  return (
    <>
      {frame.broker !== null && <Broker broker={frame.broker} agents={frame.agents} going={going.length} />}
      <Section id="going" title="Runs now" number={going.length}>
        {going.length > 0 ? (
          <RunTable caption="Runs now and waiting" rows={going} />
        ) : (
          <Empty title="No run goes on">
            <p>
              Start one: <code>loads-runner -a 1 -u 10 -d 30s tests.TestShop</code>
            </p>
          </Empty>
        )}
      </Section>
      <Agents agents={frame.agents} />
      <Section id="last" title="Last runs" tools={<a href="/runs">All runs</a>}>
        {last.length > 0 ? <RunTable caption="Last runs" rows={last} /> : <p class="muted">No run has ended yet.</p>}
      </Section>
    </>
  );
}

function Broker({ broker, agents, going }: { broker: BrokerRow; agents: readonly AgentRow[]; going: number }) {
  const cores = agents.reduce((sum, agent) => sum + agent.cores, 0);
  return (
    <section class="panel broker" aria-labelledby="broker-title">
      <div class="panel-head">
        <h2 id="broker-title">Broker</h2>
        {broker.insecure && <Badge tone="warn" title="It lets in whoever can reach it">Insecure</Badge>}
      </div>
      {broker.insecure && <p class="is-warn">It lets in whoever can reach it, and runs what they send. Set up keys: <code>loads keys</code></p>}
      <Facts
        facts={[
          ["Host", `${broker.host}, process ${broker.pid}`],
          ["Version", broker.version],
          ["Up for", duration(broker.up_us)],
          ["Agents", `${count(agents.length)} with ${count(cores)} cores`],
          ["Runs now", count(going)],
        ]}
      />
      <Facts
        wide
        facts={[
          ["Store", <span class="mono">{broker.store}</span>],
          ["Listens on", <span class="mono">{broker.listens.join(", ")}</span>],
        ]}
      />
    </section>
  );
}

function Agents({ agents }: { agents: readonly AgentRow[] }) {
  return (
    <Section id="agents" title="Agents" number={agents.length}>
      {agents.length === 0 ? (
        <Empty title="No agent is here">
          <p>Agents make the load. Start one on each machine that shall help:</p>
          <p><code>loads-agent --broker tcp://this-machine:port</code></p>
        </Empty>
      ) : (
        <Table caption="Agents" rows={agents} columns={AGENT_COLUMNS} id={(agent) => agent.name} sort={{ key: "name", down: false }}
          search={agents.length > 12 ? searched : undefined} empty="No agent is like that." height={520} />
      )}
    </Section>
  );
}

function searched(agent: AgentRow): string {
  return [agent.name, agent.host, ...Object.entries(agent.labels).map(([key, value]) => `${key}=${value}`)].join(" ");
}

function memoryShare(agent: AgentRow): number | null {
  if (agent.memory_used_bytes === null || !agent.memory_bytes) return null;
  return agent.memory_used_bytes / agent.memory_bytes;
}

const AGENT_COLUMNS: readonly Column<AgentRow>[] = [
  { key: "name", head: "Agent", priority: 1, value: (agent) => agent.name,
    render: (agent) => <span title={agent.host}><strong>{agent.name}</strong> {agent.host !== agent.name && <span class="faint">{agent.host}</span>}</span> },
  { key: "state", head: "State", width: 170, priority: 1, value: (agent) => agent.run ?? "", render: (agent) => <AgentState agent={agent} /> },
  { key: "cores", head: "Cores", width: 64, align: "right", priority: 6, value: (agent) => agent.cores },
  { key: "cpu", head: "Processor", title: "Of all its cores, now", width: 130, align: "left", priority: 2, value: (agent) => agent.cpu_share,
    render: (agent) => <Meter share={agent.cpu_share} text={percent(agent.cpu_share)} label="Processor" /> },
  { key: "memory", head: "Memory", width: 170, align: "left", priority: 3, value: memoryShare,
    render: (agent) => <Meter share={memoryShare(agent)} text={`${bytes(agent.memory_used_bytes)} of ${bytes(agent.memory_bytes)}`} label="Memory" /> },
  { key: "most", head: "Most users", width: 104, align: "right", priority: 8, value: (agent) => agent.max_users,
    render: (agent) => (agent.max_users === null ? <span class="faint">any</span> : count(agent.max_users)) },
  { key: "heard", head: "Last seen", width: 100, align: "right", priority: 4, value: (agent) => agent.heard_us, render: (agent) => <Heard agent={agent} /> },
  { key: "version", head: "Version", width: 84, priority: 7, value: (agent) => agent.version },
  { key: "labels", head: "Labels", width: 150, priority: 5, fixed: true, value: () => null, render: (agent) => <Tags tags={agent.labels} /> },
];

function AgentState({ agent }: { agent: AgentRow }) {
  if (agent.run !== null)
    return (
      <span class="row-tight">
        <Badge tone="busy">Busy</Badge> <a class="mono" href={pathOfRun(agent.run)} title={`Run ${agent.run}`}>{agent.run}</a>
      </span>
    );
  return agent.leaving ? <Badge tone="off" title="It takes no other run">Leaving</Badge> : <Badge tone="good">Free</Badge>;
}

function Heard({ agent }: { agent: AgentRow }) {
  if (agent.heard_us < QUIET_US) return <span class="faint">just now</span>;
  return <strong class="is-warn">{duration(agent.heard_us)} ago</strong>;
}
