"""What happens to the connections of a ZeroMQ socket, and what a socket is ready for, as both ends of the wire ask it.

A socket's descriptor says "look again" only once. Who was woken by it must read until nothing is left, and so must who
sent or looked, for that takes the wake-up, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import zmq

SILENT_MS: Final = 5_000
"""A TCP connection whose other end confirms nothing for so long is given up, and made anew. The kernel would go on for
a quarter of an hour, in longer and longer steps: a link that is back would be noticed as late as it had been away."""
_ADDRESS: Final = "inproc://monitor"
_EVENT: Final = struct.Struct("=hi")


def open_monitor(context: zmq.Context[zmq.Socket[bytes]], watched: zmq.Socket[bytes], events: int) -> zmq.Socket[bytes]:
    """A socket that tells of those `events` of `watched`, the only one of its context.

    It takes any number of them: a full one would stop the I/O thread, and with it all connections.
    """
    watched.monitor(_ADDRESS, events)
    monitor = context.socket(zmq.SocketType.PAIR)
    monitor.setsockopt(zmq.SocketOption.RCVHWM, 0)
    monitor.setsockopt(zmq.SocketOption.LINGER, 0)
    monitor.connect(_ADDRESS)
    return monitor


def events_of(monitor: zmq.Socket[bytes]) -> Iterator[tuple[int, int]]:
    """What it tells until it is empty: events, each with its value (mostly a file descriptor)."""
    while True:
        try:
            head, _address = monitor.recv_multipart(zmq.Flag.NOBLOCK)
        except zmq.Again:
            return
        event, value = _EVENT.unpack(head)
        yield event, value


def descriptor_of(end: zmq.Socket[bytes]) -> int:
    """The descriptor that says when to look again."""
    descriptor = end.getsockopt(zmq.SocketOption.FD)
    assert isinstance(descriptor, int)
    return descriptor


def readiness_of(end: zmq.Socket[bytes]) -> int:
    """What it is ready for, POLLIN or POLLOUT, with all that its I/O thread has told by now taken in."""
    ready = end.getsockopt(zmq.SocketOption.EVENTS)
    assert isinstance(ready, int)
    return ready
