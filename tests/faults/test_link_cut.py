"""The link between an agent and the broker is cut, and comes back: others have its users in time, nobody runs twice.

A real cut: each host is a network namespace, its link to the others is set down, and no end of the connection, which
is sealed with keys, hears of it. Its way to the target is another, and stays, so nothing but its lease stops its load.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns import Host, Hosts, run_hosts, run_network
from tests.servers import Nginx, run_nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """An agent on north, south and east, a runner on laptop."""
    names = ("north", "south", "east")
    with run_network("master", *names, "laptop") as network, run_hosts(network, *names) as started:
        (started.home("laptop") / "paced.py").write_text(PACED)
        yield started


@pytest.fixture
def nginx(hosts: Hosts, tmp_path: Path) -> Iterator[Nginx]:
    with run_nginx(tmp_path, address=hosts.network.target) as server:
        yield server


def wait_until_s(moment_s: float) -> None:
    """Until that moment of the wall clock."""
    wait_until(lambda: time.time() > moment_s, "the link's time", moment_s - time.time() + 5)


def cut_for(host: Host, seconds: float) -> float:
    """Cut its link for so long. When it was cut."""
    cut_s = host.cut()
    wait_until_s(cut_s + seconds)
    host.mend()
    return cut_s


def options_for(nginx: Nginx, seconds: int) -> tuple[str, ...]:
    return ("paced.py", "-a", "3", "-u", str(USERS), "-d", f"{seconds}s", "--server-url", nginx.url)


def test_three_and_twenty_seconds_lose_nothing_and_double_nothing(hosts: Hosts, nginx: Nginx) -> None:
    """The longer one ends after the load: the end of the run waits for what the agent measured."""
    broker = hosts.cluster.broker
    with hosts.run("laptop", *options_for(nginx, 14)) as process:
        wait_for_calm(nginx, 2)
        first_s = cut_for(hosts.network["south"], 3)
        hosts.cluster.wait_for_run(lambda run: (run.elapsed_us or 0) > 6_000_000, "goes on")
        cut_s = hosts.network["north"].cut()
        broker.wait_for_log("agent north was not heard for 3.5 s; ")
        wait_until_s(cut_s + 20)
        assert process.poll() is None
        hosts.network["north"].mend()
        broker.wait_for_log("agent north is back")
        run = hosts.end("laptop", process)
    assert run.exit_code == 0, run.err
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0
    assert "waits up to" in run.err
    traffic = Traffic(nginx, first_s)
    traffic.never_doubles()
    traffic.is_back(cut_s + 5)


@pytest.mark.long
def test_sixty_seconds_lose_nothing_while_the_run_goes_on(hosts: Hosts, nginx: Nginx) -> None:
    with hosts.run("laptop", *options_for(nginx, 68)) as process:
        wait_for_calm(nginx, 2)
        cut_s = cut_for(hosts.network["north"], 60)
        hosts.cluster.broker.wait_for_log("agent north is back")
        run = hosts.end("laptop", process)
    assert run.exit_code == 0, run.err
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0
    assert "agent north is back: its results are taken, its users stay with the others" in run.err
    traffic = Traffic(nginx, cut_s)
    traffic.never_doubles()
    traffic.is_back(cut_s + 5)
