"""The promise: who has no key can say anything to the broker's TCP port, at any speed and over any number of
connections. Nobody hears of it but the audit log, which does not grow with it: the broker answers its own at once, the
run beside it loses no request, and what a stranger holds open is closed within seconds.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from loads.wire.cluster import Ask, Cease, Hello, Refused, Role, Status, Welcome
from loads.wire.keys import new_pair, parse_join
from loads.wire.messages import PROTOCOL
from tests.intruders import Intruder, Siege, damaged, overheard
from tests.servers import wait_until

LOG_BYTES = 64 << 10
"""More than this all strangers together do not write in the time of these tests."""
CLOSED_S = 8.0
"""So soon the broker closes what says nothing: the handshake has 3 s."""


def throw(siege: Siege, data: bytes) -> None:
    """Say that and no more, and wait until the broker has had enough of it; it may well hang up before."""
    with siege.knock() as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert closes(sock)


def closes(sock: socket.socket) -> bool:
    """Whether the broker closes that connection before long."""
    sock.settimeout(CLOSED_S)
    try:
        while sock.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def client_hello() -> bytes:
    """What a browser says to a server that should speak TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="loads-master").do_handshake()
    return outgoing.read()


def open_files(siege: Siege) -> int:
    return len(list(Path(f"/proc/{siege.cluster.broker.pid}/fd").iterdir()))


def let_in(siege: Siege) -> float:
    """How long somebody with a key takes to come in and hear how the cluster is."""
    begun_s = time.monotonic()
    with siege.enter("observer") as observer:
        observer.hello(Role.OBSERVER)
        observer.wait_for(Welcome)
        observer.say(Ask())
        observer.wait_for(Status)
    return time.monotonic() - begun_s


def everything(chance: Random, handshake: bytes) -> Iterable[bytes]:
    """What strangers say."""
    for _ in range(60):
        yield chance.randbytes(chance.choice((1, 10, 64, 65, 300, 5_000)))
    for _ in range(150):
        yield damaged(handshake, chance)
    yield handshake  # what somebody with a key once said, again
    yield handshake * 3
    yield handshake[:64] + b"\x06" + (1 << 62).to_bytes(8, "big") + b"HELLO"  # a command that says it is huge
    yield handshake[:64] + b"\x02" + (1 << 31).to_bytes(8, "big") + b"\xff" * 100_000
    yield b"GET / HTTP/1.1\r\nHost: loads-master:7700\r\nAccept: */*\r\n\r\n"
    yield b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
    yield client_hello()
    yield b"\xff" * 1_000_000
    yield b"\x00" * 1_000_000


def test_whatever_bytes_come_nobody_notices(siege: Siege) -> None:
    with overheard(siege.tcp, siege.keys["observer"]) as said:
        handshake = bytes(said)
    assert len(handshake) > 64 + 200
    for data in everything(Random(6), handshake):
        throw(siege, data)
    siege.check()


@pytest.mark.long
def test_whatever_bytes_come_for_long(siege: Siege) -> None:
    with overheard(siege.tcp, siege.keys["observer"]) as said:
        handshake = bytes(said)
    chance = Random(time.time_ns())
    for _ in range(20):
        for data in everything(chance, handshake):
            throw(siege, data)
        siege.check()


def test_a_hundred_who_say_nothing_keep_nobody_out_and_are_hung_up_on(siege: Siege) -> None:
    before = open_files(siege)
    with ExitStack() as stack:
        silent = [stack.enter_context(siege.knock()) for _ in range(100)]
        slow = silent[:10]
        for sock in slow:  # not even a greeting, byte by byte
            sock.sendall(b"\xff\x00\x00")
        assert let_in(siege) < 2.0
        siege.check()
        assert all(closes(sock) for sock in silent)
    wait_until(lambda: open_files(siege) <= before, "the broker to let go of their connections")


def test_who_comes_and_goes_without_end_keeps_nobody_out(siege: Siege) -> None:
    before = open_files(siege)
    for _ in range(500):
        with siege.knock():
            pass
    assert let_in(siege) < 2.0
    siege.check()
    wait_until(lambda: open_files(siege) <= before, "the broker to let go of their connections")


def test_without_a_key_or_with_a_strange_one_no_word_is_heard(siege: Siege) -> None:
    forged = replace(parse_join(siege.keys["runner"]), pair=new_pair())
    for line in (None, forged.line):
        with Intruder(siege.tcp, line) as intruder:
            intruder.say(Hello(protocol=PROTOCOL, version="1", role=Role.RUNNER, session=1), Ask(), wait_s=0.3)
            assert intruder.hear(0.3) is None
    siege.check()


def test_strange_keys_without_end_keep_nobody_out_and_do_not_fill_the_disk(siege: Siege) -> None:
    """The last one but one: it sees what all the others left behind, too."""
    join = parse_join(siege.keys["agent"])
    with ExitStack() as stack:
        for _ in range(50):
            forged = replace(join, pair=new_pair())
            stack.enter_context(Intruder(siege.tcp, forged.line))
        end_s = time.monotonic() + 1
        while time.monotonic() < end_s:
            assert let_in(siege) < 2.0
        siege.check()
    for path in (siege.audit, siege.cluster.directory / "broker.log"):
        assert 0 < path.stat().st_size < LOG_BYTES


def test_what_a_peer_with_a_key_was_refused_is_told_all_the_same(siege: Siege) -> None:
    with siege.enter("observer") as observer:
        observer.hello(Role.OBSERVER)
        observer.say(Cease(run="nothing", now=False))
        observer.wait_for(Refused)
    told = '"who":"key observer","what":"cease"'  # written right after the answer went
    wait_until(lambda: told in siege.audit.read_text(), "the audit log")
