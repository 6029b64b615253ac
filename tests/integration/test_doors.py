"""Who is let in over TCP: peers whose key is admitted, and who know the broker's. The unix socket asks for none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from loads.errors import LoadsError, UsageError
from loads.wire.cluster import Chunk, Role
from loads.wire.codec import MAX_MESSAGE_BYTES
from loads.wire.endpoint import Endpoint, parse_endpoint
from loads.wire.keys import Join, KeyPair, new_pair
from tests.servers import free_port
from tests.sockets import Broker, Peer, until

OWN = new_pair()


def join_of(pair: KeyPair | None = None, broker: bytes = OWN.public, role: Role = Role.AGENT) -> Join:
    return Join("north", role, "tcp://127.0.0.1:1", broker, pair or new_pair())


@asynccontextmanager
async def run_broker(path: Path | None = None, *, keys: bool = True) -> AsyncIterator[tuple[Broker, Endpoint]]:
    endpoint = parse_endpoint(f"tcp://127.0.0.1:{free_port()}")
    with Broker() as broker:
        if path is not None:
            broker.router.bind(parse_endpoint(str(path)))
        broker.router.bind(endpoint, OWN if keys else None)
        yield broker, endpoint


def running(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))  # type: ignore[arg-type]


async def trouble_of(peer: Peer, text: str = "") -> LoadsError:
    """Which of two ends notices first that they don't fit is chance, and what it tells of it, too."""
    await until(lambda: peer.dealer.trouble is not None and text in peer.dealer.trouble.message, f"trouble: {text}")
    assert peer.dealer.trouble is not None
    assert not peer.dealer.connected
    return peer.dealer.trouble


def test_a_key_that_is_admitted_opens_the_door_and_is_known_by_the_broker() -> None:
    async def test() -> None:
        async with run_broker() as (broker, endpoint):
            join = join_of()
            broker.admitted.add(join.pair.public)
            async with Peer(replace(endpoint, keys=join)) as peer:
                await peer.welcome()
                await peer.round_trip_s()
            [caller] = broker.callers.values()
            assert (caller.key, caller.uid, caller.address) == (join.pair.public, None, "127.0.0.1")

    running(test)


def test_the_unix_socket_beside_it_asks_for_no_key_and_tells_the_user(tmp_path: Path) -> None:
    async def test() -> None:
        tmp_path.chmod(0o700)
        async with run_broker(tmp_path / "s") as (broker, _):
            async with Peer(parse_endpoint(str(tmp_path / "s"))) as peer:
                await peer.welcome()
            [caller] = broker.callers.values()
            assert (caller.key, caller.uid, caller.address) == (None, os.getuid(), None)

    running(test)


def test_a_stranger_is_told_what_to_do_and_is_let_in_once_he_is_admitted() -> None:
    async def test() -> None:
        async with run_broker() as (broker, endpoint):
            join = join_of()
            async with Peer(replace(endpoint, keys=join)) as peer:
                trouble = await trouble_of(peer)
                assert isinstance(trouble, UsageError)
                assert f"the broker at {endpoint} does not let in the key north" in trouble.message
                assert "loads keys add NAME --role agent" in trouble.hint
                assert broker.turned_away[0] == (join.pair.public, "127.0.0.1")
                assert not broker.peers
                broker.admitted.add(join.pair.public)
                await peer.welcome()
                assert peer.dealer.trouble is None

    running(test)


def test_without_a_key_nobody_comes_in() -> None:
    async def test() -> None:
        async with run_broker() as (broker, endpoint), Peer(endpoint) as peer:
            trouble = await trouble_of(peer, "lets in only who has a key")
            assert "loads keys join LINE" in trouble.hint
            await until(lambda: bool(broker.turned_away), "the broker to have noticed")
            assert broker.turned_away[0][0] is None

    running(test)


def test_a_broker_with_another_key_is_not_trusted() -> None:
    async def test() -> None:
        async with run_broker() as (broker, endpoint):
            join = join_of(broker=new_pair().public)
            broker.admitted.add(join.pair.public)
            async with Peer(replace(endpoint, keys=join)) as peer:
                assert "it has not the key of the broker that was joined" in (await trouble_of(peer)).message
            assert not broker.peers

    running(test)


def test_a_broker_without_keys_is_not_taken_for_the_one_that_was_joined() -> None:
    async def test() -> None:
        async with run_broker(keys=False) as (broker, endpoint):
            async with Peer(replace(endpoint, keys=join_of())) as peer:
                await trouble_of(peer, "the broker that was joined")
            assert not broker.peers

    running(test)


def test_what_asks_for_no_keys_can_not_be_bound_after_what_does(tmp_path: Path) -> None:
    async def test() -> None:
        tmp_path.chmod(0o700)
        async with run_broker() as (broker, _):
            with pytest.raises(ValueError, match="would ask for keys"):
                broker.router.bind(parse_endpoint(str(tmp_path / "s")))

    running(test)


def test_the_largest_message_fits_when_it_is_sealed() -> None:
    async def test() -> None:
        async with run_broker() as (broker, endpoint):
            join = join_of()
            broker.admitted.add(join.pair.public)
            async with Peer(replace(endpoint, keys=join)) as peer:
                await peer.welcome()
                chunk = Chunk(sha256="0" * 64, offset=0, total=1, data=b"x" * (MAX_MESSAGE_BYTES - 200))
                assert peer.dealer.send(chunk)
                await until(lambda: bool(broker.said), "the large message")
                assert broker.said[0][1] == chunk
                assert not broker.gone

    running(test)


def test_a_peer_with_a_key_is_kicked_like_any_other() -> None:
    async def test() -> None:
        async with run_broker() as (broker, endpoint):
            join = join_of()
            broker.admitted.add(join.pair.public)
            async with Peer(replace(endpoint, keys=join)) as peer:
                await peer.welcome()
                broker.admitted.clear()
                broker.router.kick(broker.peers[0])
                await until(lambda: bool(broker.gone), "gone")
                trouble = await trouble_of(peer)
                assert "does not let in the key" in trouble.message

    running(test)
