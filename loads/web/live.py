"""The socket of a page: one for all that it looks at."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from typing import Any, Final

import msgspec
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from loads.report.page import FromPage
from loads.web.handlers import Guarded, Refused
from loads.web.viewers import Viewer

_BUFFER_BYTES: Final = 256 << 10
"""What the system holds for a page that does not read: less, and the other frames of a busy one would wait."""
_NOT_UNDERSTOOD: Final = 1007
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time."""
_MESSAGES: Final = 200
"""That a page may send at once; a table that is scrolled through opens and closes some."""
_MESSAGES_PER_S: Final = 50
_decode: Final = msgspec.json.Decoder(FromPage).decode


class Live(WebSocketHandler, Guarded):
    """Tells a page of what it asks for. Frames are not compressed: it would cost more than all else, for each page."""

    _viewer: Viewer | None = None
    _may_say: float = _MESSAGES
    _said_s = 0.0

    def prepare(self) -> None:
        super().prepare()
        if not self.is_from_us:
            raise Refused(403, "this did not come from a page of this server")
        if self.hub.is_full:
            raise Refused(503, "too many pages are open", "close some of them")

    def check_origin(self, origin: str) -> bool:
        return self.is_from_us

    def open(self, *arguments: Any, **named: Any) -> None:
        connection = self.ws_connection
        stream = None if connection is None else connection.stream
        if stream is not None and stream.socket is not None:
            with suppress(OSError):
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.set_nodelay(True)
        self._viewer = self.hub.join(self._send, self._drop, self._end)

    def on_message(self, message: str | bytes) -> None:
        if self._viewer is None:
            return
        if not self._has_leave():
            self._drop()
            return
        try:
            wanted = _decode(message)
        except (msgspec.DecodeError, RecursionError):
            self.close(_NOT_UNDERSTOOD, "not understood")
            return
        self.hub.heard(self._viewer, wanted)

    def on_ping(self, data: bytes) -> None:
        """Browsers send none; who does is answered by Tornado, and pays as for a message."""
        if not self._has_leave():
            self._drop()

    def on_close(self) -> None:
        if self._viewer is not None:
            self.hub.leave(self._viewer)
            self._viewer = None

    def _has_leave(self) -> bool:
        """Whether it may say something now, having said as much as it has."""
        now_s = time.monotonic()
        self._may_say = min(_MESSAGES, self._may_say + (now_s - self._said_s) * _MESSAGES_PER_S) - 1
        self._said_s = now_s
        return self._may_say >= 0

    async def _send(self, message: bytes) -> None:
        """Returns when the system has taken all of it."""
        with suppress(WebSocketClosedError, StreamClosedError):  # `on_close` follows
            await self.write_message(message)

    def _drop(self) -> None:
        """Without a farewell, which would wait behind what is not read; and the system forgets what it holds, too."""
        connection = self.ws_connection
        stream = None if connection is None else connection.stream
        if stream is not None and stream.socket is not None:
            with suppress(OSError):
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._end()

    def _end(self) -> None:
        """What was sent still comes to the page."""
        connection = self.ws_connection
        if connection is not None and connection.stream is not None:
            connection.stream.close()
