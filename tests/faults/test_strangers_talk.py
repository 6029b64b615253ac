"""Peers that are none of ours, or make no sense, talk to the broker in mid-run: nobody else notices."""

from __future__ import annotations

import mmap
import socket
import time

import zmq

import loads
from loads.wire.cluster import Hello, Role
from loads.wire.codec import encode
from loads.wire.messages import PROTOCOL
from tests.cluster import Cluster
from tests.intruders import peak_memory_bytes
from tests.servers import DEADLINE_S, Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

GARBAGE = b"\xc1 this is no message of anybody's"


def test_nobody_notices(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    options = ("paced.py", "-a", "3", "-u", str(USERS), "-d", "6s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx, 2)
        begun_s = time.time()
        speak_http(cluster)
        for messages in ([GARBAGE], [hello(), GARBAGE], [hello(), encode_deep()]):
            speak_until_told_of(cluster, *messages)
        with mmap.mmap(-1, 1 << 30) as gigabyte:  # pages of zeros, which take no memory
            send_and_be_cut_off(cluster, hello(), gigabyte)
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    assert "broker" not in run.err
    assert "took its users" not in run.err
    assert told_of(cluster) == 3  # what is too large is cut off before it is anything
    assert peak_memory_bytes(cluster.broker.pid) < 300 << 20
    traffic = Traffic(nginx, begun_s)
    traffic.never_doubles()
    traffic.is_back(begun_s)


def speak_http(cluster: Cluster) -> None:
    """As a browser that was given the wrong address."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect(str(cluster.endpoint.path))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")
        try:
            while sock.recv(4096):
                pass
        except ConnectionResetError:
            pass


def speak_until_told_of(cluster: Cluster, *messages: bytes) -> None:
    """Say all of `messages`, be cut off, and find it told.

    Who comes right after another may be cut off without a word: it was not clear which of the two had spoken.
    """
    before = told_of(cluster)
    for _ in range(5):
        send_and_be_cut_off(cluster, *messages)
        assert cluster.status() is not None  # by now the broker has written what it tells
        if told_of(cluster) > before:
            return
    raise AssertionError(f"the broker does not tell of it; it said:\n{cluster.broker.log()}")


def told_of(cluster: Cluster) -> int:
    """How many peers the broker says that it cut off."""
    return cluster.broker.log().count("cut off a peer: ")


def send_and_be_cut_off(cluster: Cluster, *messages: bytes | mmap.mmap) -> None:
    """Say all of `messages`, and wait until the broker ends the connection."""
    with zmq.Context() as context, context.socket(zmq.SocketType.DEALER) as dealer:
        dealer.linger = 0
        with dealer.get_monitor_socket(zmq.Event.DISCONNECTED) as monitor:
            dealer.connect(cluster.endpoint.url)
            for message in messages:
                dealer.send(message, copy=False)
            assert monitor.poll(round(DEADLINE_S * 1_000)), "the broker did not cut it off"
            dealer.disable_monitor()


def hello() -> bytes:
    return encode(Hello(protocol=PROTOCOL, version=loads.__version__, role=Role.RUNNER, session=1))


def encode_deep() -> bytes:
    """Lists in lists: what exhausts the stack of a careless decoder."""
    return b"\x91" * 100_000
