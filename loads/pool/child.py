"""A worker's process and what connects it: a socketpair, its standard output and error, its page of counters.

The pipes are ours, not asyncio's own: for those, a process has not ended while a child of the test's holds one open.
Messages to the worker go through a transport of their own: one that finds the worker gone must not throw away what it
said before.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loads.errors import ProtocolError
from loads.metrics.counters import PAGE_BYTES, Counts, read_note
from loads.pool.confine import Confinement, WorkerUser, not_startable
from loads.pool.estate import LAST_WORDS_SUFFIX
from loads.wire.codec import from_worker

_TRIAL_S: Final = 60.0
"""How long the first worker of an agent may take to say that it lives."""
_TOLD_BYTES: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class Child:
    """A running worker process. `out` and `err` are what it prints, `reader` what it says, `writer` what it is told.

    `path` is the file with its page of counters, `page` the same file, open.
    """

    incarnation: int
    path: Path
    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    out: asyncio.StreamReader
    err: asyncio.StreamReader
    page: int
    held: tuple[asyncio.BaseTransport | asyncio.StreamWriter, ...]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL it, if it still lives."""
        with suppress(ProcessLookupError):
            self.process.kill()

    def read_page(self) -> tuple[Counts, str]:
        """Its counters and its last words. The file is held open, so that who deletes it deletes only its name."""
        page = os.pread(self.page, PAGE_BYTES, 0)
        return Counts.read(page), read_note(page)

    def close(self) -> None:
        """Let go of everything but the process."""
        self.writer.close()
        for end in self.held:
            end.close()
        os.close(self.page)

    async def bury(self) -> None:
        """End it, and remove what it leaves."""
        self.kill()
        await self.process.wait()
        self.close()
        self.path.unlink(missing_ok=True)
        _last_words(self.path).unlink(missing_ok=True)


async def start_child(directory: Path, confinement: Confinement) -> Child:
    """Start a worker process, with its page in `directory`."""
    incarnation = secrets.randbits(64)
    path = directory.absolute() / f"worker-{incarnation:016x}.page"  # the worker goes to another directory
    page = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return await _start(incarnation, path, page, confinement)
    except BaseException:
        os.close(page)
        path.unlink(missing_ok=True)
        _last_words(path).unlink(missing_ok=True)
        raise


async def try_child(directory: Path, confinement: Confinement) -> None:
    """See that a worker comes to life there.

    Raises:
        UsageError: it does not.
    """
    try:
        child = await start_child(directory, confinement)
    except OSError as error:
        raise not_startable(confinement.user, str(error)) from error
    try:
        async with asyncio.timeout(_TRIAL_S):
            while data := await child.reader.read(_TOLD_BYTES):
                if any(True for _ in from_worker().feed(data)):
                    return
            said = (await child.err.read()).decode(errors="replace")
            await child.process.wait()  # it has closed all that it had
            raise not_startable(confinement.user, said)
    except (TimeoutError, ConnectionError, ProtocolError) as error:
        raise not_startable(confinement.user, f"it does not speak ({error})") from error
    finally:
        await child.bury()


async def _start(incarnation: int, path: Path, page: int, confinement: Confinement) -> Child:
    user = confinement.user
    if user is not None:
        _give(page, _last_words(path), user)
    limits = (f"{number}={most}" for number, most in confinement.limits.items())
    ours, theirs = socket.socketpair()
    out_end, out_start = os.pipe()
    err_end, err_start = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "loads.worker", str(theirs.fileno()), str(path), f"{incarnation:x}", *limits),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out_start,
            stderr=err_start,
            start_new_session=True,
            env=confinement.variables,
            cwd=None if user is None else "/",  # the agent's own may be closed to it
            **({} if user is None else user.as_started),
        )
    except BaseException:
        ours.close()
        os.close(out_end)
        os.close(err_end)
        raise
    finally:
        theirs.close()
        os.close(out_start)
        os.close(err_start)
    out, out_transport = await _read_pipe(out_end)
    err, err_transport = await _read_pipe(err_end)
    writer = await _write_only(ours.dup())
    reader, both = await asyncio.open_connection(sock=ours)
    return Child(incarnation, path, process, reader, writer, out, err, page, (out_transport, err_transport, both))


def _give(page: int, last_words: Path, user: WorkerUser) -> None:
    """Both files become `user`'s. He can't make any beside them, for he must not remove those of others."""
    words = os.open(last_words, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    for descriptor in (page, words):
        os.fchown(descriptor, user.uid, user.gid)
    os.close(words)


def _last_words(page: Path) -> Path:
    return page.with_name(page.name + LAST_WORDS_SUFFIX)


async def _read_pipe(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader, transport


class _WriteOnly(asyncio.StreamReaderProtocol):
    """Never reads: what comes is for the other transport of the same socket."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if isinstance(transport, asyncio.ReadTransport):
            transport.pause_reading()


async def _write_only(sock: socket.socket) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    transport, protocol = await loop.create_connection(lambda: _WriteOnly(asyncio.StreamReader()), sock=sock)
    return asyncio.StreamWriter(transport, protocol, None, loop)
