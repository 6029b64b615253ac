"""A broker that keeps its runs in PostgreSQL is killed in mid-run, or its database is: as exact as with SQLite."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.cluster import Cluster, run_cluster
from tests.postgres import Postgres, run_postgres
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with run_postgres() as server:
        yield server


@pytest.fixture
def cluster(postgres: Postgres) -> Iterator[Cluster]:
    with run_cluster("north", "south", broker=("--db", postgres.new_database())) as started:
        yield started


def test_nothing_is_lost_whoever_crashes(cluster: Cluster, nginx: Nginx, postgres: Postgres) -> None:
    cluster.write("paced.py", PACED)
    options = ("paced.py", "-a", "2", "-u", str(USERS), "-d", "9s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx)
        cluster.broker.kill()
        killed_s = time.time()
        cluster.broker.restart()
        cluster.broker.wait_for_log("goes on with")
        postgres.crash()
        wait_until(lambda: "can't write results down" in cluster.broker.log(), "the broker to notice")
        postgres.start()
        cluster.broker.wait_for_log("the broker can write again")
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0
    assert "took its users" not in run.err
    shown = cluster.call("loads", "show", run.document["run"]["id"], "--output", "json=-")
    assert json.loads(shown.out) == run.document
    status = cluster.status()
    assert status is not None
    assert "postgresql" in status.store
    traffic = Traffic(nginx, killed_s)
    traffic.never_doubles()
    traffic.is_back(killed_s)
