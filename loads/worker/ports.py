"""Local ports in use towards one address: what runs out when connections are opened and closed too fast.

A closed connection keeps its port for a minute (TIME_WAIT) and then belongs to no process, so the kernel's table of
all connections is read: the ports of a machine are shared by all its processes anyway. The table is read in pieces and
without Python's lock, so that a thread can do it beside an event loop. Knows Linux only; elsewhere nothing is counted.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PIECE_BYTES: Final = 1 << 16
# The columns local_address, rem_address and st of one line, as hexadecimal numbers.
_CONNECTION: Final = re.compile(rb": ([0-9A-F]{8,32}):([0-9A-F]{4}) ([0-9A-F]{8,32}:[0-9A-F]{4}) (?!0A)[0-9A-F]{2} ")


def port_range() -> range | None:
    """The ports that the kernel gives to connections that ask for none; None where it doesn't say."""
    try:
        low, high = map(int, _RANGE.read_text().split())
    except (OSError, ValueError):
        return None
    return range(low, high + 1)


def count_ports(ports: range) -> int | None:
    """The most of `ports` that are taken from one local address towards one remote address and port.

    None where there is no table of connections. Blocks for as long as the kernel takes: a few milliseconds, and about
    one more for each 1,000 connections.
    """
    taken: Counter[tuple[bytes, bytes]] = Counter()
    tables = [path for path in _TABLES if Path(path).exists()]
    if not tables:
        return None
    for path in tables:
        try:
            taken.update(taken_ports(_pieces(path), ports))
        except OSError:  # out of open files, say: what can't be seen is not known
            return None
    return max(taken.values(), default=0)


def taken_ports(pieces: Iterable[bytes], ports: range) -> Counter[tuple[bytes, bytes]]:
    """How many of `ports` the connections of a table take, by local address and remote address with its port.

    `pieces` are the table's text, cut anywhere. Sockets that listen take no part.
    """
    taken: Counter[tuple[bytes, bytes]] = Counter()
    rest = b""
    for piece in pieces:
        lines, newline, rest = (rest + piece).rpartition(b"\n")
        for local, port, remote in _CONNECTION.findall(lines + newline):
            if int(port, 16) in ports:
                taken[local, remote] += 1
    return taken


def _pieces(path: str) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while piece := os.read(descriptor, _PIECE_BYTES):
            yield piece
    finally:
        os.close(descriptor)
