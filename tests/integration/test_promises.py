"""Deadlines that the cluster promises, measured by the target's own clock: how soon a run begins, that its agents begin
together, and how soon its result is there. Others use the machine as well, so each has its slack.
"""

from __future__ import annotations

import re
import time

import pytest

from tests.cluster import Cluster, run_cluster
from tests.servers import Nginx

FIRST_HIT_S = 2.0
SKEW_S = 0.050
RESULT_S = 2.0
SLACK = 1.5
"""Of each deadline: two processors for nginx, four agents, the broker, the runner, and whatever else runs here."""
ATTEMPTS = 3

NAMED = """
import os, time
from loads.case import TestCase

class TestNamed(TestCase):
    def test_it(self):
        self.session.get(f"{self.server_url}/?agent={os.getppid()}", name="home")
        time.sleep(0.1)
"""


@pytest.mark.alone
def test_a_run_begins_soon_and_together_and_its_result_is_there_soon_after(nginx: Nginx) -> None:
    """Once of three times: what breaks a promise breaks it each time, what else runs here does not."""
    with run_cluster("north", "south", "east", "west") as cluster:
        cluster.write("named.py", NAMED)
        for _ in range(ATTEMPTS):
            took_s, skew_s, waited_s = measure(cluster, nginx)
            print(f"first hit after {took_s:.3f} s, skew {skew_s * 1_000:.1f} ms, result after {waited_s:.3f} s")
            if took_s < FIRST_HIT_S * SLACK and skew_s < SKEW_S * SLACK and waited_s < RESULT_S * SLACK:
                return
    pytest.fail("not one of the runs kept all promises")


def measure(cluster: Cluster, nginx: Nginx) -> tuple[float, float, float]:
    """Of one run: until its first hit, from the first agent's first hit to the last one's, and from its last hit."""
    before = nginx.count()
    started_s = time.time()
    run = cluster.run("named.py", "-a", "4", "-u", "8", "-d", "3s", "--server-url", nginx.url)
    ended_s = time.time()
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() - before

    first: dict[str, float] = {}
    last_s = 0.0
    for line in nginx.access_log.read_text().splitlines()[before:]:
        agent, at_s = re.search(r"agent=(\d+)", line), float(line.split()[-1])
        assert agent is not None
        first[agent[1]] = min(at_s, first.get(agent[1], at_s))
        last_s = max(last_s, at_s)
    assert len(first) == 4
    return min(first.values()) - started_s, max(first.values()) - min(first.values()), ended_s - last_s
