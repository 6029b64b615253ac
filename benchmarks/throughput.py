"""How many requests a second one core can make: Loads, the whole product, beside tools that people know.

All ask the same nginx, which has the other core to itself. They run in turn, several rounds, and what counts is the
ratio between neighbours in time: a machine's speed drifts, and absolute figures do not travel to another. One table for
each case: a bare GET, TLS, JSON, POST, cookies, WebTest's API, and how fast users start.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import nginx
from catalogue import CASES, Case
from command import parser_for, run, say, whole_number
from locusts import Locust
from nginx import CONNECTIONS, Nginx
from peers import Hey, Loads, WebTest, Wrk
from processes import busy_share, require
from tables import Table, middle_and_range, show
from trial import Peer, Trial

from loads.units import plural

USERS = 20
_QUIET_SHARE = 0.2
_LISTEN_S = 0.5
"""A machine on which this share of all cores is busy before a round, in so long a time, is not quiet."""
_OWN_CONNECTIONS = 100
"""What nginx has left for questions about its status while all users are connected."""


def main() -> None:
    options = _parser().parse_args()
    left_out = set(options.without) | ({"hey"} - set(options.with_))
    cases = [case for case in CASES if not options.case or case.name in options.case]
    tools = {tool for case in cases for tool in case.tools} - left_out
    require("nginx", "taskset", *(tool for tool in ("wrk", "hey") if tool in tools))
    peers = _peers(tools)
    versions = {peer.label: peer.prepare() for group in peers.values() for peer in group}
    for case in cases:
        theirs = [peer for tool in case.tools if tool in tools for peer in peers[tool]]
        rates, noise = measure(case, [*theirs, *peers["loads"]], options.seconds, options.rounds)
        table = compare(case, rates)
        table.notes.append(
            f"Medians of {plural(options.rounds, 'round')}, {_load_of(case, options.seconds)}, in turn, "
            f"on one core of {os.cpu_count()}. "
            f"{', '.join(dict.fromkeys([nginx.version(), *(versions[label] for label in rates)]))}."
        )
        table.notes += case.notes
        if noise > _QUIET_SHARE:
            table.notes.append(f"THE MACHINE WAS NOT QUIET: before a round {noise:.0%} of its cores were busy.")
        show(table, rst=options.rst)


def _parser() -> argparse.ArgumentParser:
    parser = parser_for(__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("--case", choices=names, action="append", help="only this one; may be repeated (default all)")
    parser.add_argument("--seconds", type=whole_number(2, 600), default=6, help="of load per tool and round")
    parser.add_argument("--rounds", type=whole_number(1, 100), default=5, help="how often each tool has its turn")
    parser.add_argument(
        "--without",
        choices=("wrk", "locust", "webtest"),
        action="append",
        default=[],
        help="leave a tool out; may be repeated",
    )
    parser.add_argument(
        "--with", choices=("hey",), action="append", default=[], dest="with_", help="take one more tool in"
    )
    return parser


def _peers(tools: set[str]) -> dict[str, Sequence[Peer]]:
    """All that are asked for, in the tables' order, and Loads."""
    known: dict[str, Sequence[Peer]] = {
        "wrk": [Wrk()],
        "hey": [Hey()],
        "locust": [Locust("Locust HttpUser", "Plain"), Locust("Locust FastHttpUser", "Fast")],
        "webtest": [WebTest()],
    }
    return {tool: peers for tool, peers in known.items() if tool in tools} | {"loads": [Loads()]}


def measure(case: Case, peers: Sequence[Peer], seconds: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    """The rates of each peer in each round, by its label, and how busy the machine was at most before a round.

    Every round asks all peers in the same order.
    """
    rates: dict[str, list[float]] = {peer.label: [] for peer in peers}
    noise = 0.0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        with Nginx(directory, tls=case.tls) as server:
            for number in range(1, rounds + 1):
                noise = max(noise, busy_share(_LISTEN_S))
                say(f"{case.name}: round {number} of {rounds}")
                for place, peer in enumerate(peers):
                    own = directory / f"{number}-{place}"
                    own.mkdir()
                    rate = peer.rate_per_s(Trial(case, server, _users_of(case, seconds), seconds, own))
                    rates[peer.label].append(rate)
                    say(f"  {peer.label}: {rate:,.0f}/s")
    return rates, noise


def compare(case: Case, rates: Mapping[str, Sequence[float]]) -> Table:
    """The table: for each tool its rate, and what Loads makes of it, as the median of the rounds' own ratios."""
    table = Table(case.title, ("Tool", case.unit, "Range", "Loads to it", "Range"))
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


def _users_of(case: Case, seconds: int) -> int:
    """How many users or connections the case has; each that starts needs a connection of nginx's."""
    if case.starts_per_s is None:
        return USERS
    return min(case.starts_per_s * seconds, CONNECTIONS - _OWN_CONNECTIONS)


def _load_of(case: Case, seconds: int) -> str:
    if case.starts_per_s is not None:
        return f"{_users_of(case, seconds):,} users each"
    return f"{seconds} s each with {USERS} users or connections"


if __name__ == "__main__":
    run(main)
