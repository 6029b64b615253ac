"""Peers that mean harm: they say anything, at any speed, as whoever they are let in as, or knock without being let in.

    with Intruder(endpoint, line) as intruder:
        intruder.say(b"anything"); intruder.hear()

`Siege` is what they work upon: a broker with keys on a TCP port, two real agents, and a run that must not notice.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import zmq

import loads
from loads.errors import ProtocolError
from loads.wire.cluster import Beat, Beaten, FromBroker, Hello, Rejected, Role, ToBroker, Welcome, WhoAreYou
from loads.wire.codec import decode_from_broker, encode
from loads.wire.endpoint import Endpoint, parse_endpoint
from loads.wire.keys import parse_join
from loads.wire.messages import PROTOCOL
from tests.cluster import Cluster, run_cluster
from tests.commands import Finished
from tests.servers import DEADLINE_S, Nginx, free_port
from tests.traffic import PACED

MEMORY_BYTES = 512 << 20
"""More than this the broker never holds, whatever it is told."""


class Intruder:
    """A connection to the broker on which nothing is left out that a peer could do. `line`: its key, if it has one."""

    def __init__(self, endpoint: Endpoint, line: str | None = None) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        self._socket = self._context.socket(zmq.SocketType.DEALER)
        self._socket.setsockopt(zmq.SocketOption.LINGER, 0)
        self._socket.setsockopt(zmq.SocketOption.RECONNECT_IVL, 20)
        self._monitor = self._socket.get_monitor_socket(zmq.Event.DISCONNECTED)
        if line is not None:
            join = parse_join(line)
            self._socket.setsockopt(zmq.SocketOption.CURVE_SERVERKEY, join.broker)
            self._socket.setsockopt(zmq.SocketOption.CURVE_PUBLICKEY, join.pair.public)
            self._socket.setsockopt(zmq.SocketOption.CURVE_SECRETKEY, join.pair.secret)
        self._socket.connect(endpoint.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
        self._context.term()

    def say(self, *messages: bytes | ToBroker, wait_s: float = 2.0) -> bool:
        """Say all of them; False: there was no way to."""
        for message in messages:
            data = message if isinstance(message, bytes) else encode(message)
            if not self._socket.poll(round(wait_s * 1_000), zmq.PollEvent.POLLOUT):
                return False
            self._socket.send(data, zmq.Flag.NOBLOCK)
        return True

    def hello(self, role: Role) -> Self:
        """The usual first words."""
        self.say(Hello(protocol=PROTOCOL, version=loads.__version__, role=role, session=1))
        return self

    def hear(self, timeout_s: float = 0.0) -> FromBroker | None:
        """The next thing that the broker says; None: nothing in that time."""
        if not self._socket.poll(round(timeout_s * 1_000)):
            return None
        data = self._socket.recv()
        try:
            return decode_from_broker(data)
        except ProtocolError as error:
            raise AssertionError(f"the broker said what is no message: {data[:100]!r}") from error

    def all_heard(self, timeout_s: float) -> list[FromBroker]:
        """What it says, until it is silent for so long."""
        heard = []
        while (message := self.hear(timeout_s)) is not None:
            heard.append(message)
        return heard

    def greet(self, role: Role) -> Self:
        """Say Hello until it is heard: who comes right after another who was cut off may have to come again."""
        for _ in range(20):
            self.hello(role)
            if isinstance(self.hear(0.5), Welcome):
                return self
        raise AssertionError("the broker says no Welcome")

    def is_done_with(self, frame: bytes, deadline_s: float = DEADLINE_S) -> bool:
        """Say that, and wait until the broker has either cut this connection, or rejected it, or goes on hearing it."""
        beat = Beat(sent_us=-(2**40))
        self.say(frame)
        end_s = time.monotonic() + deadline_s
        while time.monotonic() < end_s:
            self.say(beat, wait_s=0.1)  # again: an answer that finds no room is not said
            again_s = time.monotonic() + 0.25
            while time.monotonic() < again_s:
                if self.is_cut_off(0):
                    return True
                match self.hear(0.005):
                    case Beaten(sent_us=beat.sent_us) | Rejected() | WhoAreYou():
                        return True
        return False

    def is_cut_off(self, deadline_s: float) -> bool:
        """Whether the broker ends this connection by then."""
        return bool(self._monitor.poll(round(deadline_s * 1_000)))

    def wait_for(self, kind: type[FromBroker], deadline_s: float = DEADLINE_S) -> FromBroker:
        """The next message of that kind; what comes before is dropped."""
        end_s = time.monotonic() + deadline_s
        while time.monotonic() < end_s:
            message = self.hear(0.1)
            if isinstance(message, kind):
                return message
        raise AssertionError(f"the broker said no {kind.__name__} in {deadline_s} s")


@contextmanager
def overheard(endpoint: Endpoint, line: str) -> Iterator[bytearray]:
    """What a peer with that key says to the broker on its way in, byte for byte: greeting, handshake, first words."""
    host, _, port = endpoint.url.removeprefix("tcp://").rpartition(":")
    said = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = parse_endpoint(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with Intruder(ours, line) as peer:
            caller, _ = server.accept()
            with caller, socket.create_connection((host, int(port))) as broker:
                ends = [
                    threading.Thread(target=_pass_on, args=(caller, broker, said)),
                    threading.Thread(target=_pass_on, args=(broker, caller, bytearray())),
                ]
                for end in ends:
                    end.start()
                peer.hello(parse_join(line).role)
                peer.wait_for(Welcome)
                for sock in (caller, broker):
                    sock.shutdown(socket.SHUT_RDWR)
                for end in ends:
                    end.join()
                yield said


def _pass_on(source: socket.socket, sink: socket.socket, said: bytearray) -> None:
    """Until either end is closed."""
    try:
        while data := source.recv(65_536):
            said += data
            sink.sendall(data)
    except OSError:
        return


def damaged(data: bytes, chance: Random) -> bytes:
    """Cut short, or with a few bits turned, or both."""
    if chance.random() < 0.4:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed[: chance.randrange(1, len(changed) + 1)] if chance.random() < 0.2 else changed)


@dataclass
class Siege:
    """A broker whom intruders mean to harm; keys are by name, ``agent``, ``runner`` and ``observer``."""

    cluster: Cluster
    nginx: Nginx
    tcp: Endpoint
    keys: dict[str, str] = field(default_factory=dict)
    run: str = ""

    @property
    def local(self) -> Endpoint:
        """The unix socket."""
        return self.cluster.endpoint

    @property
    def audit(self) -> Path:
        """The audit log."""
        return self.cluster.state / "broker" / "audit.log"

    def enter(self, key: str | None) -> Intruder:
        """Somebody with that key; None: over the unix socket, as this user."""
        return Intruder(self.local) if key is None else Intruder(self.tcp, self.keys[key])

    @contextmanager
    def knock(self) -> Iterator[socket.socket]:
        """A plain connection to the TCP port."""
        host, _, port = self.tcp.url.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as sock:
            yield sock

    def check(self) -> None:
        """The broker answers, at once, is not swollen, and has both agents at work in the run."""
        begun_s = time.monotonic()
        status = self.cluster.status()
        assert status is not None, f"the broker does not answer; it said:\n{self.cluster.broker.log()[-3_000:]}"
        assert time.monotonic() - begun_s < 2.0
        assert status.pid == self.cluster.broker.pid
        busy = {agent.name for agent in status.agents if agent.run == self.run}
        assert {"north", "south"} <= busy, f"{status.agents}\n{self.cluster.broker.log()[-3_000:]}"
        assert peak_memory_bytes(self.cluster.broker.pid) < MEMORY_BYTES
        assert "Traceback" not in self.cluster.broker.log()

    def end(self, finished: Finished) -> None:
        """The run was stopped: nothing of it is missing."""
        assert finished.document["run"]["losses"] == []
        assert finished.totals["sent"] == self.nginx.count() > 0
        assert finished.totals["lost_iterations"] == 0
        log = self.cluster.broker.log()
        for sign in ("took its users", "is back", "Traceback"):
            assert sign not in log
        assert peak_memory_bytes(self.cluster.broker.pid) < MEMORY_BYTES


@contextmanager
def besiege(nginx: Nginx) -> Iterator[Siege]:
    """A broker with keys, two agents and a run that goes on until the end; then it is looked at whether it is whole."""
    tcp = parse_endpoint(f"tcp://127.0.0.1:{free_port()}")
    with run_cluster(broker=None) as cluster:
        siege = Siege(cluster, nginx, tcp)
        assert cluster.call("loads", "keys", "init", "--endpoint", tcp.url).exit_code == 0
        for role in Role:
            added = cluster.call("loads", "keys", "add", role.value, "--role", role.value)
            assert added.exit_code == 0, added.err
            siege.keys[role.value] = added.out.strip()
        cluster.start_broker("--bind", tcp.url)
        cluster.start_agents("north", "south")
        cluster.write("paced.py", PACED)
        options = ("paced.py", "-a", "2", "-u", "20", "-d", "10m", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            siege.run = cluster.wait_for_run(lambda run: (run.elapsed_us or 0) > 500_000, "goes on").id
            yield siege
            stopped = cluster.call("loads", "stop", siege.run)
            assert stopped.exit_code == 0, stopped.err
            siege.end(cluster.runner.end(process))


def peak_memory_bytes(pid: int) -> int:
    """The most memory that it ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")
