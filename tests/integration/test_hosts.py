"""A cluster over separate hosts with keys on TCP: who has the right key works in it, all others hear what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from loads.errors import ExitCode
from loads.wire.cluster import Role
from loads.wire.keys import KeyPair, new_pair, parse_join
from tests.commands import Finished
from tests.netns import Hosts, run_hosts, run_network
from tests.servers import Nginx, run_nginx, wait_until
from tests.traffic import PACED

OUT_S = 1.0
"""So soon a key that was revoked is out."""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, hosts: Hosts) -> Iterator[Nginx]:
    with run_nginx(tmp_path_factory.mktemp("nginx"), address=hosts.network.target) as server:
        yield server


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """An agent on north and on south, a runner on laptop, and stranger, who has no key."""
    with (
        run_network("master", "north", "south", "laptop", "stranger") as network,
        run_hosts(network, "north", "south") as started,
    ):
        (started.home("laptop") / "paced.py").write_text(PACED)
        yield started


def refused(done: Finished, *texts: str) -> None:
    """One message that says what happened and what to do, and the exit code for it."""
    assert done.exit_code == ExitCode.USAGE, done.err
    assert "Traceback" not in done.err
    assert done.err.count("loads: ") + done.err.count("loads-runner: ") + done.err.count("loads-agent: ") == 1
    for text in texts:
        assert text in " ".join(done.err.split())


def revoke(hosts: Hosts, name: str) -> float:
    """Take that key away. When the command had ended, by the monotonic clock."""
    done = hosts.call("master", "loads", "keys", "revoke", name)
    assert done.exit_code == ExitCode.PASSED, done.err
    return time.monotonic()


def pose(line: str, role: Role, pair: KeyPair | None = None, name: str | None = None) -> str:
    """That line as its owner could change it."""
    join = parse_join(line)
    return replace(join, role=role, pair=pair or join.pair, name=name or join.name).line


def test_a_run_from_a_host_that_has_the_key_counts_every_request(hosts: Hosts, nginx: Nginx) -> None:
    before = nginx.count()
    options = ("paced.py", "-a", "2", "-u", "20", "-d", "3s", "--server-url", nginx.url)
    with hosts.run("laptop", *options) as process:
        run = hosts.end("laptop", process)
    assert run.exit_code == ExitCode.PASSED, run.err
    assert run.totals["sent"] == nginx.count() - before > 0
    assert run.document["run"]["losses"] == []
    assert '"event":"run","who":"key laptop"' in hosts.audit
    assert '"event":"agent","who":"key north","agent":"north"' in hosts.audit
    assert "loads-join" not in hosts.audit


def test_who_has_no_key_is_told_how_to_get_one(hosts: Hosts) -> None:
    done = hosts.call("stranger", "loads", "status", "--broker", hosts.endpoint)
    refused(done, "lets in only who has a key", "loads keys add NAME", "loads keys join LINE")
    assert '"event":"refused","who":"a stranger"' in hosts.audit


def test_an_agent_with_the_key_of_another_cluster_says_why_and_tries_again(hosts: Hosts) -> None:
    """For that broker's key may yet come back."""
    elsewhere = {"XDG_STATE_HOME": str(hosts.home("stranger") / "elsewhere")}
    made = hosts.call("stranger", "loads", "keys", "init", "--endpoint", hosts.endpoint, **elsewhere)
    assert made.exit_code == ExitCode.PASSED, made.err
    line = hosts.call("stranger", "loads", "keys", "add", "mine", "--role", "agent", **elsewhere).out.strip()
    with hosts.start("stranger", "loads-agent", LOADS_JOIN=line) as process:
        assert process.stderr is not None
        told = next(text for text in process.stderr if "tried again" in text)
        assert "it has not the key of the broker that was joined" in told
        assert "join again: loads keys add there, loads keys join here" in next(process.stderr)
        assert process.poll() is None


def test_a_key_of_this_broker_that_it_never_made_is_not_let_in(hosts: Hosts) -> None:
    """Who knows the broker's public key still needs one that is admitted."""
    line = pose(hosts.keys["laptop"], Role.RUNNER, new_pair(), "forged")
    refused(hosts.call("stranger", "loads", "status", LOADS_JOIN=line), "does not let in the key forged", "loads keys")
    assert '"why":"an unknown key"' in hosts.audit
    assert hosts.network["stranger"].address in hosts.audit


def test_a_key_of_the_wrong_role_is_told_which_one_is_needed(hosts: Hosts) -> None:
    agent = hosts.call("stranger", "loads-agent", LOADS_JOIN=hosts.keys["laptop"])
    refused(agent, "holds the key of a runner", "loads keys add NAME --role agent")
    runner = hosts.call("stranger", "loads", "status", LOADS_JOIN=hosts.keys["north"])
    refused(runner, "holds the key of an agent", "loads keys add NAME --role runner")
    # Its owner may say what he likes about its role: the broker knows.
    posing = hosts.call("stranger", "loads-agent", LOADS_JOIN=pose(hosts.keys["laptop"], Role.AGENT))
    refused(posing, "key laptop may only start, follow and stop runs", "loads keys add NAME --role agent")
    assert '"who":"key laptop","as":"agent"' in hosts.audit


def test_an_observer_looks_and_can_not_start_or_stop(hosts: Hosts) -> None:
    line = hosts.add_key("wall", Role.OBSERVER)
    assert hosts.call("stranger", "loads", "status", LOADS_JOIN=line).exit_code == ExitCode.PASSED
    (hosts.home("stranger") / "paced.py").write_text(PACED)
    run = hosts.call("stranger", "loads-runner", "paced.py", "-a", "1", LOADS_JOIN=line)
    refused(run, "key wall may only look at the cluster and its runs", "loads keys add NAME --role runner")
    stop = hosts.call("stranger", "loads", "stop", "any-run", LOADS_JOIN=line)
    refused(stop, "key wall may only look at the cluster and its runs")
    for what in ("submit", "cease"):
        assert f'"event":"refused","who":"key wall","what":"{what}"' in hosts.audit


def test_a_secret_that_others_can_read_is_not_used(hosts: Hosts) -> None:
    [path] = (hosts.home("laptop") / "loads" / "keys" / "joined").iterdir()
    path.chmod(0o644)
    try:
        refused(hosts.call("laptop", "loads", "status"), "others can read it: its mode is 0644", f"chmod 600 {path}")
    finally:
        path.chmod(0o600)
    own = hosts.cluster.state / "keys" / "broker"
    own.chmod(0o640)
    try:
        done = hosts.call("master", "loads", "keys", "add", "more", "--role", "agent")
        refused(done, "others can read it: its mode is 0640", f"chmod 600 {own}")
    finally:
        own.chmod(0o600)


def test_a_line_that_is_not_whole_is_not_joined_with(hosts: Hosts) -> None:
    line = hosts.keys["laptop"]
    for damaged in (line[:-5], line[:30] + ("a" if line[30] != "a" else "b") + line[31:], "loads-join-1-", "hello"):
        done = hosts.call("stranger", "loads", "keys", "join", damaged)
        refused(done, "line of loads keys add", "copy the whole line")
    assert not (hosts.home("stranger") / "loads" / "keys" / "joined").exists()


def test_a_runner_whose_key_is_revoked_is_out_at_once_and_its_run_goes_on(hosts: Hosts, nginx: Nginx) -> None:
    before = nginx.count()
    hosts.add_key("ci", Role.RUNNER)
    hosts.join("stranger", "ci")
    (hosts.home("stranger") / "paced.py").write_text(PACED)
    options = ("paced.py", "-a", "2", "-u", "20", "-d", "3s", "--server-url", nginx.url)
    with hosts.run("stranger", *options) as process:
        run = hosts.cluster.wait_for_run(lambda run: (run.elapsed_us or 0) > 500_000, "goes on").id
        said_s = revoke(hosts, "ci")
        err = process.communicate(timeout=20)[1]
        assert time.monotonic() - said_s < OUT_S
    assert process.returncode == ExitCode.USAGE, err
    assert "key ci was revoked" in err
    assert "Traceback" not in err
    wait_until(lambda: run not in hosts.cluster.going(), "the run to end")
    output = hosts.home("laptop") / "seen.json"
    shown = hosts.call("laptop", "loads", "show", run, "--output", f"json={output}")
    assert shown.exit_code == ExitCode.PASSED, shown.err
    assert json.loads(output.read_text())["totals"]["sent"] == nginx.count() - before > 0
    assert '"event":"sent away","who":"key ci"' in hosts.audit


def test_an_agent_whose_key_is_revoked_is_out_at_once_and_loses_nothing(hosts: Hosts, nginx: Nginx) -> None:
    """Others take its users; let in again with another key, it delivers what it measured."""
    before = nginx.count()
    north = hosts.cluster.agents["north"]
    options = ("paced.py", "-a", "2", "-u", "20", "-d", "4s", "--server-url", nginx.url)
    with hosts.run("laptop", *options) as process:
        hosts.cluster.wait_for_run(lambda run: (run.elapsed_us or 0) > 1_000_000, "goes on")
        said_s = revoke(hosts, "north")
        north.process.wait(20)
        assert time.monotonic() - said_s < OUT_S
        assert north.process.returncode == ExitCode.USAGE
        assert "key north was revoked" in north.log()
        hosts.cluster.broker.wait_for_log("agent north went away; 1 other took its users")
        hosts.add_key("north-again", Role.AGENT)
        hosts.join("north", "north-again")
        hosts.start_agent("north")
        run = hosts.end("laptop", process)
    assert run.exit_code == ExitCode.PASSED, run.err
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() - before > 0
    assert '"event":"sent away","who":"key north","as":"agent"' in hosts.audit
    assert '"event":"agent","who":"key north-again","agent":"north"' in hosts.audit
