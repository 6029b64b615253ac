"""A run that never was, as pages are told of it: ``python frontend/sample.py DIR [--series N] [--seconds N]``.

For work on the front end without a server, and for its tests. Writes to DIR, as JSON:

    me.json  cluster.json  runs.json
    run.json          a full RunFrame from within the run
    run-frames.json   the frame of each second from there to its end
    run-final.json    a full RunFrame after the end: what the two before come to, but for sparks
    series.json       for the first three series [{full, frames, final}], in the same way
    report.json       the run with all its series

``--fixture`` writes a small sample into one file instead, which the tests of the front end have: tests/sample.json.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from sample_run import AGENTS, RUN, STARTED_AT, US, USERS, Sample

from loads.report import page

FIXTURE: Final = Path(__file__).parent / "tests" / "sample.json"


def cluster() -> page.ClusterFrame:
    """The cluster while the run goes on."""
    return page.ClusterFrame(
        trouble="",
        broker=page.BrokerRow(
            version="0.4.0",
            host="master",
            pid=812,
            up_us=86_400 * US,
            store="/var/lib/loads/loads.sqlite",
            listens=("ipc:///run/loads/broker.sock", "tcp://0.0.0.0:7780"),
            insecure=False,
        ),
        agents=tuple(_agent(number, name) for number, name in enumerate((*AGENTS, "delta"))),
        runs=history(5).runs,
    )


def history(before: int = 24) -> page.RunList:
    """The run, and so many that were before it."""
    return page.RunList(
        total=124,
        runs=(_row(), *(_old_row(number) for number in range(1, before + 1))),
        labels=("checkout", "nightly", "smoke"),
        tags={"branch": ("main", "next"), "host": ("staging",)},
    )


def _row() -> page.RunRow:
    return page.RunRow(
        id=RUN,
        label="checkout before the sale",
        tags={"branch": "main", "host": "staging"},
        who="ana@laptop",
        targets=("loadtests.TestShop",),
        agents=AGENTS,
        stage=page.Stage.RUNNING,
        verdict=None,
        trouble="",
        created_at=STARTED_AT,
        elapsed_us=180 * US,
        users=USERS,
        hits=None,
        failed=None,
        rps=None,
        p95_us=None,
    )


def _agent(number: int, name: str) -> page.AgentRow:
    return page.AgentRow(
        name=name,
        host=f"{name}.example",
        cores=2,
        version="0.4.0",
        labels={"zone": "west" if number % 2 else "east"},
        cpu_share=None if number == 3 else 0.41 + 0.1 * number,
        memory_used_bytes=(3 + number) << 29,
        memory_bytes=8 << 30,
        load=0.8 + number,
        run=RUN if number < len(AGENTS) else None,
        leaving=number == 3,
        max_users=None if number else 500,
        heard_us=400_000 + 90_000 * number,
    )


def _old_row(number: int) -> page.RunRow:
    verdict = ("passed", "passed", "failed", "invalid", "aborted")[number % 5]
    refused = number % 11 == 0
    return page.RunRow(
        id=f"{0x9E3779B97F4A7C15 * number % (1 << 64):016x}",
        label=("nightly", "checkout", "", "smoke")[number % 4],
        tags={"branch": "next" if number % 3 == 0 else "main"},
        who="ben@desk" if number % 2 else "ana@laptop",
        targets=("loadtests.TestShop",),
        agents=AGENTS[: 1 + number % 3],
        stage=page.Stage.REFUSED if refused else page.Stage.ENDED,
        verdict=None if refused else verdict,
        trouble="no agent has the label zone=south" if refused else "",
        created_at=STARTED_AT - timedelta(hours=7 * number),
        elapsed_us=None if refused else (60 + number) * US,
        users=None if refused else 20 * number,
        hits=None if refused else 9_000 * number,
        failed=None if refused else 9 * number * (number % 5 == 2),
        rps=None if refused else 150.0 * number,
        p95_us=None if refused else 21_000 + 700.0 * number,
    )


def everything(sample: Sample, series: int = 3) -> dict[str, object]:
    """What the files hold, by their names; so many series have frames of their own."""
    middle, last = sample.middle - 1, sample.seconds - 1
    rest = range(sample.middle, sample.seconds)
    told = [
        {
            "full": sample.series(number, middle, full=True),
            "frames": [sample.series(number, t, full=False) for t in rest],
            "final": sample.series(number, last, full=True),
        }
        for number in range(series)
    ]
    return {
        "me": page.Me(version="0.4.0", may_stop=True, local=False, run=None, where="tcp://master:7780"),
        "cluster": cluster(),
        "runs": history(),
        "run": sample.run(middle, full=True),
        "run-frames": [sample.run(t, full=False) for t in rest],
        "run-final": sample.run(last, full=True),
        "series": told,
        "report": sample.report(),
    }


def fixture() -> bytes:
    """A small sample of everything but the report, in one object."""
    parts = everything(Sample(series=5, seconds=24, middle=18), series=1)
    del parts["report"]
    return msgspec.json.encode({**parts, "runs": history(6)}) + b"\n"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Writes a run that never was, as pages are told of it.")
    parser.add_argument("directory", type=Path, nargs="?", help="where the files go")
    parser.add_argument("--series", type=int, default=40, help="endpoints of the run, at least three (40)")
    parser.add_argument("--seconds", type=int, default=300, help="its length, at least 30 (300)")
    parser.add_argument("--fixture", action="store_true", help="write frontend/tests/sample.json instead")
    given = parser.parse_args()
    if given.fixture:
        FIXTURE.write_bytes(fixture())
    elif given.directory is None or given.series < 3 or given.seconds < 30:
        parser.error("a directory, at least three series and at least 30 seconds, please; or --fixture")
    else:
        given.directory.mkdir(parents=True, exist_ok=True)
        sample = Sample(given.series, given.seconds, given.seconds * 3 // 5)
        for name, value in everything(sample).items():
            (given.directory / f"{name}.json").write_bytes(msgspec.json.encode(value))


if __name__ == "__main__":
    main()
