"""Who comes to a dashboard, without a browser: logs in, asks, listens. What a browser adds by itself is added here.

async with Visitor(link) as visitor:
    await visitor.log_in()
    await visitor.follow(run)
    frame = await visitor.hear("RunFrame", lambda frame: frame["stage"] == "ended")
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

HEAR_S = 20.0
Frame = dict[str, Any]


class Visitor:
    """A browser with cookies of its own. `link` is the one that was printed."""

    def __init__(self, link: str) -> None:
        self.link = link
        parts = urlsplit(link)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.cookies: dict[str, str] = {}
        self.heard: list[Frame] = []
        self._client = SimpleAsyncHTTPClient(force_instance=True)
        self._socket: WebSocketClientConnection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            protocol = self._socket.protocol
            self._socket.close()
            if protocol is not None:  # at once: nobody waits for the server's farewell
                protocol.stream.close()
        self._client.close()

    async def ask(self, path: str, method: str = "GET", *, origin: str | None = None, **more: Any) -> HTTPResponse:
        """One request, as one of its pages makes it; `headers` and `body` may be given. Redirects are not followed."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method != "GET":
            headers |= {"Origin": origin or self.origin, "X-XSRFToken": self.cookies.get("_xsrf", "")}
            more.setdefault("body", "")
        headers |= more.pop("headers", {})
        request = HTTPRequest(
            self.origin + path, method, headers=headers, follow_redirects=False, validate_cert=False, **more
        )
        answer = await self._client.fetch(request, raise_error=False)
        for text in answer.headers.get_list("Set-Cookie"):
            self.cookies |= {name: morsel.coded_value for name, morsel in SimpleCookie(text).items()}
        return answer

    async def log_in(self) -> None:
        """By the link, and on to the page."""
        answer = await self.ask(self.link.removeprefix(self.origin))
        assert answer.code == 302, answer.body
        assert (await self.ask("/")).code in (200, 503)

    async def get(self, path: str) -> Any:
        """What a call answers."""
        answer = await self.ask(path)
        assert answer.code == 200, answer.body
        return json.loads(answer.body)

    async def open(self, *, origin: str | None = None, host: str | None = None) -> WebSocketClientConnection:
        """Its socket."""
        headers = {"Origin": origin or self.origin, "Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        if host is not None:
            headers["Host"] = host
        url = self.origin.replace("http", "ws", 1) + "/api/live"
        self._socket = await websocket_connect(HTTPRequest(url, headers=headers, validate_cert=False))
        return self._socket

    async def say(self, kind: str, **values: Any) -> None:
        """A message of a page."""
        socket = self._socket or await self.open()
        await socket.write_message(json.dumps({"type": kind, **values}))

    async def follow(self, run: str) -> None:
        """Look at that run."""
        await self.say("Follow", run=run, on=True)

    async def hear(self, kind: str, is_so: Callable[[Frame], bool] = lambda _: True) -> Frame:
        """The next message of that kind that is so; all that came are in `heard`."""
        async with asyncio.timeout(HEAR_S):
            while True:
                frame = await self.hear_any()
                if frame["type"] == kind and is_so(frame):
                    return frame

    async def hear_any(self) -> Frame:
        """The next message."""
        assert self._socket is not None
        message = await self._socket.read_message()
        assert message is not None, f"the connection ended: {self._socket.close_code} {self._socket.close_reason}"
        self.heard.append(json.loads(message))
        return self.heard[-1]

    @contextmanager
    def deaf_twin(self, run: str) -> Iterator[socket.socket]:
        """Another page of the same browser that follows `run` and reads not a byte; the system holds few for it."""
        host = urlsplit(self.origin).netloc
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = (
            f"GET /api/live HTTP/1.1\r\nHost: {host}\r\nOrigin: {self.origin}\r\nCookie: {cookie}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        said = json.dumps({"type": "Follow", "run": run, "on": True}).encode()
        frame = bytes([0x81, 0x80 | len(said), 0, 0, 0, 0]) + said
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect((host.rpartition(":")[0], int(host.rpartition(":")[2])))
            sock.sendall(head.encode() + frame)
            yield sock

    async def is_turned_away(self, **how: Any) -> int:
        """The status with which its socket was refused."""
        try:
            await self.open(**how)
        except HTTPClientError as error:
            return error.code
        raise AssertionError("it was let in")
