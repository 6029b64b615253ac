"""The way to a broker behind SSH: a local socket that leads there as long as the tunnel is open, and opens it again.

Threads, no event loop: it is there before the command's loop is, and after. What connects to `Tunnel.socket` sees its
connection end when the tunnel breaks, and connects again by itself; so nobody but `noticed` hears of it.
"""

from __future__ import annotations

import os
import select
import shutil
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loads.errors import UsageError
from loads.runner.ssh import NoTunnel, Remote
from loads.runner.sshlink import Link
from loads.runner.sshplace import private_place

LOGIN_S: Final = 30.0
"""Nobody is asked when the tunnel is opened again, so a login that takes longer is none."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0


class Tunnel:
    """To the broker behind `remote`; `with` opens and ends it.

    Args:
        run: a directory for sockets, which may be missing.
        noticed: takes what the user should know, in a thread of ours.
        patient: what may be over by itself, as a machine that is down, does not keep it from being entered.

    Attributes:
        socket: leads to the broker.
        noticed: as above; it may be changed at any time.

    Raises:
        UsageError: on entering: there is no way through. It shows what ssh said.
    """

    def __init__(
        self, remote: Remote, run: Path, *, noticed: Callable[[str], None] = lambda _: None, patient: bool = False
    ) -> None:
        self.noticed = noticed
        self._remote, self._run, self._patient = remote, run, patient
        self._ends = ExitStack()
        self._state = "closed"

    def __repr__(self) -> str:
        return f"<Tunnel to {self._remote} {self._state}>"

    def __enter__(self) -> Self:
        if shutil.which("ssh") is None:
            raise UsageError(
                "there is no ssh on this machine", "install OpenSSH's client, as the package openssh-client"
            )
        with self._ends:
            self._stopped, self._stop = os.pipe()
            self._ends.callback(os.close, self._stopped)
            self._ends.callback(os.close, self._stop)
            directory = self._ends.enter_context(private_place(self._run))
            self._link = Link(self._remote, directory, self._stopped)
            self._ends.callback(self._link.close)
            self.socket = self._link.socket
            trouble = self._open_first()
            thread = threading.Thread(target=self._keep, args=(trouble,), name="tunnel", daemon=True)
            thread.start()
            self._ends.callback(thread.join)
            self._ends.callback(os.write, self._stop, b"\0")
            self._ends = self._ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()
        self._state = "closed"

    def _open_first(self) -> str | None:
        """Why it could not be opened; None: it is open. Here ssh may ask for a password or about a key."""
        try:
            with _terminal_kept():
                self._link.open(batch=False, limit_s=None)
        except NoTunnel as error:
            if not (self._patient and error.passes):
                raise
            self.noticed(f"{error.message}; tried again and again")
            self._link.close()
            return error.message
        try:
            self._link.check()
        except NoTunnel as error:
            if not (self._patient and error.passes):
                raise
            self.noticed(error.message)
        return None

    def _keep(self, trouble: str | None) -> None:
        """Until we are stopped: wait for the tunnel to break, and open it again. What the trouble is is told once."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._state = "open" if trouble is None else f"broken: {trouble}"
            if trouble is None:
                last = self._link.follow()
                if self._is_stopped(0):
                    return
                self.noticed(f"the SSH tunnel to {self._remote} broke ({last}); it is opened again")
                pause_s = FIRST_PAUSE_S
            self._link.close()
            if self._is_stopped(pause_s):
                return
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            try:
                self._link.open(batch=True, limit_s=LOGIN_S)
            except (UsageError, OSError) as error:  # of this machine, too: it may have room for a process later
                if self._is_stopped(0):
                    return
                told = error.message if isinstance(error, UsageError) else f"ssh can't be started: {error}"
                if told != trouble:
                    self.noticed(f"{told}; tried again and again")
                trouble = told
            else:
                trouble = None
                self.noticed(f"the SSH tunnel to {self._remote} is open again")

    def _is_stopped(self, limit_s: float) -> bool:
        """Whether the end has come, or comes within that time."""
        return bool(select.select([self._stopped], [], [], limit_s)[0])


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Who is interrupted while ssh asks for a password gets a terminal back that shows what is typed."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        before = termios.tcgetattr(terminal)
        try:
            yield
        except BaseException:
            with suppress(termios.error, OSError):
                if os.tcgetpgrp(terminal) == os.getpgrp():
                    termios.tcsetattr(terminal, termios.TCSANOW, before)
            raise
    finally:
        os.close(terminal)
