"""What a cluster looks like: its broker, its agents, its runs, as tables.

Plain text, for whatever reads it; a terminal gets the same with its heads set off and long lines cut. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loads.report.figures import printable
from loads.units import US_PER_S, format_duration, plural

if TYPE_CHECKING:
    from loads.wire.cluster import AgentStatus, RunStatus, Status

_AGENT_HEADS = ("agent", "host", "cores", "max", "load", "cpu", "memory", "version", "heard", "run", "labels")
"""Those of labels, which may be long, and of the most users only where an agent has some."""
_RUN_HEADS = ("run", "state", "submitted", "time", "agents", "by", "name", "tests", "tags")
"""Those of names and tags only where a run has some."""
_CHECK_HEADS = ("agent", "host", "answer")
Row = Sequence[str]


@dataclass(frozen=True)
class Sought:
    """Which runs are wanted: with `name` in theirs, in capitals or not, all of these tags, and that verdict."""

    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    verdict: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether any will do."""
        return not self.name and not self.tags and self.verdict is None

    def has(self, run: RunStatus) -> bool:
        """Whether `run` is one."""
        named = self.name.casefold() in run.name.casefold()
        return named and self.tags.items() <= run.tags.items() and self.verdict in (None, run.verdict)


def selected(runs: Iterable[RunStatus], sought: Sought, most: int) -> list[RunStatus]:
    """Those that are `sought`: all that go on, and of those that are over the last `most`."""
    found = sorted((run for run in runs if sought.has(run)), key=lambda run: run.created_at)
    over = [run for run in found if not _goes_on(run)]
    left_out = {run.id for run in over[: max(0, len(over) - most)]}
    return [run for run in found if run.id not in left_out]


def status_lines(status: Status) -> Iterator[str]:
    """The broker, its agents, and its runs, the latest last."""
    up = format_duration(status.up_us // US_PER_S * US_PER_S) if status.up_us >= US_PER_S else "0s"
    yield f"Broker {status.version} on {printable(status.host)}, pid {status.pid}, up {up}"
    yield f"Store: {printable(status.store)}"
    if status.listens:
        yield f"Listens on: {printable(', '.join(status.listens))}"
    if status.insecure:
        yield "INSECURE: over TCP it lets in whoever can reach it, to run code on agents"
    yield ""
    yield from agent_lines(status.agents)
    yield ""
    yield from run_lines(status.runs)


def agent_lines(agents: Sequence[AgentStatus]) -> Iterator[str]:
    """The agents that are there, a line each."""
    if not agents:
        yield "No agent is there: start one with loads-agent on each machine"
        return
    free = sum(agent.run is None and not agent.leaving for agent in agents)
    yield f"{plural(len(agents), 'agent')}, {free} free"
    rows = [_AGENT_HEADS, *(_agent(agent) for agent in agents)]
    has = {"labels": any(agent.labels for agent in agents), "max": any(agent.max_users for agent in agents)}
    yield from table(_without(rows, has))


def run_lines(runs: Sequence[RunStatus]) -> Iterator[str]:
    """The runs, the latest last."""
    if not runs:
        yield "No runs"
        return
    going = sum(map(_goes_on, runs))
    yield f"{plural(len(runs), 'run')}, of which {going} {'goes' if going == 1 else 'go'} on"
    rows = [_RUN_HEADS, *(_run(run) for run in sorted(runs, key=lambda run: run.created_at))]
    yield from table(_without(rows, {"name": any(run.name for run in runs), "tags": any(run.tags for run in runs)}))


def check_lines(checked: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """How each agent answered: its name, its host, its answer."""
    yield from table([_CHECK_HEADS, *checked])


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Columns to the left, the first row as their heads."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _without(rows: Sequence[Row], has: Mapping[str, bool]) -> list[Row]:
    """`rows` but for columns which there is nothing in, as `has` says by their heads."""
    shown = [number for number, head in enumerate(rows[0]) if has.get(head, True)]
    return [[row[number] for number in shown] for row in rows]


def _goes_on(run: RunStatus) -> bool:
    return run.verdict is None and run.trouble is None


def _memory(agent: AgentStatus) -> str:
    """``3.1 of 15.6 GB``."""
    if agent.memory_used_bytes is None or not agent.memory_bytes:
        return "-"
    return f"{agent.memory_used_bytes / 1e9:.1f} of {agent.memory_bytes / 1e9:.1f} GB"


def _agent(agent: AgentStatus) -> Row:
    run = agent.run or "free"
    if agent.leaving:
        run = "leaving" if agent.run is None else f"{agent.run}, then leaving"
    return (
        agent.name,
        agent.host,
        str(agent.cores),
        "-" if agent.max_users is None else str(agent.max_users),
        f"{agent.load:.2f}",
        "-" if agent.cpu_share is None else f"{agent.cpu_share:.0%}",
        _memory(agent),
        agent.version,
        f"{agent.heard_us / US_PER_S:.1f} s ago",
        run,
        " ".join(f"{name}={value}" for name, value in sorted(agent.labels.items())) or "-",
    )


def _run(run: RunStatus) -> Row:
    state = run.verdict or run.state.value
    elapsed = "-" if run.elapsed_us is None else format_duration(run.elapsed_us // 100_000 * 100_000)
    tests = " ".join(run.targets) + (f" ({run.trouble})" if run.trouble else "")
    return (
        run.id,
        state,
        f"{run.created_at.astimezone():%Y-%m-%d %H:%M}",
        elapsed,
        str(len(run.agents)),
        f"{run.who.user}@{run.who.host}",
        run.name or "-",
        tests,
        " ".join(f"{key}={value}" for key, value in sorted(run.tags.items())) or "-",
    )
