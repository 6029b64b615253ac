"""Whom the socket lets in over TCP: CURVE keys, asked for at each handshake by pyzmq's authenticator (ZAP, RFC 27).

And who it is that came in: each connection is of a key, of a user of this machine, or of anybody where the broker was
told to ask nobody. Decides nothing: whether a key is admitted is asked of the owner, each time anew.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import zmq
from zmq.auth.base import Authenticator
from zmq.utils import z85

from loads.wire.codec import MAX_MESSAGE_BYTES, SEAL_BYTES
from loads.wire.keys import KeyPair
from loads.wire.monitor import descriptor_of, readiness_of

_DOMAIN: Final = "loads"
_ADDRESS: Final = "inproc://zeromq.zap.01"
"""Where ZeroMQ asks, as RFC 27 has it."""
_USER: Final = struct.Struct("3i")


@dataclass(frozen=True)
class Caller:
    """Who made a connection.

    Attributes:
        key: the public key that he proved to own; None: he was not asked for one.
        uid: his user number, over a unix socket, where the kernel tells it.
        address: of his machine, over TCP; None: he is on this one.
    """

    key: bytes | None
    uid: int | None
    address: str | None


class Doorman:
    """Of the sockets of `context`; made within a running loop, before any of them asks for keys.

    Args:
        admits: whether a public key may come in.
        refused: takes those that may not, and from where they tried.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        admits: Callable[[bytes], bool],
        refused: Callable[[bytes, str], None],
    ) -> None:
        self._refused = refused
        self._book = _Book(admits)
        self._socket = context.socket(zmq.SocketType.REP)
        self._socket.setsockopt(zmq.SocketOption.LINGER, 0)
        self._socket.bind(_ADDRESS)
        self._authenticator = _Authenticator(context)
        self._authenticator.zap_socket = self._socket
        self._authenticator.configure_curve_callback(_DOMAIN, self._book)
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor_of(self._socket), self._woken.set)
        self._answering = self._loop.create_task(self._answer())

    def guard(self, socket_: zmq.Socket[bytes], pair: KeyPair) -> None:
        """All that `socket_` binds from now on asks for keys. What it bound before does not.

        Should nobody be there to be asked, nobody comes in: that is what enforcing the domain is for.
        """
        socket_.setsockopt(zmq.SocketOption.MAXMSGSIZE, MAX_MESSAGE_BYTES + SEAL_BYTES)
        socket_.setsockopt(zmq.SocketOption.CURVE_SERVER, 1)
        socket_.setsockopt(zmq.SocketOption.CURVE_SECRETKEY, pair.secret)
        socket_.setsockopt(zmq.SocketOption.ZAP_DOMAIN, _DOMAIN.encode())
        socket_.setsockopt(zmq.SocketOption.ZAP_ENFORCE_DOMAIN, 1)

    def close(self) -> None:
        """Answer no more."""
        self._loop.remove_reader(descriptor_of(self._socket))
        self._answering.cancel()
        self._socket.close(0)

    async def _answer(self) -> None:
        while True:
            self._woken.clear()
            while readiness_of(self._socket) & zmq.PollEvent.POLLIN:
                question = self._socket.recv_multipart(zmq.Flag.NOBLOCK)
                await self._authenticator.handle_zap_message(question)
                for key in self._book.turned_away():
                    self._refused(key, question[3].decode(errors="replace"))
            await self._woken.wait()


class _Authenticator(Authenticator):
    def curve_user_id(self, client_public_key: bytes) -> str:
        return client_public_key.hex()


class _Book:
    """What pyzmq's authenticator asks."""

    def __init__(self, admits: Callable[[bytes], bool]) -> None:
        self._admits = admits
        self._turned_away: list[bytes] = []

    def callback(self, _domain: str, key: bytes) -> bool:
        """`key` comes as Z85."""
        public = z85.decode(key)
        admitted = self._admits(public)
        if not admitted:
            self._turned_away.append(public)
        return admitted

    def turned_away(self) -> list[bytes]:
        """The keys that were not admitted since this was asked."""
        keys, self._turned_away = self._turned_away, []
        return keys


def caller_of(frame: zmq.Frame, descriptor: int) -> Caller:
    """Who sent `frame`, which came over `descriptor`."""
    key: bytes | None = None
    with suppress(zmq.ZMQError):  # nobody was asked for a key
        user = frame.get("User-Id")
        key = bytes.fromhex(user) if isinstance(user, str) else None
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as double:
        if double.family == socket.AF_UNIX:
            return Caller(key, _uid_of(double), None)
    address: object = None
    with suppress(zmq.ZMQError):
        address = frame.get("Peer-Address")
    return Caller(key, None, str(address))


def _uid_of(double: socket.socket) -> int | None:
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, uid, _ = _USER.unpack(double.getsockopt(socket.SOL_SOCKET, option, _USER.size))
    return int(uid)
