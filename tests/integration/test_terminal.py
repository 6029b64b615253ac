"""What a person at a terminal sees: the live screen at several widths, and a debugger with --workers 0.

The commands run on a real pseudo-terminal; pyte plays the screen.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyte
import pytest

from tests.commands import LOADS_RUNNER, LoadsRunner
from tests.servers import DEADLINE_S

SITE = """
from loads.case import TestCase

class TestSite(TestCase):
    def test_home(self):
        self.app.get("/")

    def test_a_page_with_a_rather_long_name(self):
        self.session.get(self.server_url + "/a/rather/long/path/that/goes/on/and/on/for/a/while")
        self.fail("nothing there")
"""


class Terminal:
    """A command on a terminal of `width` x `height`."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int, width: int, height: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.screen = pyte.HistoryScreen(width, height, history=10_000, ratio=1.0)
        self._stream = pyte.ByteStream(self.screen)
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.screen.resize(height, width)
        self.process.send_signal(signal.SIGWINCH)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def read_until(self, text: str, deadline_s: float = DEADLINE_S) -> list[str]:
        """Play what comes until `text` is on the screen; the screen's lines."""
        end_s = time.monotonic() + deadline_s
        while not any(text in line for line in self.screen.display):
            assert time.monotonic() < end_s, "\n".join(self.screen.display)
            if not self._read():
                break
        assert any(text in line for line in self.screen.display), "\n".join(self.screen.display)
        return list(self.screen.display)

    def read_to_end(self) -> list[str]:
        """All lines, those scrolled away included."""
        while self._read():
            pass
        scrolled = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return [line.rstrip() for line in (*scrolled, *self.screen.display)]

    def _read(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], DEADLINE_S)
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:
            return False
        self._stream.feed(data)
        return bool(data)


@contextmanager
def terminal(loads: LoadsRunner, width: int, height: int, *arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = subprocess.Popen(
        [LOADS_RUNNER, *arguments],
        cwd=loads.directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**environment, "TERM": "xterm-256color", "LOADS_ALLOW_INVALID": "true"},
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours, width, height)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_live_screen_fits_and_leaves_only_the_block(loads: LoadsRunner, site: str, width: int) -> None:
    loads.write("sites.py", SITE)
    with terminal(loads, width, 30, "sites.py", "-u", "4", "-d", "5s", "--server-url", site) as screen:
        lines = screen.read_until("hits/s")
        text = "\n".join(lines)
        assert "4 users" in text
        assert "p95" in text
        assert "AssertionError" in text
        assert any("left" in line for line in lines)
        everything = screen.read_to_end()
        assert screen.process.wait(DEADLINE_S) == 1
    assert any(line.startswith("[====") for line in everything)
    assert "hits/s" not in "\n".join(everything)
    assert any(line.startswith("Verdict: failed") for line in everything)


def test_the_live_screen_survives_resizing(loads: LoadsRunner, site: str) -> None:
    loads.write("sites.py", SITE)
    with terminal(loads, 120, 30, "sites.py", "-u", "4", "-d", "4s", "--server-url", site) as screen:
        screen.read_until("hits/s")
        for width, height in ((60, 12), (200, 50), (40, 8), (90, 24)):
            screen.resize(width, height)
            screen.read_until("users")
        everything = screen.read_to_end()
        assert screen.process.wait(DEADLINE_S) == 1
    assert any(line.startswith("Verdict: failed") for line in everything)


def test_workers_0_stops_at_a_breakpoint(loads: LoadsRunner, site: str) -> None:
    loads.write(
        "sites.py",
        """
from loads.case import TestCase

class TestSite(TestCase):
    def test_home(self):
        answer = self.session.get(self.server_url).status_code
        breakpoint()
        self.assertEqual(answer, 200)
""",
    )
    with terminal(loads, 100, 40, "sites.py", "--workers", "0", "--server-url", site) as screen:
        screen.read_until("(Pdb)")
        screen.type("print('the answer is', answer)\n")
        screen.read_until("the answer is 200")
        screen.type("continue\n")
        everything = screen.read_to_end()
        assert screen.process.wait(DEADLINE_S) == 0
    assert "Success: 1" in everything
    assert "Verdict: passed" in everything
