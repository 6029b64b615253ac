"""The broker's connections: who is told to go."""

from __future__ import annotations

import loads
from loads.broker.events import Log, Send
from loads.broker.peers import Peers
from loads.wire.cluster import Hello, Rejected, Role, Welcome
from loads.wire.messages import PROTOCOL


def known(name: bytes) -> Peers:
    peers = Peers(loads.__version__, 1)
    hello = Hello(protocol=PROTOCOL, version=loads.__version__, role=Role.AGENT, session=2)
    [answer] = peers.hello(name, hello, 0)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, Welcome)
    return peers


def test_an_agent_whose_place_another_took_is_told_to_end() -> None:
    peers = known(b"first")
    told, _ = peers.supersede(b"first", "north", 5)
    assert isinstance(told, Send)
    assert told.peer == b"first"
    assert isinstance(told.message, Rejected)
    assert "another process came with the name and the identity of agent north" in told.message.reason
    assert peers.by_name[b"first"].rejected_us == 5


def test_a_connection_that_is_gone_can_not_be_told() -> None:
    assert known(b"first").supersede(b"second", "north", 5) == []
    assert known(b"first").supersede(None, "north", 5) == []


def test_what_is_told_is_logged() -> None:
    _, logged = known(b"first").supersede(b"first", "north", 5)
    assert isinstance(logged, Log)
    assert "agent north" in logged.text
