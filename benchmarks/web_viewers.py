"""Those who look at a run in a browser, without the browser: each logs in, follows the run, and reads what comes.

All are one process. One more may be deaf: it follows the run and never reads a byte. Started by `web`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final
from urllib.parse import urlsplit

import msgspec
from broker_agents import now_us
from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

FOLLOWING: Final = "following"
_RECEIVE_BYTES: Final = 4_096
"""Of the deaf one's socket: what a kernel holds for it would hide it for long."""


@dataclass
class Looked:
    """What the viewers saw.

    Attributes:
        shown: (machine, batch, us): when a viewer had which batch, for each viewer.
        frames: that came, to all of them.
        frame_bytes: of each that was not whole, for one viewer.
        whole_bytes: of the largest whole one.
        lost: viewers whose connection ended before the run.
        deaf_s: when the deaf one was sent away, after it began to be deaf; None: it was not.
    """

    shown: list[tuple[int, int, int]] = field(default_factory=list)
    frames: int = 0
    frame_bytes: list[int] = field(default_factory=list)
    whole_bytes: int = 0
    lost: int = 0
    deaf_s: float | None = None


class _Machine(msgspec.Struct):
    """An agent; its number of users is the number of its last batch."""

    id: int
    users: int


class _Frame(msgspec.Struct):
    """What is read of a frame: the rest is for eyes."""

    type: str
    full: bool = False
    stage: str = ""
    machines: list[_Machine] | None = None


_decode = msgspec.json.Decoder(_Frame).decode


def run_viewers(link: str, run: str, viewers: int, deaf: bool, core: int, results: Connection) -> None:
    """The process: says `FOLLOWING` once all have a frame, and `Looked` when the run has ended."""
    os.sched_setaffinity(0, {core})
    results.send(asyncio.run(_run(link, run, viewers, deaf, results)))


async def _run(link: str, run: str, viewers: int, deaf: bool, results: Connection) -> Looked:
    cookie = await _log_in(link)
    looked = Looked()
    there = [asyncio.Event() for _ in range(viewers)]
    views = [asyncio.create_task(_view(link, cookie, run, n == 0, event, looked)) for n, event in enumerate(there)]
    for event in there:
        await event.wait()
    ignoring = asyncio.create_task(_ignore(link, cookie, run, looked)) if deaf else None
    results.send(FOLLOWING)
    await asyncio.gather(*views)
    if ignoring is not None:
        ignoring.cancel()
        await asyncio.gather(ignoring, return_exceptions=True)
    return looked


async def _log_in(link: str) -> str:
    """The cookies that the link gives."""
    answer = await SimpleAsyncHTTPClient().fetch(HTTPRequest(link, follow_redirects=False), raise_error=False)
    return "; ".join(line.partition(";")[0] for line in answer.headers.get_list("Set-Cookie"))


def _request(link: str, cookie: str) -> HTTPRequest:
    host = urlsplit(link).netloc
    return HTTPRequest(f"ws://{host}/api/live", headers={"Cookie": cookie, "Origin": f"http://{host}"})


async def _view(link: str, cookie: str, run: str, first: bool, there: asyncio.Event, looked: Looked) -> None:
    connection: WebSocketClientConnection = await websocket_connect(_request(link, cookie))
    await connection.write_message(json.dumps({"type": "Follow", "run": run, "on": True}))
    known: dict[int, int] = {}
    while True:
        text = await connection.read_message()
        at_us = now_us()
        if text is None:
            looked.lost += 1
            there.set()
            return
        frame = _decode(text)
        if frame.type != "RunFrame":
            continue
        looked.frames += 1
        if frame.full:
            looked.whole_bytes = max(looked.whole_bytes, len(text))
        elif first:
            looked.frame_bytes.append(len(text))
        for machine in frame.machines or ():
            before = known.get(machine.id)
            if before is not None:
                looked.shown += [(machine.id, batch, at_us) for batch in range(before + 1, machine.users + 1)]
            known[machine.id] = max(machine.users, before or 0)
        there.set()
        if frame.stage == "ended":
            connection.close()
            return


async def _ignore(link: str, cookie: str, run: str, looked: Looked) -> None:
    """Follow the run by hand, and read nothing more."""
    parts = urlsplit(link)
    loop = asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        deaf.setblocking(False)
        await loop.sock_connect(deaf, (parts.hostname, parts.port))
        head = (
            f"GET /api/live HTTP/1.1\r\nHost: {parts.netloc}\r\nOrigin: http://{parts.netloc}\r\nCookie: {cookie}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcy4uLg==\r\n\r\n"
        )
        body = json.dumps({"type": "Follow", "run": run, "on": True}).encode()
        # A masked text frame; a mask of zeros leaves it as it is.
        await loop.sock_sendall(deaf, head.encode() + bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
        began_s = loop.time()
        while _is_open(deaf):
            await asyncio.sleep(0.1)
        looked.deaf_s = loop.time() - began_s


def _is_open(connection: socket.socket) -> bool:
    """Whether the kernel still holds it open; nothing of what came is read."""
    state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == 1  # established
