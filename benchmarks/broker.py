"""How a broker scales: a real one on a core of its own, with more and more agents that deliver a batch each second.

For each number of agents and of followers: the processor time that the broker takes, how long a second's results are
under way from the agent's socket to the screen of the last follower, how late heartbeats are heard, memory, and the
size of the store. A run in which one hit is missing at the end, or is there twice, is no measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from broker_agents import Load
from broker_case import WARM_UP_S, Measured, Sample, measure
from broker_plot import Curve, Panel, draw
from command import parser_for, run, say, whole_number
from processes import busy_share, require
from tables import Table, show

from loads.units import US_PER_S, plural

AGENTS = (10, 50, 100, 250, 500)
FOLLOWERS = (1, 50)
MOST_CORES = 0.7
MOST_S = 2.0
MEMORY_AGENTS = 100
_QUIET = 0.1
_MARKS_S = (10, 30, 60, 120, 180, 300, 600, 1_200, 1_800, 3_600)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--agents", type=whole_number(1, 2_000), nargs="+", help="default: 10 50 100 250 500")
    parser.add_argument("--followers", type=whole_number(1, 500), nargs="+", help="default: 1 50")
    parser.add_argument("--series", type=whole_number(2, 2_000), default=50, help="of each batch (default 50)")
    parser.add_argument("--buckets", type=whole_number(1, 200), default=25, help="of each histogram (default 25)")
    parser.add_argument("--workers", type=whole_number(1, 2), default=2, help="of each agent (default 2)")
    parser.add_argument("--seconds", type=whole_number(3, 600), default=20, help="of each measurement (default 20)")
    parser.add_argument("--together", action="store_true", help="all agents deliver in the same moment")
    parser.add_argument("--keys", action="store_true", help="over TCP with keys, and not the unix socket")
    parser.add_argument(
        "--memory", type=whole_number(30, 3_600), metavar="SECONDS", help="memory and store over so long a run instead"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw what comes out, as SVG")
    options = parser.parse_args()
    require("taskset")

    def load(agents: int, seconds: int) -> Load:
        run_us = (WARM_UP_S + seconds + 2) * US_PER_S
        return Load(agents, options.workers, options.series, options.buckets, run_us, options.together)

    if options.memory is not None:
        for agents in options.agents or (MEMORY_AGENTS,):
            show(measure_memory(load(agents, options.memory), options.memory), rst=options.rst)
        return
    cases: list[Measured] = []
    notes: list[str] = []
    for followers in options.followers or FOLLOWERS:
        for agents in options.agents or AGENTS:
            busy = busy_share(0.5)
            if busy > _QUIET:
                notes.append(
                    f"Disturbed: {agents} agents, {followers} followers; the machine was {busy:.0%} busy before."
                )
            cases.append(measure(load(agents, options.seconds), followers, options.seconds, keys=options.keys))
            say(_told(cases[-1]))
    show(tabulate(cases, options.seconds, notes), rst=options.rst)
    if options.plot is not None:
        plot(cases, options.plot)


def measure_memory(load: Load, seconds: int) -> Table:
    """Memory and store while time goes on."""
    say(f"memory: {load.agents} agents for {seconds} s")
    samples = measure(load, 1, seconds).samples
    table = Table(
        f"Memory over time: {load.agents} agents, {load.series} series each", ("Seconds", "Memory, MB", "Store, MB")
    )
    for mark_s in [mark_s for mark_s in _MARKS_S if mark_s < seconds] + [seconds]:
        sample = min(samples, key=lambda sample: abs(sample.t_s - mark_s))
        table.rows.append((f"{sample.t_s:.0f}", _mb(sample.rss_bytes), _mb(sample.store_bytes)))
    return table


def tabulate(cases: Sequence[Measured], seconds: int, notes: Sequence[str]) -> Table:
    """A row for each case."""
    load = cases[0].load
    table = Table(
        f"A broker with agents that deliver {load.series} series x 2 histograms of {load.buckets} buckets each second",
        (
            "Agents",
            "Followers",
            "Cores",
            "p50, s",
            "p99, s",
            "Beat p99, ms",
            "max, ms",
            "Memory, MB",
            "Store, MB",
        ),
    )
    for case in cases:
        last = case.samples[-1]
        table.rows.append(
            (
                f"{case.load.agents}",
                f"{case.followers}",
                f"{case.cpu:.2f}",
                f"{_at(case.latencies_s, 0.5):.2f}",
                f"{_at(case.latencies_s, 0.99):.2f}",
                f"{1_000 * _at(case.beats_s, 0.99):.0f}",
                f"{1_000 * _at(case.beats_s, 1.0):.0f}",
                _mb(last.rss_bytes),
                _mb(_largest(case.samples)),
            )
        )
        if case.held_back:
            table.notes.append(f"{case.load.agents} agents held {case.held_back} deliveries back.")
        if case.behind > 0:
            table.notes.append(f"{case.load.agents} agents: followers fell behind {case.behind} times.")
    batch_kb = max(case.batch_bytes for case in cases) / 1_000
    update_kb = max(case.update_bytes for case in cases) / 1_000
    table.notes.append(f"{seconds} s each, after {WARM_UP_S} s to warm up.")
    table.notes.append(f"A batch has up to {batch_kb:,.0f} kB, an update for a follower {update_kb:,.0f} kB.")
    table.notes.append("p50 and p99: from the agent's socket to the last follower's screen.")
    table.notes += notes
    return table


def plot(cases: Sequence[Measured], path: Path) -> None:
    """Processor time and latency over the number of agents."""
    cores, latencies = [], []
    for followers in sorted({case.followers for case in cases}):
        group = sorted((case for case in cases if case.followers == followers), key=lambda case: case.load.agents)
        whom = plural(followers, "follower")
        cores.append(Curve(whom, [(case.load.agents, case.cpu) for case in group]))
        for name, quantile in (("p50", 0.5), ("p99", 0.99)):
            points = [(case.load.agents, _at(case.latencies_s, quantile)) for case in group]
            latencies.append(Curve(f"{name}, {whom}", points))
    panels = [
        Panel("Processor time of the broker", "agents", "cores", cores, ("70 % of a core", MOST_CORES)),
        Panel("From flush to screen", "agents", "seconds", latencies, ("2 s", MOST_S)),
    ]
    title = "How the processor time of the broker and the latency of results grow with the number of agents."
    draw(title, panels, path)


def _told(case: Measured) -> str:
    p99_s = _at(case.latencies_s, 0.99)
    return f"{case.load.agents} agents, {case.followers} followers: {case.cpu:.2f} cores, p99 {p99_s:.2f} s"


def _at(values: Sequence[float], quantile: float) -> float:
    """The nearest-rank quantile of ascending `values`; 0 when there are none."""
    return values[min(len(values) - 1, int(quantile * len(values)))] if values else 0.0


def _largest(samples: Sequence[Sample]) -> int:
    return max(sample.store_bytes for sample in samples)


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f}"


if __name__ == "__main__":
    run(main)
