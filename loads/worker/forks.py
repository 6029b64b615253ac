"""What becomes of a worker that a test forks (`os.fork`, multiprocessing's "fork"): a process of the test's own.

The child has a copy of everything: the link, the page of counters, the event loop with all other virtual users in it.
Left alone it would send deltas as if it were the worker and run everybody's iterations a second time. So it loses all
of that at once, and when the iteration that forked it ends, so does the child. What it requests itself is not counted,
as with any process that a test starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from gevent._hub_local import get_hub_class, set_hub, set_loop  # what gevent itself uses to begin anew

forked = False
"""Whether this process is such a child."""


def disown_children(*parts: Callable[[], None]) -> None:
    """From now on, make every forked child let go of the worker: each of `parts` is called in it."""

    def in_child() -> None:
        global forked
        forked = True
        for part in parts:
            part()
        set_loop(None)
        set_hub(get_hub_class()(default=False))

    os.register_at_fork(after_in_child=in_child)


def end_if_child() -> None:
    """In a forked child: this is as far as it goes."""
    if forked:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(0)
