"""What a run holds in memory: flat in hits, and how much for each user.

Three parts. `load`: a worker and its runner under real load, their memory over time. `synthetic`: the same recorder and
the same folding driven directly, by hits that never were, in a process for each side: minutes of a run in seconds, and
no server or client beside them. `users`: what a user with an open connection costs, plain and over TLS, as the
difference between few and many.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from command import parser_for, run, say, whole_number
from nginx import CONNECTIONS, Nginx
from processes import environment, require, rss_bytes
from product import LoadsRun
from synthetic import HITS_PER_S, SERIES, drive
from tables import Table, show
from trial import CASE_FILES

from loads.errors import LoadsError
from loads.units import plural

PARTS = ("load", "synthetic", "users")
EARLY_HITS = 100_000
USERS = 20
FEW_USERS = 10
MARKS = (10_000, EARLY_HITS, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000)
_SAMPLE_S = 0.5
_ROWS = 10
_SLACK_S = 60
_SLOWEST_PER_S = 200
"""A run for a number of hits may take as long as this rate needs for them."""


@dataclass(frozen=True)
class LoadSample:
    """A run with real load as it stood at a time since its start."""

    t_s: float
    hits: int
    worker_bytes: int
    runner_bytes: int


def main() -> None:
    parser = parser_for(__doc__)
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--seconds", type=whole_number(2, 86_400), default=60, help="load: how long (default 60)")
    much.add_argument("--hits", type=whole_number(USERS, 100_000_000), help="load: how many hits instead")
    parser.add_argument(
        "--synthetic-hits", type=whole_number(10_000, 20_000_000), default=2_000_000, help="synthetic: how many"
    )
    parser.add_argument(
        "--users", type=whole_number(FEW_USERS + 1, CONNECTIONS - 100), default=5_000, help="users: how many are many"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="leave out the other parts; may be repeated")
    options = parser.parse_args()
    parts = options.only or PARTS
    if {"load", "users"} & set(parts):
        require("nginx", "taskset")
    if "load" in parts:
        show(measure_load(options.seconds, options.hits), rst=options.rst)
    if "synthetic" in parts:
        show(measure_synthetic(options.synthetic_hits), rst=options.rst)
    if "users" in parts:
        show(measure_users(options.users), rst=options.rst)


# Real hits.


def measure_load(seconds: int, hits: int | None) -> Table:
    """Memory of worker and runner while Loads gets pages from nginx, for `seconds` or until `hits` are made."""
    if hits is None:
        load, limit_s = ["-u", str(USERS), "-d", f"{seconds}s", "--graceful-stop", "5s"], float(seconds)
    else:
        load, limit_s = ["-u", str(USERS), "--hits", str(hits // USERS)], hits / _SLOWEST_PER_S
    say(f"load: {' '.join(load)}")
    samples: list[LoadSample] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        with (
            Nginx(directory) as server,
            LoadsRun(str(CASE_FILES / "pages_loads.py"), server.url, load, directory) as product,
        ):
            begin_s = time.monotonic()
            deadline_s = begin_s + limit_s + _SLACK_S
            while not product.is_over and time.monotonic() < deadline_s:
                time.sleep(_SAMPLE_S)
                try:
                    # Hits last: the page is gone before the process, and then they read as none.
                    now_s = time.monotonic() - begin_s
                    ours, theirs = rss_bytes(product.worker_pid), rss_bytes(product.runner_pid)
                except LoadsError:
                    break
                count = product.counts().sent
                if count and (not samples or count > samples[-1].hits):
                    samples.append(LoadSample(now_s, count, ours, theirs))
            result = product.wait(_SLACK_S)
    return _tabulate_load(samples, result["totals"]["sent"])


def _tabulate_load(samples: list[LoadSample], sent: int) -> Table:
    if not samples:
        raise LoadsError("the run was too short to be measured", "give it more --seconds or --hits")
    table = Table(
        f"Memory under load: {USERS} users, 50 URLs, {sent:,} hits", ("Seconds", "Hits", "Worker, MB", "Runner, MB")
    )
    for index in sorted({round(step * (len(samples) - 1) / (_ROWS - 1)) for step in range(_ROWS)}):
        sample = samples[index]
        figures = (f"{sample.hits:,}", _mb(sample.worker_bytes), _mb(sample.runner_bytes))
        table.rows.append((f"{sample.t_s:.1f}", *figures))
    early, last = min(samples, key=lambda sample: abs(sample.hits - EARLY_HITS)), samples[-1]
    if last.hits < 1.1 * EARLY_HITS:
        table.notes.append(f"Too few hits to compare with {EARLY_HITS:,}: give it more --seconds, or --hits.")
    else:
        table.notes.append(
            f"From {early.hits:,} hits to {last.hits:,}: "
            f"worker {_mb(last.worker_bytes - early.worker_bytes, sign='+')} MB, "
            f"runner {_mb(last.runner_bytes - early.runner_bytes, sign='+')} MB."
        )
    return table


# Hits that never were.


def measure_synthetic(hits: int) -> Table:
    """Memory of both ends of a worker's deltas, each in a process of its own."""
    say(f"synthetic: {hits:,} hits in {SERIES} series, {HITS_PER_S:,} in each second of the run")
    recorded, folded = drive(sorted({mark for mark in MARKS if mark < hits} | {hits}))
    table = Table(
        f"Memory of {hits:,} synthetic hits: {SERIES} series, as in a run of {hits / HITS_PER_S:,.0f} s",
        ("Hits", "Recorder's process, MB", "Result's process, MB", "Points of the timeline"),
    )
    for ours, theirs in zip(recorded, folded, strict=True):
        table.rows.append((f"{ours.hits:,}", _mb(ours.rss_bytes), _mb(theirs.rss_bytes), str(theirs.points)))
    early = min(range(len(recorded)), key=lambda index: abs(recorded[index].hits - EARLY_HITS))
    table.notes.append(
        f"From {recorded[early].hits:,} hits to {hits:,}: "
        f"recorder {_mb(recorded[-1].rss_bytes - recorded[early].rss_bytes, sign='+')} MB, "
        f"result {_mb(folded[-1].rss_bytes - folded[early].rss_bytes, sign='+')} MB, "
        "of which the timeline takes what its points need until they are at their fixed number."
    )
    return table


# Users.


def measure_users(many: int) -> Table:
    """A worker's memory with few and with `many` users that each hold a connection open, and the difference for one."""
    head = ("Connection", f"{FEW_USERS} users, MB", f"{many:,} users, MB", "KB for each")
    table = Table("Memory of users with an open connection", head)
    for kind, tls in (("plain", False), ("TLS, verified", True)):
        less, more = (_with_idle_users(users, tls=tls) for users in (FEW_USERS, many))
        each = (more - less) / (many - FEW_USERS) / 1024
        table.rows.append((kind, _mb(less), _mb(more), f"{each:.1f}"))
    table.notes.append("What one user more costs the worker; a KB has 1,024 bytes, an MB a million.")
    return table


def _with_idle_users(users: int, *, tls: bool) -> int:
    """The worker's memory while `users` hold a connection each."""
    say(f"users: {plural(users, 'user')}, each with a connection{' over TLS' if tls else ''}")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        load = ["-u", str(users), "--hits", "1", "--graceful-stop", "0s"]
        with Nginx(directory, tls=tls) as server:
            url = server.tls_url if tls else server.url
            trust = {"REQUESTS_CA_BUNDLE": str(server.ca_bundle)} if tls else {}
            case = str(CASE_FILES / "idle_loads.py")
            with LoadsRun(case, url, load, directory, environment() | trust) as product:
                deadline_s = time.monotonic() + _SLACK_S
                while product.counts().sent < users or server.status().active <= users:
                    if product.is_over or time.monotonic() > deadline_s:
                        held = server.status().active - 1
                        raise LoadsError(f"{held:,} of {users:,} connections are open", "is `ulimit -Hn` large enough?")
                    time.sleep(_SAMPLE_S)
                return _settled_rss(product.worker_pid)


def _settled_rss(pid: int) -> int:
    """Memory once it has stopped to change: the same for two seconds, or as it is after ten."""
    values = [rss_bytes(pid)]
    for _ in range(20):
        time.sleep(_SAMPLE_S)
        values.append(rss_bytes(pid))
        if len(set(values[-4:])) == 1 and len(values) > 4:
            break
    return values[-1]


def _mb(count: int, sign: str = "") -> str:
    return format(count / 1_000_000, f"{sign}.1f")


if __name__ == "__main__":
    run(main)
