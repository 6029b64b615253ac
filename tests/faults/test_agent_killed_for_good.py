"""An agent dies in mid-run and never comes back: its users are taken over, and what it had not told is declared.

The end waits for it, says so, and waits no longer when it is told to stop.
"""

from __future__ import annotations

import time

from tests.cluster import Cluster
from tests.overtime import assert_adds_up
from tests.servers import Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


def test_what_it_did_not_tell_is_declared_as_an_interval(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    with cluster.start("paced.py", "-a", "3", "-u", str(USERS), "-d", "8s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        killed_s = time.time()
        cluster.agents["north"].kill()
        cluster.wait_for_run(lambda run: run.state.value == "ending", "ends")
        cluster.runner.interrupt(process)
        interrupted_s = time.time()
        run = cluster.runner.end(process)
        assert time.time() - interrupted_s < 5

    assert "agent north went away; 2 others took its users" in run.err
    assert "s for what north may still bring (stop: not any more)" in run.err
    assert "waits no longer for agents that are away" in run.err

    [loss] = run.document["run"]["losses"]
    assert (loss["agent"], loss["worker"], loss["users"]) == ("north", None, USERS // 3)
    assert loss["reason"] == "went away and did not come back"
    assert 0 <= loss["from_s"] <= loss["to_s"] <= killed_s - nginx.times()[0] + 1.5
    assert run.document["verdict"] in ("failed", "invalid")
    assert run.exit_code == {"failed": 1, "invalid": 4}[run.document["verdict"]]
    assert run.document["reasons"][-1] == "1 agent lost"
    assert "Lost: " in run.out
    assert_adds_up(run.document)
    told = [(event["kind"], event["text"]) for event in run.document["events"]]
    assert ("agent", "agent north went away; 2 others took its users") in told
    assert ("lost", "agent north went away and did not come back") in told

    traffic = Traffic(nginx, killed_s)
    # What the server counted beyond the result is what that agent sent in the interval, and what was in flight.
    missing = nginx.count() - run.totals["sent"]
    assert 0 <= missing <= (loss["to_s"] - loss["from_s"] + 0.2) * traffic.calm / 3 * 1.15 + USERS / 3
    traffic.never_doubles()
    traffic.is_back(killed_s + 2)
