from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from loads.report.cluster import Sought, agent_lines, check_lines, run_lines, selected, status_lines
from loads.units import US_PER_S
from loads.wire.cluster import AgentStatus, RunState, RunStatus, Status, Who

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def agent(name: str, **fields: Any) -> AgentStatus:
    values: dict[str, Any] = {
        "host": "box",
        "cores": 4,
        "load": 0.5,
        "version": "1.0",
        "labels": {},
        "run": None,
        "heard_us": 300_000,
        **fields,
    }
    return AgentStatus(name=name, **values)


def run(run_id: str, state: RunState = RunState.RUNNING, **fields: Any) -> RunStatus:
    values: dict[str, Any] = {
        "who": Who("ann", "box"),
        "created_at": NOON,
        "targets": ("shop.py",),
        "agents": ("north",),
        **fields,
    }
    return RunStatus(id=run_id, state=state, **values)


def status(**fields: Any) -> Status:
    values: dict[str, Any] = {
        "version": "1.0",
        "host": "box",
        "pid": 7,
        "up_us": 3_725 * US_PER_S,
        "store": "sqlite /x/loads.db",
        "agents": (),
        "runs": (),
        **fields,
    }
    return Status(**values)


def test_a_cluster_with_nothing_says_what_to_do() -> None:
    assert list(status_lines(status(up_us=5))) == [
        "Broker 1.0 on box, pid 7, up 0s",
        "Store: sqlite /x/loads.db",
        "",
        "No agent is there: start one with loads-agent on each machine",
        "",
        "No runs",
    ]


def test_agents_and_runs_are_tables() -> None:
    machine = {"cpu_share": 0.75, "memory_used_bytes": 4 * 10**9, "memory_bytes": 16 * 10**9}
    agents = (agent("north", run="red-fox", **machine), agent("a-longer-name"))
    lines = list(status_lines(status(agents=agents, runs=(run("red-fox", elapsed_us=65 * US_PER_S),))))
    assert lines[0] == "Broker 1.0 on box, pid 7, up 1h02m"
    assert lines[3:6] == [
        "2 agents, 1 free",
        "  agent          host  cores  load  cpu  memory          version  heard      run",
        "  north          box   4      0.50  75%  4.0 of 16.0 GB  1.0      0.3 s ago  red-fox",
    ]
    assert lines[6].startswith("  a-longer-name  box ")
    assert lines[8] == "1 run, of which 1 goes on"
    assert lines[10].split() == [
        *("red-fox", "running", *f"{NOON.astimezone():%Y-%m-%d %H:%M}".split(), "1m05s", "1", "ann@box", "shop.py")
    ]


def test_labels_and_room_are_columns_where_an_agent_has_some() -> None:
    agents = (agent("a", labels={"region": "eu", "disk": "ssd"}), agent("b", max_users=500))
    assert list(agent_lines(agents))[1:] == [
        "  agent  host  cores  max  load  cpu  memory  version  heard      run   labels",
        "  a      box   4      -    0.50  -    -       1.0      0.3 s ago  free  disk=ssd region=eu",
        "  b      box   4      500  0.50  -    -       1.0      0.3 s ago  free  -",
    ]


def test_who_leaves_is_not_free() -> None:
    head, _, first, second = agent_lines((agent("a", leaving=True), agent("b", leaving=True, run="red-fox")))
    assert head == "2 agents, 0 free"
    assert first.endswith("leaving")
    assert second.endswith("red-fox, then leaving")


def test_runs_are_in_the_order_in_which_they_came_and_say_how_they_ended() -> None:
    runs = [
        run("late", created_at=NOON + timedelta(hours=1)),
        run("early", RunState.ENDED, verdict="failed"),
        run("never", RunState.REFUSED, agents=(), trouble="no agent is there"),
    ]
    head, _, first, second, third = run_lines(runs)
    assert head == "3 runs, of which 1 goes on"
    assert first.split()[:2] == ["early", "failed"]
    assert second.split()[:2] == ["never", "refused"]
    assert second.endswith("shop.py (no agent is there)")
    assert third.split()[:2] == ["late", "running"]


def test_names_and_tags_are_columns_where_a_run_has_some() -> None:
    runs = [run("red-fox", name="checkout", tags={"branch": "main", "a": "b c"}), run("blue-ox")]
    lines = list(run_lines(runs))
    assert lines[1].split()[-3:] == ["name", "tests", "tags"]
    assert lines[2].endswith("checkout  shop.py  a=b c branch=main")
    assert lines[3].endswith("-         shop.py  -")


def test_runs_are_found_by_name_tags_and_verdict() -> None:
    runs = [
        run("a", RunState.ENDED, name="Checkout, new index", tags={"branch": "main"}, verdict="passed"),
        run("b", RunState.ENDED, name="checkout", tags={"branch": "main", "build": "7"}, verdict="failed"),
        run("c", RunState.REFUSED, trouble="no"),
        run("d", name="search"),
    ]

    def found(*criteria: Any, most: int = 9) -> list[str]:
        return [each.id for each in selected(runs, Sought(*criteria), most)]

    assert Sought().is_all
    assert found() == ["a", "b", "c", "d"]
    assert found("checkOUT") == ["a", "b"]
    assert found("", {"branch": "main"}) == ["a", "b"]
    assert found("", {"branch": "main", "build": "7"}) == ["b"]
    assert found("", {}, "passed") == ["a"]
    assert found(most=1) == ["c", "d"], "all that go on, and the last that ended"
    assert found(most=0) == ["d"]


def test_what_others_say_can_not_steer_the_terminal() -> None:
    assert all("\x1b" not in line for line in status_lines(status(agents=(agent("\x1b[2J"),), host="\x1b")))
    assert list(check_lines([("north", "box", "works\n")]))[1] == "  north  box   works\\n"


def test_where_the_broker_listens_is_told_and_that_it_asks_nobody_for_a_key() -> None:
    lines = list(status_lines(status(listens=("/x/broker.sock", "tcp://10.0.0.5:7700"))))
    assert lines[2] == "Listens on: /x/broker.sock, tcp://10.0.0.5:7700"
    assert not any("INSECURE" in line for line in lines)
    lines = list(status_lines(status(listens=("tcp://10.0.0.5:7700",), insecure=True)))
    assert lines[3].startswith("INSECURE: over TCP it lets in whoever can reach it")
