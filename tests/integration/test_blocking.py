"""Code that blocks the event loop is named; a worker that stays mute is replaced."""

from __future__ import annotations

import pytest

from tests.commands import LoadsRunner

BLOCKING = """
import ctypes
import time
from gevent.monkey import get_original
from loads.case import TestCase

class TestBlocking(TestCase):
    def test_waits(self):
        time.sleep(0.6)

    def test_sleeps_for_real(self):
        get_original("time", "sleep")(0.6)

    def test_holds_the_lock(self):
        ctypes.PyDLL(None).usleep(2_000_000)

    def test_computes(self):
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            pass

    def test_never_ends(self):
        while True:
            pass

    def test_fine(self):
        time.sleep(0.01)
"""


def line_of(text: str) -> int:
    """Number of the line of BLOCKING that holds `text`."""
    return next(number for number, line in enumerate(BLOCKING.splitlines(), 1) if text in line)


@pytest.mark.alone  # who shares the processors may miss the moment in which the lock is free
@pytest.mark.parametrize(
    ("test", "lines", "least_s", "times"),
    [
        ("test_sleeps_for_real", [line_of('"sleep")(0.6)')], 0.5, {3}),
        # Who watches has but a moment after the lock is let go, and may miss it where others use the processors.
        ("test_holds_the_lock", [line_of("usleep")], 1.9, {2, 3}),
        ("test_computes", [line_of("while time.monotonic"), line_of("while time.monotonic") + 1], 0.5, {3}),
    ],
)
def test_code_that_blocks_is_named_with_its_line(
    loads: LoadsRunner, test: str, lines: list[int], least_s: float, times: set[int]
) -> None:
    loads.write("blocking.py", BLOCKING)
    run = loads.run(f"blocking.TestBlocking.{test}", "--hits", "3")
    [block] = run.document["blocks"]
    assert block["scenario"] == f"blocking.TestBlocking.{test}"
    assert block["place"] in {f"blocking.py:{line}" for line in lines}
    assert block["count"] in times
    assert block["longest_s"] >= least_s
    told = f"Blocked: blocking.TestBlocking.{test} kept all users of its worker waiting"
    assert f"{told} {block['count']} times" in run.out


def test_a_sleep_of_the_standard_library_blocks_nobody(loads: LoadsRunner) -> None:
    loads.write("blocking.py", BLOCKING)
    run = loads.run("blocking.TestBlocking.test_waits", "-u", "20", "--workers", "1")
    assert run.document["blocks"] == []
    assert run.document["run"]["duration_s"] < 3


def test_a_worker_that_never_comes_back_is_killed_named_and_replaced(loads: LoadsRunner) -> None:
    loads.write("blocking.py", BLOCKING)
    run = loads.run(
        "blocking.py", "-k", "fine or never", "-u", "2", "-d", "12s", "--graceful-stop", "1s", "--workers", "1"
    )
    first = run.document["run"]["losses"][0]
    line = line_of("while True")
    assert first["reason"].startswith("was killed by SIGKILL (blocked for ")
    assert "by blocking.TestBlocking.test_never_ends at " in first["reason"]
    assert any(first["reason"].endswith(f"blocking.py:{number})") for number in (line, line + 1))
    assert 6 <= first["to_s"] <= 9
    assert "another takes its users" in run.err
    assert run.totals["lost_iterations"] >= 1
    assert run.exit_code in (1, 4)
