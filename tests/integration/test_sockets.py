"""The two ends of the cluster's wire, over real sockets and with real processes."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import zmq

from loads.errors import LoadsError, ProtocolError, UsageError
from loads.wire.cluster import Ask, Beat, Chunk, Complete, Hello, Role, Stored, WhoAreYou
from loads.wire.codec import MAX_MESSAGE_BYTES, encode
from loads.wire.endpoint import Endpoint, parse_endpoint
from tests.servers import free_port
from tests.sockets import Broker, Peer, run_other, until

# Greeting and READY of ZMTP 3.0 without security, as a DEALER says them.
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
HELLO = encode(Hello(protocol=1, version="raw", role=Role.AGENT, session=1))


@pytest.fixture(params=["ipc", "tcp"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Endpoint:
    """Where the broker of this test will be."""
    if request.param == "ipc":
        return parse_endpoint(str(tmp_path / "run" / "b.sock"))
    return parse_endpoint(f"tcp://127.0.0.1:{free_port()}")


@asynccontextmanager
async def pair(endpoint: Endpoint) -> AsyncIterator[tuple[Broker, Peer]]:
    with Broker() as broker:
        broker.router.bind(endpoint)
        async with Peer(endpoint) as peer:
            await peer.welcome()
            yield broker, peer


def raw(endpoint: Endpoint) -> socket.socket:
    """A bare connection."""
    if endpoint.path is not None:
        sock = socket.socket(socket.AF_UNIX)
        address: Any = str(endpoint.path)
    else:
        sock = socket.socket()
        address = ("127.0.0.1", int(endpoint.url.rsplit(":", 1)[1]))
    sock.settimeout(10)
    sock.connect(address)
    return sock


def frame(body: bytes, *, more: bool = False) -> bytes:
    """As ZMTP has it."""
    if len(body) < 256:
        return bytes([more, len(body)]) + body
    return bytes([2 | more]) + len(body).to_bytes(8, "big") + body


def shaken(endpoint: Endpoint) -> socket.socket:
    """A bare connection that has shaken hands."""
    sock = raw(endpoint)
    sock.sendall(GREETING)
    read(sock, 64)
    sock.sendall(READY)
    read(sock, read(sock, 2)[1])
    return sock


def read(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        assert part, "closed"
        data += part
    return data


def is_closed(sock: socket.socket) -> bool:
    """Reads on until the other side has closed."""
    try:
        while sock.recv(65_536):
            pass
    except ConnectionError:
        pass
    return True


# The everyday.


def test_a_peer_says_hello_and_is_answered(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            assert peer.changes == [True]
            assert await peer.round_trip_s() < 5
            assert repr(peer.dealer).startswith(f"<Dealer agent to {endpoint} connected sent=1 unsent=0 heard=2")
            assert repr(broker.router) == f"<Router at {endpoint} connections=1 messages=2>"

    asyncio.run(main())


def test_both_kinds_of_address_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        local = parse_endpoint(str(tmp_path / "b.sock"))
        far = parse_endpoint(f"tcp://127.0.0.1:{free_port()}")
        with Broker() as broker:
            broker.router.bind(local)
            broker.router.bind(far)
            async with Peer(local) as near_peer, Peer(far) as far_peer:
                await near_peer.welcome()
                await far_peer.welcome()
            await until(lambda: len(broker.gone) == 2, "both to be gone")
            assert set(broker.gone) == set(broker.peers)

    asyncio.run(main())


def test_ipv6_in_brackets() -> None:
    async def main() -> None:
        async with pair(parse_endpoint(f"tcp://[::1]:{free_port()}")) as (_broker, peer):
            assert await peer.round_trip_s() < 5

    asyncio.run(main())


def test_messages_come_in_order_and_whole(endpoint: Endpoint) -> None:
    """More than any queue holds, with sizes from nothing to a megabyte: who is told False says it again."""

    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            sizes = [0, 1, 255, 256, 70_000, 1 << 20] * 40
            for number, size in enumerate(sizes):
                message = Chunk(sha256="", offset=number, total=1, data=bytes(size))
                await until(lambda message=message: peer.dealer.send(message), "room")
            await until(lambda: len(broker.said) == len(sizes), "all of them")
            heard = [message for _, message in broker.said if isinstance(message, Chunk)]
            assert [(message.offset, len(message.data)) for message in heard] == list(enumerate(sizes))

    asyncio.run(main())


def test_a_broker_speaks_to_the_peer_it_means(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, first), Peer(endpoint) as second:
            await second.welcome()
            body = encode(Stored(run="r", incarnation=1, seq=2))
            assert broker.router.send(broker.peers[1], body)
            await until(lambda: second.count(Stored) == 1, "the message")
            await first.round_trip_s()
            assert first.count(Stored) == 0

    asyncio.run(main())


def test_hello_is_said_again_to_a_broker_that_asks(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            assert broker.router.send(broker.peers[0], WhoAreYou())
            await peer.welcome(2)
            assert peer.count(WhoAreYou) == 1
            assert broker.peers[0] == broker.peers[1]
            assert peer.changes == [True]

    asyncio.run(main())


def test_who_hears_may_raise_and_the_next_message_is_heard_still(endpoint: Endpoint) -> None:
    async def main() -> None:
        raised: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: raised.append(context["exception"]))
        async with pair(endpoint) as (broker, peer):
            heard, broker.router._heard = broker.router._heard, _stumble
            assert peer.dealer.send(Ask())
            await until(lambda: len(raised) == 1, "the error to be told")
            broker.router._heard = heard
            await peer.round_trip_s()

    asyncio.run(main())


def _stumble(peer: bytes, message: object) -> None:
    raise RuntimeError("a mistake")


# What can't be sent.


def test_nothing_is_kept_for_a_broker_that_is_not_there(endpoint: Endpoint, tmp_path: Path) -> None:
    async def main() -> None:
        async with Peer(endpoint) as peer:
            assert not peer.dealer.send(Ask())
            assert "connecting sent=0 unsent=1" in repr(peer.dealer)
            with Broker() as broker:
                broker.router.bind(endpoint)
                await peer.welcome()
                await peer.round_trip_s()
                assert broker.router._messages == 2  # Hello and Beat
            await until(lambda: not peer.dealer.connected, "the broker to be missed")

    asyncio.run(main())


def test_a_peer_that_is_unknown_or_gone_can_not_be_reached(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            assert not broker.router.send(b"\0abcd", WhoAreYou())
            await peer.__aexit__()
            await until(lambda: bool(broker.gone), "the peer to be gone")
            assert not broker.router.send(broker.peers[0], WhoAreYou())
            assert broker.router.close() is None
            assert not broker.router.send(broker.peers[0], WhoAreYou())
            assert repr(broker.router) == f"<Router at {endpoint} closed>"

    asyncio.run(main())


def test_for_a_peer_that_does_not_read_only_a_little_is_kept(endpoint: Endpoint) -> None:
    """And the others are served as ever. It is not gone: once it reads, it goes on."""

    async def main() -> None:
        async with pair(endpoint) as (broker, peer), run_other("dealer", endpoint) as other:
            stopped = broker.peers[1]
            other.send_signal(signal.SIGSTOP)
            body = encode(Chunk(sha256="", offset=0, total=1, data=bytes(1 << 20)))
            count = next(n for n in itertools.count() if not broker.router.send(stopped, body))
            assert count < 100
            await peer.round_trip_s()
            assert broker.gone == []
            other.send_signal(signal.SIGCONT)
            await until(lambda: broker.router.send(stopped, body), "room for it again")
            assert broker.gone == []

    asyncio.run(main())


def test_a_message_that_is_too_large_is_refused_where_it_is_made(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (_broker, peer):
            with pytest.raises(ProtocolError, match="too large to send"):
                peer.dealer.send(Complete(run="x" * MAX_MESSAGE_BYTES, incarnation=1, last_seq=1))
            with pytest.raises(ProtocolError, match="too large to send"):
                peer.dealer.send(bytes(MAX_MESSAGE_BYTES + 1))

    asyncio.run(main())


# Ends.


def test_a_killed_peer_is_gone_at_once(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            async with run_other("dealer", endpoint) as other:
                other.kill()
                await until(lambda: broker.gone == broker.peers[1:], "it to be gone", 2)
            await peer.round_trip_s()

    asyncio.run(main())


def test_a_peer_that_is_stopped_is_silent_not_gone(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer), run_other("dealer", endpoint) as other:
            other.send_signal(signal.SIGSTOP)
            for _ in range(50):
                await peer.round_trip_s()
            assert broker.gone == []
            other.send_signal(signal.SIGCONT)
            assert broker.router.send(broker.peers[1], WhoAreYou())
            await until(lambda: broker.peers[1:] == [broker.peers[1]] * 2, "its Hello")

    asyncio.run(main())


def test_a_killed_broker_is_missed_at_once_and_the_next_is_said_hello_to(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with Peer(endpoint) as peer:
            for life in range(1, 4):
                async with run_other("router", endpoint) as broker:
                    await peer.welcome(life)
                    assert peer.changes == [True, False] * (life - 1) + [True]
                    broker.kill()
                    await until(lambda: not peer.dealer.connected, "it to be missed", 2)
                assert peer.changes[-1] is False
                assert not peer.dealer.send(Ask())
            incarnations = {message.incarnation for message in peer.heard if hasattr(message, "incarnation")}
            assert len(incarnations) == 3

    asyncio.run(main())


def test_a_broker_that_is_stopped_is_silent_not_gone(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with Peer(endpoint) as peer, run_other("router", endpoint) as broker:
            await peer.welcome()
            broker.send_signal(signal.SIGSTOP)
            assert peer.dealer.send(Beat(sent_us=1))
            broker.send_signal(signal.SIGCONT)
            await peer.round_trip_s()
            assert peer.changes == [True]

    asyncio.run(main())


def test_a_peer_that_comes_again_is_a_new_one(endpoint: Endpoint) -> None:
    """Each connection has its id, and each end is told once, after all that was said before it."""

    async def main() -> None:
        with Broker() as broker:
            broker.router.bind(endpoint)
            for number in range(30):
                async with Peer(endpoint) as peer:
                    await peer.welcome()
                    for seq in range(5):
                        assert peer.dealer.send(Complete(run="r", incarnation=number, last_seq=seq))
                    assert await peer.dealer.flush(5)
            await until(lambda: len(broker.gone) == 30, "all to be gone")
            assert broker.gone == broker.peers
            assert len(set(broker.peers)) == 30
            assert len(broker.said) == 150

    asyncio.run(main())


def test_many_quick_connections_are_never_taken_for_one_another(endpoint: Endpoint) -> None:
    """Their descriptors are the same few numbers. Some speak and end before the broker looks; one stays."""

    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            for burst in range(40):
                # The loop stands still meanwhile, so that all of it is found at once.
                for number in range(5):
                    with shaken(endpoint) as sock:
                        if number % 3 != burst % 3:
                            sock.sendall(frame(HELLO))
                        if number == 4:
                            sock.sendall(frame(b"\xc1"))
                if burst % 4 == 0:
                    await peer.round_trip_s()
            await until(lambda: broker.router._connections.open == 1, "only one to be left")
            await until(lambda: len(broker.gone) >= len(set(broker.peers)) - 1, "all the others to be gone")
            assert broker.peers[0] not in broker.gone
            assert len(set(broker.gone)) == len(broker.gone)
            assert set(broker.peers) - {broker.peers[0]} <= set(broker.gone)
            await peer.round_trip_s()
            assert peer.changes == [True]

    asyncio.run(main())


def test_what_was_said_last_comes_before_gone(endpoint: Endpoint) -> None:
    async def main() -> None:
        with Broker() as broker:
            order: list[str] = []
            broker.router._gone = lambda _peer: order.append("gone")
            broker.router._heard = lambda _peer, message, _data: order.append(type(message).__name__)
            broker.router.bind(endpoint)
            with shaken(endpoint) as sock:
                sock.sendall(frame(HELLO) + frame(encode(Complete(run="r", incarnation=1, last_seq=1))) * 10)
            await until(lambda: "gone" in order, "the end")
            assert order == ["Hello"] + ["Complete"] * 10 + ["gone"]

    asyncio.run(main())


def test_last_words_arrive(endpoint: Endpoint) -> None:
    """Even with answers that nobody reads any more."""

    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            for number in range(16):
                while not peer.dealer.send(Chunk(sha256="", offset=number, total=1, data=bytes(1 << 20))):
                    await asyncio.sleep(0)
            body = encode(Chunk(sha256="", offset=0, total=1, data=bytes(1 << 20)))
            broker.router.send(broker.peers[0], body)
            assert await peer.dealer.flush(10)
            await until(lambda: bool(broker.gone), "the end")
            assert len(broker.said) == 16
            assert not peer.dealer.send(Ask())
            assert " closed " in repr(peer.dealer)

    asyncio.run(main())


def test_last_words_to_a_broker_that_does_not_read_take_no_longer_than_said(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with Peer(endpoint) as peer, run_other("router", endpoint) as broker:
            await peer.welcome()
            broker.send_signal(signal.SIGSTOP)
            for _ in range(16):
                peer.dealer.send(Chunk(sha256="", offset=0, total=1, data=bytes(1 << 20)))
            assert not await peer.dealer.flush(0.3)
        async with Peer(endpoint) as peer:
            assert not await peer.dealer.flush(0.3)

    asyncio.run(main())


# Those who break the rules.


def test_a_peer_is_kicked(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, first), Peer(endpoint) as second:
            await second.welcome()
            broker.router.kick(broker.peers[1])
            broker.router.kick(b"\0none")
            await until(lambda: broker.gone == [broker.peers[1]], "it to be gone")
            await second.welcome(2)
            assert second.changes == [True, False, True]
            assert broker.peers[2] != broker.peers[1]
            assert first.changes == [True]

    asyncio.run(main())


@pytest.mark.parametrize(
    "rubbish",
    [
        frame(b"\xc1"),
        frame(b""),
        frame(b"x" * 5_000_000),
        frame(HELLO, more=True) + frame(HELLO),
        frame(HELLO, more=True) * 3_000 + frame(b""),
        frame(encode(Stored(run="r", incarnation=1, seq=1))),
        b"\x02" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big"),
        b"\x02" + b"\xff" * 8,
        b"\xff" * 50,
    ],
    ids=["no-msgpack", "empty", "long", "two-frames", "many-frames", "not-for-me", "too-long", "endless", "no-frame"],
)
def test_a_frame_that_is_none_costs_its_sender_the_connection(endpoint: Endpoint, rubbish: bytes) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            with shaken(endpoint) as sock:
                sock.sendall(frame(HELLO))
                await until(lambda: len(broker.peers) == 2, "its Hello")
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, _send, sock, rubbish + frame(HELLO))
                assert await loop.run_in_executor(None, is_closed, sock)
            await until(lambda: broker.gone == [broker.peers[1]], "it to be gone")
            assert [who for who, _ in broker.broken] in ([], [broker.peers[1]])
            assert len(broker.peers) == 2
            await peer.round_trip_s()
            assert peer.changes == [True]

    asyncio.run(main())


def _send(sock: socket.socket, data: bytes) -> None:
    with suppress(ConnectionError):  # cut before it has said all
        sock.sendall(data)


def test_a_peer_that_names_itself_is_refused(endpoint: Endpoint) -> None:
    """Another could have had that name."""

    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
            with context, context.socket(zmq.SocketType.DEALER) as other:
                other.setsockopt(zmq.SocketOption.LINGER, 0)
                other.setsockopt(zmq.SocketOption.ROUTING_ID, b"admin")
                other.connect(endpoint.url)
                other.send(HELLO)
                await until(lambda: bool(broker.broken), "it to be refused")
            assert str(broker.broken[0][1]) == "a peer may not choose its own routing id"
            assert len(broker.peers) == 1
            await peer.round_trip_s()

    asyncio.run(main())


def test_a_peer_that_speaks_an_old_zeromq_is_not_heard(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            with raw(endpoint) as sock:
                # Version 2.0: signature, revision 1, DEALER, an empty identity, then messages.
                sock.sendall(b"\xff" + bytes(7) + b"\x01\x7f" + b"\x01\x05" + b"\0\0" + frame(HELLO) * 3)
                for _ in range(20):
                    await peer.round_trip_s()
                assert len(broker.peers) == 1

    asyncio.run(main())


def test_a_broker_that_makes_no_sense_is_left_and_tried_again(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (broker, peer):
            assert broker.router.send(broker.peers[0], b"\xc1")
            await until(lambda: peer.changes == [True, False], "it to be left")
            assert "trouble=" in repr(peer.dealer)
            assert "connecting" in repr(peer.dealer)
            assert not peer.dealer.send(Ask())
            await peer.welcome(2)
            assert peer.changes == [True, False, True]
            assert broker.gone == [broker.peers[0]]

    asyncio.run(main())


@contextmanager
def nobody(endpoint: Endpoint) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(raw(endpoint))
        yield


@contextmanager
def browsers(endpoint: Endpoint) -> Iterator[None]:
    request = b"GET / HTTP/1.1\r\nHost: loads\r\nConnection: keep-alive\r\n\r\n"
    with ExitStack() as stack:
        socks = [stack.enter_context(raw(endpoint)) for _ in range(20)]
        for sock in socks:
            sock.sendall(request + b"x" * 1_000)
        assert all(is_closed(sock) for sock in socks)
    yield


@contextmanager
def giants(endpoint: Endpoint) -> Iterator[None]:
    """A gigabyte in one frame, before and after the handshake; and one in frames that are not too long."""
    block = bytes(1 << 20)
    with raw(endpoint) as sock:
        for _ in range(1_000):
            if not _sent(sock, block):
                break
    with shaken(endpoint) as sock:
        _sent(sock, b"\x02" + (1 << 30).to_bytes(8, "big"))
        for _ in range(1_000):
            if not _sent(sock, block):
                break
    with shaken(endpoint) as sock:
        for _ in range(40):
            if not _sent(sock, frame(bytes(25 << 20))):
                break
    yield


def _sent(sock: socket.socket, data: bytes) -> bool:
    try:
        sock.sendall(data)
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("kind", [nobody, browsers, giants])
def test_others_are_served_while_one_misbehaves(endpoint: Endpoint, kind: Callable[[Endpoint], Any]) -> None:
    async def misbehave() -> None:
        def do() -> None:
            with kind(endpoint):
                pass

        await asyncio.get_running_loop().run_in_executor(None, do)

    async def main() -> None:
        async with run_other("router", endpoint), Peer(endpoint) as peer:
            await peer.welcome()
            before = await peer.figures()
            calm = [await peer.round_trip_s() for _ in range(200)]
            task = asyncio.create_task(misbehave())
            stormy = [await peer.round_trip_s()]
            most_bytes = 0
            while not task.done():
                stormy.append(await peer.round_trip_s())
                most_bytes = max(most_bytes, (await peer.figures())["rss_bytes"])
            await task
            after = await peer.figures()
            grown = max(most_bytes, after["rss_bytes"]) - before["rss_bytes"]
            told = f"median {sorted(calm)[100]:.4f} s, then {sorted(stormy)[len(stormy) // 2]:.4f} s"
            print(f"{told}, at most {max(stormy):.3f} s; {grown >> 20} MB more")
            assert max(stormy) < 2, stormy
            assert grown < 300 << 20
            assert peer.changes == [True]

    asyncio.run(main())


@pytest.mark.parametrize("opening", [raw, shaken])
def test_who_says_nothing_is_let_go(tmp_path: Path, opening: Callable[[Endpoint], socket.socket]) -> None:
    endpoint = parse_endpoint(str(tmp_path / "b.sock"))

    async def main() -> None:
        async with pair(endpoint) as (broker, _peer):
            with opening(endpoint) as sock:
                await until(lambda: broker.router._connections.open == 2, "it to be accepted")
                loop = asyncio.get_running_loop()
                assert await loop.run_in_executor(None, is_closed, sock)
            await until(lambda: broker.router._connections.open == 1, "it to be let go")
            assert broker.gone == []

    asyncio.run(main())


def test_one_that_floods_leaves_room_for_the_others(endpoint: Endpoint) -> None:
    """For the other peers, and for what else the loop has to do. Its end is told though others never pause."""

    async def main() -> None:
        with Broker() as broker:
            broker.router.bind(endpoint)
            body = encode(Complete(run="r" * 100, incarnation=1, last_seq=1))
            with shaken(endpoint) as flood:
                flooding = True

                def go_on() -> None:
                    while flooding:
                        flood.sendall(frame(body) * 1_000)

                sending = asyncio.get_running_loop().run_in_executor(None, go_on)
                async with Peer(endpoint) as peer:
                    await peer.welcome()
                    trips = [await peer.round_trip_s() for _ in range(50)]
                    async with run_other("dealer", endpoint) as other:
                        other.kill()
                        await until(lambda: broker.gone == broker.peers[1:], "its end", 2)
                flooding = False
                await sending
            assert max(trips) < 2
            assert broker.said

    asyncio.run(main())


# Where it listens.


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def test_the_socket_file_is_the_users_own_and_goes_with_the_broker(tmp_path: Path) -> None:
    async def main() -> None:
        endpoint = parse_endpoint(str(tmp_path / "new" / "run" / "b.sock"))
        assert endpoint.path is not None
        with Broker() as broker:
            broker.router.bind(endpoint)
            assert stat.S_IMODE(endpoint.path.stat().st_mode) & 0o077 == 0
            assert stat.S_IMODE(endpoint.path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
        assert not endpoint.path.exists()

    run(main)


def test_a_second_broker_is_refused_and_the_first_goes_on(endpoint: Endpoint) -> None:
    async def main() -> None:
        async with pair(endpoint) as (_broker, peer):
            with Broker() as second, pytest.raises(LoadsError, match="already"):
                second.router.bind(endpoint)
            await peer.round_trip_s()
            assert endpoint.path is None or endpoint.path.exists()

    run(main)


def test_the_file_of_a_killed_broker_is_in_nobodys_way(tmp_path: Path) -> None:
    async def main() -> None:
        endpoint = parse_endpoint(str(tmp_path / "b.sock"))
        assert endpoint.path is not None
        async with run_other("router", endpoint) as killed:
            killed.kill()
            killed.wait()
        assert endpoint.path.exists()
        async with pair(endpoint) as (_broker, peer):
            await peer.round_trip_s()

    run(main)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "notes").write_text("mine")
        with Broker() as broker, pytest.raises(LoadsError, match="it is no socket"):
            broker.router.bind(parse_endpoint(str(tmp_path / "notes")))
        assert (tmp_path / "notes").read_text() == "mine"

    run(main)


def test_a_closing_broker_leaves_the_file_of_its_successor(tmp_path: Path) -> None:
    async def main() -> None:
        endpoint = parse_endpoint(str(tmp_path / "b.sock"))
        assert endpoint.path is not None
        with Broker() as first:
            first.router.bind(endpoint)
            endpoint.path.rename(tmp_path / "moved")
            with Broker() as second:
                second.router.bind(endpoint)
                first.router.close()
                assert endpoint.path.exists()

    run(main)


def test_an_address_that_is_not_of_this_machine(tmp_path: Path) -> None:
    async def main() -> None:
        with Broker() as broker, pytest.raises(LoadsError, match=r"can't listen at tcp://192\.0\.2\.1:7700"):
            broker.router.bind(parse_endpoint("tcp://192.0.2.1:7700"))

    run(main)


def test_neither_side_trusts_a_directory_that_others_may_enter(tmp_path: Path) -> None:
    async def main() -> None:
        shared = tmp_path / "shared"
        shared.mkdir()
        shared.chmod(0o755)
        endpoint = parse_endpoint(str(shared / "b.sock"))
        with Broker() as broker, pytest.raises(UsageError, match="others may enter"):
            broker.router.bind(endpoint)
        with pytest.raises(UsageError, match="others may enter"):
            async with Peer(endpoint):
                pass

    run(main)
