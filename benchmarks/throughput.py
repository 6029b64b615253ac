"""How many requests a second one core can make: Loads, the whole product, beside wrk and Locust.

All ask the same nginx, which has the other core to itself. They run in turn, several rounds, and what counts is the
ratio between neighbours in time: a machine's speed drifts, and absolute figures do not travel to another.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import nginx
from command import parser_for, run, say, whole_number
from nginx import BODY, Nginx
from peers import Case, Loads, Locust, Peer, Trial, Wrk
from processes import require
from tables import Table, middle_and_range, show

from loads.units import plural

USERS = 20
GET = Case("get", f"Keep-alive GET of {len(BODY)} bytes and an assert on the status", "/")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--seconds", type=whole_number(2, 600), default=6, help="of load per tool and round")
    parser.add_argument("--rounds", type=whole_number(1, 100), default=5, help="how often each tool has its turn")
    parser.add_argument(
        "--without", choices=("wrk", "locust"), action="append", default=[], help="leave a tool out; may be repeated"
    )
    options = parser.parse_args()
    peers: list[Peer] = [] if "wrk" in options.without else [Wrk()]
    if "locust" not in options.without:
        peers += [Locust("Locust HttpUser", "Plain"), Locust("Locust FastHttpUser", "Fast")]
    peers.append(Loads())
    require("nginx", "taskset", *(["wrk"] if "wrk" not in options.without else []))
    versions = list(dict.fromkeys([nginx.version(), *(peer.prepare() for peer in peers)]))
    rates = measure(GET, peers, options.seconds, options.rounds)
    table = compare(GET, rates)
    table.notes.append(
        f"Medians of {plural(options.rounds, 'round')}, {options.seconds} s each, in turn; {USERS} users or "
        f"connections on one core of {os.cpu_count()}. {', '.join(versions)}."
    )
    show(table, rst=options.rst)


def measure(case: Case, peers: Sequence[Peer], seconds: int, rounds: int) -> dict[str, list[float]]:
    """Requests/s of each peer in each round, by its label; every round asks all peers in the same order."""
    rates: dict[str, list[float]] = {peer.label: [] for peer in peers}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        with Nginx(directory) as server:
            for number in range(1, rounds + 1):
                say(f"round {number} of {rounds}")
                for place, peer in enumerate(peers):
                    own = directory / f"{number}-{place}"
                    own.mkdir()
                    rate = peer.rate_per_s(Trial(case, server, USERS, seconds, own))
                    rates[peer.label].append(rate)
                    say(f"  {peer.label}: {rate:,.0f}/s")
    return rates


def compare(case: Case, rates: dict[str, list[float]]) -> Table:
    """The table: for each tool its rate, and what Loads makes of it, as the median of the rounds' own ratios."""
    table = Table(case.title, ("Tool", "Requests/s", "Range", "Loads to it", "Range"))
    ours = rates[Loads.label]
    for label, theirs in rates.items():
        if label == Loads.label:
            ratio, spread = "", ""
        else:
            ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
            form = ".3f" if median(ratios) < 1 else ".2f"
            ratio, spread = (f"{text} x" for text in middle_and_range(ratios, form))
        table.rows.append((label, *middle_and_range(theirs, ",.0f"), ratio, spread))
    return table


if __name__ == "__main__":
    run(main)
