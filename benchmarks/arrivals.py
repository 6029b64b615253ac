"""How late iterations start in the open model, by how much of one core's capacity the rate takes.

The capacity is what one worker on core 0 starts, against nginx on core 1, when more arrives than it can do; what 20
users do in the closed model at full speed is told beside it. Then the same test arrives at shares of that rate, each
for some seconds: a row each, with the lateness of its iterations (all of them found a user free, so all of it is the
generator's own) and the processor time of the worker.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command import parser_for, run, say, whole_number
from nginx import Nginx
from processes import require
from product import LoadsRun
from tables import Table, show
from trial import CASE_FILES, SLACK_S

SHARES = (0.01, 0.1, 0.3, 0.6, 0.8)


def main() -> None:
    """Measure the capacity, then each share of it, and print a table."""
    parser = parser_for(__doc__)
    parser.add_argument("--seconds", type=whole_number(2, 120), default=10, help="of each run (10)")
    options = parser.parse_args()
    require("nginx", "taskset")
    say("capacity: 20 users at full speed")
    closed = _run(["-u", "20", "-d", f"{options.seconds}s"], options.seconds)["totals"]["rps"]
    say("capacity: as many arrivals")
    totals = _run(["--arrival-rate", f"{round(closed)}/s", "-d", f"{options.seconds}s"], options.seconds)["totals"]
    capacity = totals["started"] / options.seconds
    title = f"Lateness in ms, one worker that can start {capacity:,.0f} arrivals/s (in a loop: {closed:,.0f})"
    table = Table(title, ["rate", "of capacity", "started", "p50", "p90", "p99", "p99.9", "max", "cpu"])
    for share in SHARES:
        rate = round(capacity * share)
        say(f"{rate:,}/s")
        result = _run(["--arrival-rate", f"{rate}/s", "-d", f"{options.seconds}s"], options.seconds)
        totals = result["totals"]
        late = totals["lateness"]
        table.rows.append(
            [
                f"{rate:,}/s",
                f"{share:.0%}",
                f"{totals['started'] / totals['due']:.2%}",
                *(f"{late[name]:.2f}" for name in ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")),
                f"{result['health'][0]['cpu_share']['mean']:.0%}",
            ]
        )
    show(table, rst=options.rst)


def _run(load: Sequence[str], seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="loads-arrivals-") as directory:
        here = Path(directory)
        with Nginx(here) as server:
            run_here = here / "run"
            run_here.mkdir()
            with LoadsRun(str(CASE_FILES / "get_loads.py"), server.url, load, run_here) as product:
                return product.wait(seconds + SLACK_S)


if __name__ == "__main__":
    run(main)
