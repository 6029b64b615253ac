"""What users wait while a server stands still, and what load tools say of it.

nginx keeps accepting connections and answers nothing for 6 s of a 30 s run at 500 requests/s. Whoever comes x seconds
before the end of these 6 waits x: so the part p of all 15,000 waits longer than 6 - 30 p seconds, which is what the
first line holds. Loads plans by its arrival rate, with as many users as needed and with 50 of them; Locust has
constant_throughput, with 50 users at 10 requests/s each.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from command import parser_for, run, say
from locusts import locust_command
from nginx import Nginx
from processes import GENERATOR_CORE, environment, on_core, require
from product import LoadsRun
from tables import Table, show
from trial import CASE_FILES, SLACK_S

from loads.errors import LoadsError

RATE_PER_S = 500
SECONDS = 30
FROZEN_S = 6.0
FROM_S = 12.0
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
JSON_NAMES = {"p50": "p50_ms", "p90": "p90_ms", "p95": "p95_ms", "p99": "p99_ms", "p99.9": "p999_ms"}
USERS = 50


def main() -> None:
    """Measure each in turn, and print a table."""
    parser = parser_for(__doc__)
    parser.add_argument("--without", choices=["locust"], help="leave Locust out")
    options = parser.parse_args()
    require("nginx", "taskset")
    table = Table(f"{FROZEN_S:.0f} s of {SECONDS} s without an answer, at {RATE_PER_S}/s: waits in ms", _head())
    waits = {name: max(0.0, (FROZEN_S - (1 - part) * SECONDS)) * 1_000 for name, part in QUANTILES.items()}
    table.rows.append(_row("users who come at that rate wait", RATE_PER_S * SECONDS, waits))
    for most in (None, USERS):
        whose = "as many users as needed" if most is None else f"{most} users"
        series, sent = _loads(most)
        for what in ("response", "service"):
            shown = {name: series[what][json_name] for name, json_name in JSON_NAMES.items()}
            table.rows.append(_row(f"Loads, {whose}: {what} time", sent, shown))
    if options.without is None:
        counts = _locust()
        shown = {name: _percentile(counts, part) for name, part in QUANTILES.items()}
        table.rows.append(_row(f"Locust, constant_throughput, {USERS} users", sum(counts.values()), shown))
    show(table, rst=options.rst)


def _head() -> Sequence[str]:
    return ["", "requests", *QUANTILES]


def _row(label: str, requests: int, waits_ms: Mapping[str, float]) -> Sequence[str]:
    return [label, f"{requests:,}", *(f"{waits_ms[name]:,.1f}" for name in QUANTILES)]


def _loads(most: int | None) -> tuple[Mapping[str, Any], int]:
    """The series of the requests, and how many were sent."""
    users = [] if most is None else ["--max-users", str(most)]
    load = ["--arrival-rate", f"{RATE_PER_S}/s", "-d", f"{SECONDS}s", *users]
    say(f"Loads: {' '.join(load)}")
    with _place() as here, Nginx(here) as server:
        run_here = here / "run"
        run_here.mkdir()
        with LoadsRun(str(CASE_FILES / "get_loads.py"), server.url, load, run_here) as product, _frozen(server):
            result = product.wait(SECONDS + SLACK_S)
    totals = result["totals"]
    if totals["due"] != totals["started"]:
        raise LoadsError(
            f"{totals['unstarted']:,} iterations never started", "is the machine busy with something else?"
        )
    return next(series for series in result["series"] if series["method"] == "GET"), totals["sent"]


def _locust() -> dict[float, int]:
    """How many requests took so many ms."""
    command = locust_command()
    say("Locust: constant_throughput")
    load = ["-u", str(USERS), "-r", str(USERS), "-t", f"{SECONDS}s", "--headless", "--only-summary", "--json"]
    with _place() as here, Nginx(here) as server, _frozen(server):
        case = str(CASE_FILES / "freeze_locust.py")
        done = subprocess.run(
            on_core(GENERATOR_CORE, [str(command), "-f", case, "Fast", "-H", server.url, *load]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=here,
            env=environment(),
            timeout=SECONDS + SLACK_S,
            check=False,
        )
    if done.returncode:
        raise LoadsError(f"Locust ended with status {done.returncode}", done.stderr.decode(errors="replace")[-2_000:])
    [entry] = json.loads(done.stdout)
    return {float(took_ms): count for took_ms, count in entry["response_times"].items()}


def _percentile(counts: Mapping[float, int], part: float) -> float:
    """By the nearest rank, of what Locust has already rounded."""
    left = max(1, -int(-part * sum(counts.values()) // 1))
    for took_ms, count in sorted(counts.items()):
        left -= count
        if left <= 0:
            return took_ms
    raise LoadsError("Locust has no response times")


@contextmanager
def _frozen(server: Nginx) -> Iterator[None]:
    """The server stands still for a while, from some time after its first request on."""
    over = threading.Event()

    def freeze() -> None:
        while server.status().active < 2 and not over.wait(0.05):
            pass
        if over.wait(FROM_S):
            return
        server.freeze()
        over.wait(FROZEN_S)
        server.thaw()

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="loads-freeze-") as directory:
        yield Path(directory)


if __name__ == "__main__":
    run(main)
