"""Batches come twice, out of order and too late: each is counted once, and what is too late is told to be.

A peer that is no agent of this run says again all that the agents have in their spools, again and again.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

import loads
from loads.agent.records import Sealed, decode_records
from loads.wire.cluster import Batch, Closed, FromBroker, Role
from loads.wire.dealer import Dealer
from tests.cluster import Cluster
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, wait_for_calm


class Repeater:
    """A peer of the broker's that speaks in a thread of its own.

    Attributes:
        known: every batch that it found, in the order in which it did.
        heard: what the broker answered.
        sent: messages that it handed over.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.known: dict[bytes, None] = {}
        self.heard: list[FromBroker] = []
        self.sent = 0
        self._cluster = cluster
        self._random = random.Random(5)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._repeat()))

    @contextmanager
    def speaking(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    async def _repeat(self) -> None:
        dealer = Dealer(
            self._cluster.endpoint,
            role=Role.AGENT,
            version=loads.__version__,
            heard=self.heard.append,
            changed=lambda _: None,
        )
        async with dealer:
            while not self._stop.is_set():
                self.known.update(dict.fromkeys(spooled(self._cluster.state)))
                batches = [*self.known, *self.known]
                self._random.shuffle(batches)
                for data in batches:
                    self.sent += dealer.send(data)
                    await asyncio.sleep(0.005)
                await asyncio.sleep(0.05)


def spooled(state: Path) -> Iterator[bytes]:
    """All batches that the agents have sealed."""
    for path in state.glob("agent-*/runs/*/records"):
        try:
            records = list(decode_records(path.read_bytes()))
        except FileNotFoundError:  # the run has ended
            continue
        yield from (record.data for record in records if isinstance(record, Sealed))


def test_each_counts_once_and_late_ones_are_closed(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    repeater = Repeater(cluster)
    options = ("paced.py", "-a", "3", "-u", str(USERS), "-d", "5s", "--server-url", nginx.url)
    with cluster.start(*options) as process, repeater.speaking():
        wait_for_calm(nginx, 2)
        run = cluster.runner.end(process)
        repeater.heard.clear()
        wait_until(lambda: any(isinstance(message, Closed) for message in repeater.heard), "an answer to late ones")
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    batches = [msgspec.msgpack.decode(data, type=Batch) for data in repeater.known]
    assert {batch.run for batch in batches} == {run.document["run"]["id"]}
    assert len({batch.incarnation for batch in batches}) == 3
    assert repeater.sent > 5 * len(batches) > 0
    shown = cluster.call("loads", "show", run.document["run"]["id"])
    assert shown.out == run.out
