"""An agent dies while iterations arrive at a steady rate: the others take its share from a stated iteration on.

Promise: the planned rate is back within 5 s, no iteration runs twice, and what nobody knows of is declared: due =
started + unstarted, lost ones told with their interval.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest

from tests.cluster import Cluster, oldest
from tests.commands import check_laws
from tests.servers import Nginx, wait_until

RATE = 90
LASTS_S = 12
STEADY = """
from loads.case import TestCase

class TestSteady(TestCase):
    def test_it(self):
        self.assertEqual(self.session.get(self.server_url + "/").status_code, 200)
        self.incr_counter("done")
"""


def per_second(times: list[float], from_s: float, to_s: float) -> list[int]:
    """Answers in each full second between."""
    counts = Counter(int(at_s - from_s) for at_s in times if at_s >= from_s)
    return [counts[second] for second in range(int(to_s - from_s))]


@pytest.mark.alone
@pytest.mark.parametrize("back", [False, True], ids=["for good", "and started again"])
def test_its_share_goes_to_the_others_and_the_rest_is_declared(cluster: Cluster, nginx: Nginx, back: bool) -> None:
    cluster.write("steady.py", STEADY)
    options = ("steady.py", "-a", "3", "--arrival-rate", f"{RATE}/s", "-d", f"{LASTS_S}s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_until(lambda: nginx.access_log.exists() and len(nginx.times()) > 3 * RATE, "traffic")
        killed_s = time.time()
        cluster.agents["north"].kill()
        if back:
            cluster.agents["north"].restart()
        else:
            cluster.wait_for_run(lambda run: run.state.value == "ending", "ends")
            cluster.runner.interrupt(process)
        run = cluster.runner.end(process)
    check_laws(run.document)
    totals, times = run.totals, nginx.times()
    assert totals["due"] == RATE * LASTS_S
    assert len(times) <= totals["due"]
    assert totals["sent"] <= len(times)
    missing = totals["due"] - len(times)
    assert missing <= RATE / 3 * 2, "more than two seconds of its share never ran"
    seconds = per_second(times, killed_s + 2, times[0] + LASTS_S - 0.5)
    assert min(seconds) >= 0.95 * RATE, seconds
    assert max(seconds) <= 1.05 * RATE, seconds
    [*losses] = [loss for loss in run.document["run"]["losses"] if loss["agent"] == "north"]
    if back:
        assert totals["sent"] + totals["lost"] == len(times)
    else:
        [loss] = losses
        assert totals["lost_iterations"] == loss["iterations"] <= RATE / 3 * 2.5
        assert totals["sent"] + loss["iterations"] >= len(times)


@pytest.mark.alone
def test_a_worker_that_is_killed_costs_what_was_due_until_another_is_there(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("steady.py", STEADY)
    options = ("steady.py", "-a", "3", "--arrival-rate", f"{RATE}/s", "-d", "8s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_until(lambda: nginx.access_log.exists() and len(nginx.times()) > 2 * RATE, "traffic")
        os.kill(oldest(cluster.agents["north"].workers()), signal.SIGKILL)
        run = cluster.runner.end(process)
    check_laws(run.document)
    totals, count = run.totals, nginx.count()
    assert totals["due"] == RATE * 8
    assert abs(totals["sent"] + totals["lost"] - count) <= 1
    assert totals["unstarted"] <= RATE / 3 * 5
    times = nginx.times()
    assert per_second(times, times[0] + 7 - 0.5, times[0] + 7.5)[0] >= 0.95 * RATE
