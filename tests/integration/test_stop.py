"""Ctrl-C once, twice, and too early."""

from __future__ import annotations

import signal

from tests.commands import STRICT, LoadsRunner, alive
from tests.servers import wait_until

SLOW = """
from loads.case import TestCase

class TestSlow(TestCase):
    def test_slow(self):
        self.assertEqual(self.session.get(self.server_url + "/sleep?s=1").status_code, 200)

    def test_slower(self):
        self.session.get(self.server_url + "/sleep?s=50")

    def test_stubborn(self):
        while True:
            try:
                self.session.get(self.server_url + "/sleep?s=50")
            except BaseException:
                pass
"""


def first_hits(stderr_line: str) -> bool:
    return " hits " in stderr_line


def test_once_is_graceful(loads: LoadsRunner, site: str) -> None:
    loads.write("slow.py", SLOW)
    with loads.start("slow.TestSlow.test_slow", "-u", "4", "-d", "60s", "--server-url", site) as process:
        workers = loads.wait_for_workers(process, 2)
        assert process.stderr is not None
        wait_until(lambda: first_hits(process.stderr.readline()), "progress")
        loads.interrupt(process)
        run = loads.end(process)
    assert run.exit_code == 5
    assert run.document["verdict"] == "aborted"
    assert run.totals["interrupted"] == 0
    assert run.totals["ended"] == run.totals["sent"] == run.totals["success"]
    assert run.out.startswith("[=====")
    assert "Verdict: aborted (stopped by the user)" in run.out
    assert not any(alive(pid) for pid in workers)


def test_twice_is_at_once_and_the_block_is_still_printed(loads: LoadsRunner, site: str) -> None:
    loads.write("slow.py", SLOW)
    with loads.start("slow.TestSlow.test_slower", "-u", "4", "-d", "60s", "--server-url", site) as process:
        workers = loads.wait_for_workers(process, 2)
        assert process.stderr is not None
        wait_until(lambda: first_hits(process.stderr.readline()), "progress")
        loads.interrupt(process)
        wait_until(lambda: "once more" in process.stderr.readline(), "the notice")
        loads.interrupt(process)
        out, err = process.communicate(timeout=5)
        run = loads.finished(process, out, err)
    assert run.exit_code == 130
    assert run.document["verdict"] == "aborted"
    assert run.totals["interrupted"] == run.totals["sent"] == 4
    [series] = [series for series in run.document["series"] if series["method"] == "GET"]
    assert series["errors"] == {"interrupted": 4}
    assert run.out.startswith("[")
    assert not any(alive(pid) for pid in workers)


def test_a_test_that_swallows_everything_is_cut_off_too(loads: LoadsRunner, site: str) -> None:
    loads.write("slow.py", SLOW)
    with loads.start("slow.TestSlow.test_stubborn", "-u", "2", "-d", "60s", "--server-url", site) as process:
        assert process.stderr is not None
        wait_until(lambda: first_hits(process.stderr.readline()), "progress")
        loads.interrupt(process)
        wait_until(lambda: "once more" in process.stderr.readline(), "the notice")
        loads.interrupt(process)
        out, err = process.communicate(timeout=10)
        run = loads.finished(process, out, err)
    assert run.exit_code == 130
    assert run.totals["interrupted"] == 2


def test_iterations_over_the_graceful_stop_are_interrupted(loads: LoadsRunner, site: str) -> None:
    loads.write("slow.py", SLOW)
    run = loads.run(
        *("slow.TestSlow.test_slower", "-u", "4", "-d", "1s", "--graceful-stop", "1s", "--server-url", site),
        deadline_s=15,
        environment=STRICT,
    )
    assert run.totals["interrupted"] == run.totals["started"] == 4
    assert 1.9 <= run.document["run"]["duration_s"] <= 4
    assert run.exit_code == 4
    assert "no iteration came to its end" in run.out


def test_sigterm_stops_like_ctrl_c(loads: LoadsRunner, site: str) -> None:
    loads.write("slow.py", SLOW)
    with loads.start("slow.TestSlow.test_slow", "-u", "2", "--hits", "100", "--server-url", site) as process:
        assert process.stderr is not None
        wait_until(lambda: first_hits(process.stderr.readline()), "progress")
        process.send_signal(signal.SIGTERM)
        run = loads.end(process)
    assert run.exit_code == 5
    assert run.totals["unstarted"] > 0


def test_before_the_start_there_is_no_result(loads: LoadsRunner) -> None:
    loads.write("slow.py", "print('loading', flush=True)\nimport time\ntime.sleep(60)\n" + SLOW)
    with loads.start("slow.py") as process:
        workers = loads.wait_for_workers(process, 1)
        assert process.stderr is not None
        wait_until(lambda: "loading" in process.stderr.readline(), "the import")
        loads.interrupt(process)
        run = loads.end(process)
    assert run.exit_code == 5
    assert "stopped before the first iteration" in run.err
    assert not any(alive(pid) for pid in workers)
