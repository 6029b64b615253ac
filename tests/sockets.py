"""Both ends of the cluster's wire for tests: a broker that only answers, in a process of its own, and peers of it.

As a program: `python -m tests.sockets router URL` or `python -m tests.sockets dealer URL`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loads.broker.doorman import Caller
from loads.broker.router import Router
from loads.errors import ProtocolError
from loads.wire.cluster import Ask, Beat, Beaten, Ceased, FromBroker, Hello, Role, ToBroker, Welcome
from loads.wire.dealer import Dealer
from loads.wire.endpoint import Endpoint, parse_endpoint
from tests.servers import DEADLINE_S


async def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """As `wait_until`, with the loop running on."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end_s:
            pytest.fail(f"waited {deadline_s} s for {what}")
        await asyncio.sleep(0.002)


class Broker:
    """Answers Hello, Beat and Ask (how is it?), and notes all the rest. `admitted` are the keys that may come in."""

    def __init__(self) -> None:
        self.admitted: set[bytes] = set()
        self.callers: dict[bytes, Caller] = {}
        self.turned_away: list[tuple[bytes | None, str]] = []
        self.router = Router(
            met=self.callers.__setitem__,
            heard=self._heard,
            gone=self._gone,
            broken=self._broken,
            turned_away=lambda key, detail: self.turned_away.append((key, detail)),
            admits=lambda key: key in self.admitted,
        )
        self.said: list[tuple[bytes, ToBroker]] = []
        self.peers: list[bytes] = []
        self.gone: list[bytes] = []
        self.broken: list[tuple[bytes, ProtocolError]] = []
        self.gone_at_s: list[float] = []

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self.router.close()

    def _heard(self, peer: bytes, message: ToBroker, _: bytes) -> None:
        match message:
            case Beat():
                self.router.send(peer, Beaten(sent_us=message.sent_us, broker_us=time.monotonic_ns() // 1_000))
            case Hello():
                self.peers.append(peer)
                self.router.send(peer, Welcome(version="test", incarnation=os.getpid()))
            case Ask():
                self.router.send(peer, Ceased(runs=(json.dumps(self.figures()),)))
            case _:
                self.said.append((peer, message))

    def _gone(self, peer: bytes) -> None:
        self.gone.append(peer)
        self.gone_at_s.append(time.monotonic())

    def _broken(self, peer: bytes, error: ProtocolError) -> None:
        self.broken.append((peer, error))

    def figures(self) -> dict[str, Any]:
        return {
            "rss_bytes": int(Path("/proc/self/statm").read_text().split()[1]) * 4096,
            "cpu_s": time.process_time(),
            "gone": len(self.gone),
            "broken": len(self.broken),
            "heard": len(self.peers),
            "router": repr(self.router),
        }


class Peer:
    """A Dealer, and what it heard."""

    def __init__(self, endpoint: Endpoint, role: Role = Role.AGENT) -> None:
        self.heard: list[FromBroker] = []
        self.changes: list[bool] = []
        self.changed_at_s: list[float] = []
        self.dealer = Dealer(endpoint, role=role, version="test", heard=self.heard.append, changed=self._changed)

    def _changed(self, connected: bool) -> None:
        self.changes.append(connected)
        self.changed_at_s.append(time.monotonic())

    async def __aenter__(self) -> Peer:
        await self.dealer.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dealer.__aexit__(None, None, None)

    def count(self, kind: type[FromBroker]) -> int:
        return sum(isinstance(message, kind) for message in self.heard)

    async def welcome(self, times: int = 1) -> None:
        await until(lambda: self.count(Welcome) >= times, f"welcome number {times} of {self.dealer}")

    async def round_trip_s(self) -> float:
        """How long a beat takes there and back."""
        before_s = time.monotonic()
        sent_us = time.monotonic_ns() // 1_000
        assert self.dealer.send(Beat(sent_us=sent_us))

        def answered() -> bool:
            return any(isinstance(message, Beaten) and message.sent_us == sent_us for message in self.heard)

        await until(answered, f"the answer to a beat of {self.dealer}")
        return time.monotonic() - before_s

    async def figures(self) -> dict[str, Any]:
        """How the broker is."""
        seen = self.count(Ceased)
        assert self.dealer.send(Ask())
        await until(lambda: self.count(Ceased) > seen, "the broker's figures")
        answer = [message for message in self.heard if isinstance(message, Ceased)][-1]
        figures: dict[str, Any] = json.loads(answer.runs[0])
        return figures


@asynccontextmanager
async def run_other(kind: str, endpoint: Endpoint) -> AsyncIterator[subprocess.Popen[str]]:
    """A router or a dealer in a process of its own, once it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sockets", kind, endpoint.url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = await asyncio.get_running_loop().run_in_executor(None, process.stdout.readline)
        assert ready == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        assert process.stdout is not None
        process.stdout.close()


async def _router(endpoint: Endpoint) -> None:
    with Broker() as broker:
        broker.router.bind(endpoint)
        print("ready", flush=True)
        await asyncio.Event().wait()


async def _dealer(endpoint: Endpoint) -> None:
    async with Peer(endpoint) as peer:
        await peer.welcome()
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run({"router": _router, "dealer": _dealer}[sys.argv[1]](parse_endpoint(sys.argv[2])))
