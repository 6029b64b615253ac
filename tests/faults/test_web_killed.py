"""The dashboard stands still, and is killed, in the middle of a run that somebody watches: nobody else notices."""

from __future__ import annotations

import asyncio
import re
import time

from tests.cluster import run_cluster
from tests.servers import Nginx, wait_until
from tests.traffic import PACED
from tests.visiting import Visitor

LINK = re.compile(r"http://\S+/login\?token=\S+")
FROZEN_S = 10.0
"""Longer than anybody waits for anybody, and than results need to fill the queues of a connection."""


def test_a_dashboard_that_is_frozen_and_killed_costs_the_run_nothing_and_catches_up(nginx: Nginx) -> None:
    with run_cluster("north") as cluster:
        cluster.write("paced.py", PACED)
        web = cluster.start_member("web", "loads-web", "--port", "0")
        wait_until(lambda: LINK.search(web.log()) is not None, "a link")

        async def watch(run: str) -> None:
            async with Visitor(LINK.findall(web.log())[-1]) as visitor, asyncio.timeout(60):
                await visitor.log_in()
                await visitor.follow(run)
                await visitor.hear("RunFrame", lambda frame: frame["stage"] == "running")
                web.freeze()
                await asyncio.sleep(FROZEN_S)
                web.thaw()
                thawed_s = time.monotonic()
                await visitor.hear("RunFrame", lambda frame: frame["elapsed_us"] >= FROZEN_S * 1e6)
                assert time.monotonic() - thawed_s < 5
                web.kill()

        async def look_back(run: str, hits: int) -> None:
            async with Visitor(LINK.findall(web.log())[-1]) as visitor, asyncio.timeout(60):
                await visitor.log_in()
                await visitor.follow(run)
                frame = await visitor.hear("RunFrame", lambda frame: frame["stage"] == "ended")
                assert frame["totals"]["hits"] == hits
                assert sum(point[4] for point in frame["points"]) == hits

        options = ("paced.py", "-a", "1", "-u", "10", "-d", "14s", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            run = cluster.wait_for_run(lambda run: run.state.value == "running", "runs").id
            asyncio.run(watch(run))
            ended = cluster.runner.end(process)
        assert ended.exit_code == 0
        assert ended.document["run"]["losses"] == []
        assert ended.totals["sent"] == nginx.count()
        assert not [line for line in cluster.broker.log().splitlines() if "silent" in line or "does not" in line]
        web.restart()
        wait_until(lambda: len(LINK.findall(web.log())) == 2, "the link again")
        asyncio.run(look_back(run, ended.totals["hits"]))
