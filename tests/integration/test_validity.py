"""What makes a run invalid, what only warns, and that nothing goes by a clock that somebody may set."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.commands import Finished, LoadsRunner
from tests.integration.test_health import cpu_hog
from tests.servers import wait_until

BUSY = """
import time
from loads.case import TestCase

class TestBusy(TestCase):
    def test_busy(self):
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
"""

DYING = """
import os, signal, time
from pathlib import Path
from loads.case import TestCase

class TestDying(TestCase):
    def test_dying(self):
        mark = Path("died")
        time.sleep(0.05)
        if self.user.iteration == 20 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""

CALM = """
import time
from pathlib import Path
from loads.case import TestCase

class TestCalm(TestCase):
    def test_calm(self):
        Path("running").touch()
        with self.transaction("nap"):
            time.sleep(0.1)
"""

STRICT = {"LOADS_ALLOW_INVALID": ""}
"""What other tests are allowed is not allowed here."""


def run_beside_a_hog(loads: LoadsRunner, *arguments: str) -> Finished:
    """A run whose one worker has to share its processor with a program that takes all it can get."""
    loads.write("busy.py", BUSY)
    processor = min(os.sched_getaffinity(0))
    with (
        cpu_hog(processor),
        loads.start("busy.py", "-u", "2", "-d", "6s", "--workers", "1", *arguments, environment=STRICT) as process,
    ):
        [worker] = loads.wait_for_workers(process, 1)
        os.sched_setaffinity(worker, {processor})
        return loads.end(process)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux's /proc/self/schedstat")
@pytest.mark.alone
def test_a_cpu_hog_beside_the_worker_makes_a_run_invalid(loads: LoadsRunner) -> None:
    run = run_beside_a_hog(loads)
    assert (run.exit_code, run.document["verdict"]) == (4, "invalid")
    [reason] = run.document["reasons"]
    assert re.match(r"the load generator was the bottleneck for \d+% of its time: worker 0 waited for a proc", reason)
    assert "end those programs" in reason
    assert f"Verdict: invalid ({reason})" in run.out


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux's /proc/self/schedstat")
@pytest.mark.alone
def test_what_makes_a_run_invalid_can_be_allowed_and_is_still_told(loads: LoadsRunner) -> None:
    run = run_beside_a_hog(loads, "--allow-invalid")
    assert (run.exit_code, run.document["verdict"]) == (0, "passed")
    allowed = [warning for warning in run.document["run"]["warnings"] if "--allow-invalid" in warning]
    assert allowed[0].startswith("invalid, but for --allow-invalid: the load generator was the bottleneck for ")
    assert f"Warning: {allowed[0]}" in run.out


def test_how_much_may_be_lost_is_for_the_user_to_say(loads: LoadsRunner) -> None:
    """What a worker did since it last told dies with it; another one goes on."""
    loads.write("dying.py", DYING)
    for arguments, exit_code, verdict in (((), 4, "invalid"), (("--max-lost", "100%"), 1, "failed")):
        (loads.directory / "died").unlink(missing_ok=True)
        run = loads.run("dying.py", "-u", "2", "-d", "3s", "--workers", "1", *arguments, environment=STRICT)
        assert run.totals["lost_iterations"] > 0
        assert (run.exit_code, run.document["verdict"]) == (exit_code, verdict), run.document["reasons"]
        assert ("more than 1%" in run.out) == (verdict == "invalid")


def fake_clock() -> Path:
    """The library that fakes a clock for one process; without it the test is skipped, in CI it fails."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        reason = "needs libfaketime, from Debian's package faketime"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found[0]


@pytest.mark.parametrize("step", ["+1h", "-1h"])
def test_a_wall_clock_that_is_set_by_an_hour_changes_no_duration(loads: LoadsRunner, tmp_path: Path, step: str) -> None:
    loads.write("calm.py", CALM)
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(fake_clock()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
    }
    with loads.start("calm.py", "-u", "2", "-d", "3s", "--workers", "1", environment=faked) as process:
        wait_until((loads.directory / "running").exists, "the first iteration")
        clock.write_text(step)
        run = loads.end(process)
    assert run.exit_code == 0
    assert 3 <= run.document["run"]["duration_s"] < 30
    for series in run.document["series"]:
        assert 90 < series["service"]["min_ms"] <= series["service"]["max_ms"] < 20_000
    assert len(run.document["timeline"]) <= 30
    assert sum(point["hits"] for point in run.document["timeline"]) == run.totals["hits"]
    [told] = [warning for warning in run.document["run"]["warnings"] if "clock" in warning]
    way = "forward" if step == "+1h" else "back"
    assert re.match(
        rf"the clock of the machine of worker 0 was set 3,(599|600|601) s {way} while the run went on", told
    )
