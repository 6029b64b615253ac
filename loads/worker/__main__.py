"""A worker process: ``python -m loads.worker FD PAGE INCARNATION [LIMIT=MOST...]``, started by a pool and nobody else.

Patches the standard library before anything else is imported. FD is this end of a socketpair, PAGE a file for the
counters that outlive the process, INCARNATION the 64 bits (hexadecimal) that name this process's life, and each LIMIT
one of the kernel's, by its number, which holds from before the first line of a test.
"""

from gevent import monkey

monkey.patch_all()

import atexit  # noqa: E402
import errno  # noqa: E402
import io  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Final  # noqa: E402

import gevent  # noqa: E402

import loads.client.quick  # noqa: E402, F401 - now: a spare worker has time for it, one that is asked to run has not
from loads.metrics.counters import write_note  # noqa: E402
from loads.worker.link import open_link, open_page  # noqa: E402
from loads.worker.process import Worker  # noqa: E402
from loads.worker.serve import serve  # noqa: E402

OOM_SCORE: Final = 500
"""When the machine has no memory left, the kernel shall end a worker, and not the agent or whoever else is there."""


def main(arguments: list[str]) -> None:
    """Serve the parent until it says Finish or is gone."""
    descriptor, page_path, incarnation, *limits = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a test printed must not die with it
        sys.stdout.reconfigure(line_buffering=True)
    be_limited(limits)
    link, page = open_link(int(descriptor), page_path), open_page(page_path)
    hub = gevent.get_hub()
    hub.SYSTEM_ERROR = (*hub.SYSTEM_ERROR, MemoryError)  # nobody would miss a greenlet of ours that died of it
    try:
        serve(Worker(link.send, page), link, int(incarnation, 16))
    except MemoryError:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        write_note(page, "out of memory" + (f": its limit is {most:,} bytes" if most != resource.RLIM_INFINITY else ""))
        os._exit(1)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(0)  # threads that a test left behind would go on with the load


def be_limited(limits: list[str]) -> None:
    """Have all the files that are allowed, but no more of anything than `limits` say."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for limit in limits:
        number, most = map(int, limit.split("="))
        resource.setrlimit(number, (most, most))
    offer_to_the_kernel(Path("/proc/self/oom_score_adj"))


def offer_to_the_kernel(score: Path) -> None:
    """Be ended before others, where there is such a file and it may be written."""
    try:
        if int(score.read_text()) < OOM_SCORE:
            score.write_text(f"{OOM_SCORE}\n")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise


if __name__ == "__main__":
    main(sys.argv[1:])
