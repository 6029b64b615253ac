"""The network between the broker and its peers: connections that are slow, silent, full, broken, and made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from loads.testing.world import Lane, Process, World

if TYPE_CHECKING:
    from loads.testing.broker import BrokerProcess

ROOM: Final = 40
"""Messages that one direction of a connection holds."""
_LATENCY_US: Final = 4_000
_SLOW_US: Final = 400_000


class Peer(Process):
    """A process with a connection to the broker."""

    def __init__(self, world: World, name: str, skew_us: int = 0) -> None:
        super().__init__(world, name, skew_us)
        self.wire: Wire | None = None
        self.cut = False
        """Nothing passes between it and the broker, in either direction, and nobody is told."""
        self.on_thaw.append(self._read_on)

    def hear(self, data: bytes) -> None:
        """A message of the broker came."""
        raise NotImplementedError

    def linked(self, up: bool) -> None:
        """The connection stands, or does not any more."""
        raise NotImplementedError

    def send(self, data: bytes) -> bool:
        """To the broker, now or not at all."""
        return self.wire is not None and self.wire.to_broker(data)

    def _read_on(self) -> None:
        if self.wire is not None:
            self.wire.resume()

    def die(self) -> None:
        """The kernel closes its connection."""
        super().die()
        if self.wire is not None:
            self.wire.break_off()


class Wire:
    """One connection. `name` is the peer's routing id."""

    def __init__(self, world: World, name: bytes, peer: Peer, broker: BrokerProcess) -> None:
        self.world = world
        self.name = name
        self.peer = peer
        self.broker = broker
        self.full = False
        """The peer reads, but so slowly that what the broker says finds no room."""
        self.missed = False
        """Something could not be handed over."""
        self.broken = False
        latency_us = _SLOW_US if world.chance(0.1) else _LATENCY_US
        self._up = Lane(world, self._heard, lambda: not peer.cut and broker.awake, latency_us)
        self._down = Lane(world, self._said, lambda: not peer.cut and peer.awake, latency_us)

    def to_broker(self, data: bytes) -> bool:
        """Whether there is room for `data`."""
        return self._put(self._up, data)

    def to_peer(self, data: bytes, *, whole: bool = False) -> bool:
        """Whether there is room for `data`. With the `whole`, nothing that was missed before is wanting."""
        sent = not self.full and self._put(self._down, data)
        self.missed = not sent or (self.missed and not whole)
        return sent

    def resume(self) -> None:
        """Somebody reads again."""
        self._up.resume()
        self._down.resume()

    def break_off(self) -> None:
        """The connection is closed, and all that is under way is lost."""
        if self.broken:
            return
        self.broken = True
        self._up.close()
        self._down.close()
        self.world.clock.call_in(self.world.between(0, 5_000), lambda: self.peer.when_awake(self._tell_peer))
        late_us = self.world.between(20_000, 500_000 if self.world.chance(0.1) else 30_000)
        self.world.clock.call_in(late_us, lambda: self.broker.when_awake(lambda: self.broker.lost(self.name)))

    def _put(self, lane: Lane, data: bytes) -> bool:
        if self.broken or len(lane) >= ROOM:
            return False
        lane.put(data)
        return True

    def _heard(self, data: bytes | None) -> None:
        assert data is not None
        self.broker.hear(self.name, data)

    def _said(self, data: bytes | None) -> None:
        assert data is not None
        self.peer.hear(data)

    def _tell_peer(self) -> None:
        if self.peer.wire is self:
            self.peer.wire = None
            self.peer.linked(False)


class Net:
    """Connects peers to the broker that runs, again and again."""

    def __init__(self, world: World, broker: Callable[[], BrokerProcess | None]) -> None:
        self._world = world
        self._broker = broker

    def join(self, peer: Peer) -> None:
        """From now on `peer` is connected whenever that is possible."""
        self._world.clock.call_in(self._world.between(100, 100_000), lambda: self._attempt(peer))

    def _attempt(self, peer: Peer) -> None:
        if not peer.alive:
            return
        broker = self._broker()
        if peer.wire is None and peer.awake and not peer.cut and broker is not None and broker.awake:
            name = self._world.random.randbytes(5)
            peer.wire = wire = Wire(self._world, name, peer, broker)
            broker.wires[name] = wire
            self._world.note(peer, "connects as", name.hex())
            peer.linked(True)
        self._world.clock.call_in(self._world.between(100_000, 1_000_000), lambda: self._attempt(peer))
