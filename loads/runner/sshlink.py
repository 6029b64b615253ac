"""One run of OpenSSH's client: the login, what the far side says of the socket, and the forwarding of ours to it.

ssh's input is a pipe of ours that nothing is written to. However this process ends, the pipe does, too; the far side
then ends its session, and with it ssh. So nothing is left behind by a SIGKILL, and nobody has to look.

ssh stays in our group of processes, for at the first login it may ask for a password, which only the group that has the
terminal can. Signals that are meant for the command reach it there, too. It is started with those ignored, which it
keeps to (as rsh did): a Ctrl-C is the run's, and the tunnel is there until we are through with it.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loads.runner.ssh import NoTunnel, Remote, check_path, explain, explain_closed, find_path
from loads.wire.plain import plain

SAID: Final = 12
"""So many of ssh's last lines are remembered."""
_LINE_BYTES: Final = 1_000
_PIECE_BYTES: Final = 1 << 16
_SHIELD: Final = """trap "" HUP INT QUIT TERM; exec "$0" "$@" """
_FORWARD_S: Final = 5.0
_GREETING_S: Final = 5.0
_END_S: Final = 1.0
"""After its input ended ssh has so long to say goodbye."""


class _Lines:
    """What comes through a pipe, by lines, of which the ends of long ones are left out."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""
        os.set_blocking(descriptor, False)

    def read(self) -> list[str] | None:
        """The lines that ended by now; None: there will be no more."""
        try:
            piece = os.read(self.descriptor, _PIECE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            piece = b""
        if not piece:
            return None
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest[:_LINE_BYTES]
        return [line[:_LINE_BYTES].decode(errors="replace").rstrip("\r") for line in lines]


class Link:
    """A connection to `remote` by a process of ssh's; its files are in `directory`, which is ours alone.

    Args:
        stopped: a descriptor; once something can be read there, whatever is waited for here is given up.

    Attributes:
        socket: ours. Whoever connects to it reaches the broker there.
        path: the broker's, there.
    """

    def __init__(self, remote: Remote, directory: Path, stopped: int) -> None:
        self.socket = directory / "broker.sock"
        self.path = ""
        self._control = directory / "control"
        self._remote = remote
        self._stopped = stopped
        self._said: deque[str] = deque(maxlen=SAID)
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._process is None else f"pid={self._process.pid}"
        return f"<Link to {self._remote} {state} said={list(self._said)[-1:]}>"

    def open(self, *, batch: bool, limit_s: float | None) -> None:
        """Log in and forward. `batch`: nobody can be asked for anything.

        Raises:
            NoTunnel: it can't be done, or not within `limit_s`.
        """
        self.path = ""
        self._said.clear()
        for left in (self._control, self.socket):
            left.unlink(missing_ok=True)
        self._start(self._remote.login(self._control, batch=batch))
        until_s = None if limit_s is None else time.monotonic() + limit_s
        path = None
        while path is None:
            lines = self._listen(until_s)
            if lines is None:
                raise self._failure(until_s)
            path = next((found for found in map(find_path, lines) if found is not None), None)
        check_path(path)
        self.path = path
        self._forward()

    def check(self) -> None:
        """See that a broker greets us at the other end. One that is merely slow is left to those who talk to it.

        Raises:
            NoTunnel: nobody is there.
        """
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_GREETING_S)
            try:
                probe.connect(str(self.socket))
                greeted = bool(probe.recv(1))
            except TimeoutError:
                return
            except OSError:
                greeted = False
        if not greeted:
            raise explain_closed(self._remote, self.path)

    def follow(self) -> str:
        """Wait until ssh ends, or we are stopped; the last that it said."""
        while self._listen(None) is not None:
            pass
        if self._is_over:
            self._ended()
        return self._said[-1] if self._said else "it said nothing"

    def close(self) -> None:
        """End ssh, and wait for it."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            process.stdin.close()
            process.wait(_END_S if self.path else 0)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()

    def _start(self, command: list[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the user's own ssh, with words that `ssh` has checked
            ["/bin/sh", "-c", _SHIELD, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._is_over = False
        self._out = _Lines(self._process.stdout.fileno())
        self._err = _Lines(self._process.stderr.fileno())

    def _listen(self, until_s: float | None) -> list[str] | None:
        """Lines of the far side, as soon as something is said; None: it is over, it is late, or we are stopped."""
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._out.descriptor, self._err.descriptor, self._stopped):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                left_s = None if until_s is None else max(0.0, until_s - time.monotonic())
                ready = {key.fd for key, _ in selector.select(left_s)}
                if not ready or self._stopped in ready:
                    return None
                if self._err.descriptor in ready and not self._remember():
                    selector.unregister(self._err.descriptor)
                if self._out.descriptor in ready:
                    lines = self._out.read()
                    self._is_over = lines is None
                    return lines

    def _remember(self) -> bool:
        """Keep what ssh said; False: it will say no more."""
        lines = self._err.read()
        self._keep(lines or ())
        return lines is not None

    def _keep(self, lines: Iterable[str]) -> None:
        """Some of it is the far side's, which must not write what it likes to this terminal."""
        self._said.extend(plain(line, keep="\t") for line in lines if line.strip())

    def _failure(self, until_s: float | None) -> NoTunnel:
        """Why there was no path."""
        if not self._is_over and until_s is not None and time.monotonic() >= until_s:
            return NoTunnel(f"ssh to {self._remote} takes too long", "see its network", passes=True)
        status = self._ended() if self._is_over else -1  # else we are stopped
        return explain(self._remote, status, list(self._said))

    def _ended(self) -> int:
        """It closed its output: its exit code, and what it said last is remembered."""
        assert self._process is not None
        try:
            status = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            status = -1
        self._remember()
        return status

    def _forward(self) -> None:
        command = self._remote.forward(self._control, self.socket, self.path)
        try:
            done = subprocess.run(  # noqa: S603
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_FORWARD_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise NoTunnel(f"ssh to {self._remote} does not answer", "see its network", passes=True) from None
        if done.returncode:
            self._keep(done.stderr.decode(errors="replace").splitlines())
            raise explain(self._remote, 255, list(self._said))
