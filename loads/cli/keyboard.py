"""One key from whoever sits at the terminal, without an end of line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import suppress

from loads.runner.remote import Answer


def somebody_is_there() -> bool:
    """Whether a question would be seen and answered: both ends are terminals, and this job has the keyboard."""
    try:
        there = sys.stdin.isatty() and sys.stderr.isatty()
        return there and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False


async def ask_key(show: Callable[[], None]) -> Answer:
    """The first key that is an answer to what `show` asks, which it does when each key is heard as it is typed.

    A terminal that goes away is an answer, too: to go on without it.
    """
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    answer: asyncio.Future[Answer] = loop.create_future()

    def read() -> None:
        try:
            keys = os.read(descriptor, 64).decode(errors="replace").lower()
        except OSError:
            keys = ""
        known = [key for key in keys if key in {each.value for each in Answer}]
        if answer.done() or (keys and not known):
            return
        answer.set_result(Answer(known[0]) if known else Answer.CONTINUE)

    def listen() -> None:
        """Also after the job was stopped and goes on: the shell may have set up the terminal for itself."""
        with suppress(termios.error, OSError):
            if os.tcgetpgrp(descriptor) == os.getpgrp():
                tty.setcbreak(descriptor, termios.TCSANOW)

    before = termios.tcgetattr(descriptor)
    termios.tcflush(descriptor, termios.TCIFLUSH)  # what was typed before the question is no answer to it
    listen()
    loop.add_reader(descriptor, read)
    loop.add_signal_handler(signal.SIGCONT, listen)
    try:
        show()
        return await answer
    finally:
        loop.remove_signal_handler(signal.SIGCONT)
        loop.remove_reader(descriptor)
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
