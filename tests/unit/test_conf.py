"""circus.ini and what is in conf/: read as circus and systemd read them, shipped, and one like the other."""

from __future__ import annotations

import os
import sys
import tomllib
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from circus.config import get_config

from loads.cli import supervision
from loads.units import parse_duration_us

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = ["circus.ini", "conf/master.ini", "conf/node.ini"]
SHIPPED = [*FILES, "conf/loads@.service"]


def read(name: str) -> dict[str, Any]:
    config: dict[str, Any] = get_config(str(ROOT / name))
    return config


@pytest.fixture(params=FILES)
def config(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    return read(request.param)


def test_circus_opens_unix_sockets_in_the_directory_that_is_made_safe(config: dict[str, Any]) -> None:
    directory = supervision.circus_directory({"HOME": "/home/ana", "XDG_STATE_HOME": "/elsewhere"})
    assert config["endpoint"] == f"ipc://{directory}/control.sock"
    assert config["pubsub_endpoint"] == f"ipc://{directory}/events.sock"


def test_circus_opens_nothing_else(config: dict[str, Any]) -> None:
    assert not config["multicast_endpoint"]
    assert not config["statsd"]
    assert not config["httpd"]
    assert config["sockets"] == config["plugins"] == []


def test_processes_are_looked_at_each_second(config: dict[str, Any]) -> None:
    assert config["check_delay"] == 1


def test_each_process_has_a_log_and_is_prepared(config: dict[str, Any]) -> None:
    for watcher in config["watchers"]:
        assert watcher["stderr_stream"] == {"class": "loads.cli.supervision.Log", "name": watcher["name"]}
        assert watcher["hooks"] == {"before_start": ["loads.cli.supervision.prepare", False]}
        assert watcher["cmd"].split()[0] in PROJECT["project"]["scripts"]


def test_one_that_does_not_start_is_tried_once_a_second_and_not_without_pause(config: dict[str, Any]) -> None:
    assert {int(watcher["max_retry"]) for watcher in config["watchers"]} == {1}


def test_the_broker_starts_first_and_outlasts_the_agents() -> None:
    agent, broker, web = read("circus.ini")["watchers"]
    assert (agent["name"], broker["name"], web["name"]) == ("agent", "broker", "web")
    assert broker["priority"] > web["priority"] > agent["priority"]
    assert float(broker["graceful_timeout"]) > float(agent["graceful_timeout"])


def test_a_master_has_the_broker_and_a_node_an_agent_as_in_the_whole_cluster() -> None:
    whole = {watcher["name"]: watcher for watcher in read("circus.ini")["watchers"]}
    (broker, web), (node,) = read("conf/master.ini")["watchers"], read("conf/node.ini")["watchers"]
    assert (broker, web) == (whole["broker"], whole["web"])
    assert {**node, "numprocesses": 2} == whole["agent"]


def test_systemd_gives_agents_time_and_leaves_the_order_to_circus() -> None:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(ROOT / "conf/loads@.service")
    service = unit["Service"]
    assert service["KillMode"] == "mixed"
    agent = read("circus.ini")["watchers"][0]
    assert 60e6 <= parse_duration_us(service["TimeoutStopSec"]) < float(agent["graceful_timeout"]) * 1e6
    assert service["ExecStart"] == "%h/loads/bin/circusd %h/loads/share/loads/%i.ini"


@pytest.mark.parametrize("name", SHIPPED)
def test_all_of_it_ships(name: str) -> None:
    patterns = PROJECT["tool"]["setuptools"]["data-files"]["share/loads"]
    assert any(fnmatch(name, pattern) for pattern in patterns)
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_installed_is_what_is_here(name: str) -> None:
    directory = Path(sys.prefix) / "share" / "loads"
    if not directory.exists() and not os.environ.get("CI"):
        pytest.skip("an editable install has no files but the package")
    assert (directory / Path(name).name).read_text() == (ROOT / name).read_text()
