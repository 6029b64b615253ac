"""A worker process: ``python -m loads.worker FD PAGE INCARNATION``, started by a pool and by nobody else.

Patches the standard library before anything else is imported. FD is this end of a socketpair, PAGE a file for the
counters that outlive the process, INCARNATION the 64 bits (hexadecimal) that name this process's life.
"""

from gevent import monkey

monkey.patch_all()

import atexit  # noqa: E402
import io  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402

import loads.client.quick  # noqa: E402, F401 - now: a spare worker has time for it, one that is asked to run has not
from loads.worker.link import open_link, open_page  # noqa: E402
from loads.worker.process import Worker  # noqa: E402
from loads.worker.serve import serve  # noqa: E402


def main(arguments: list[str]) -> None:
    """Serve the parent until it says Finish or is gone."""
    descriptor, page_path, incarnation = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a test printed must not die with it
        sys.stdout.reconfigure(line_buffering=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    link = open_link(int(descriptor), page_path)
    serve(Worker(link.send, open_page(page_path)), link, int(incarnation, 16))
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(0)  # threads that a test left behind would go on with the load


if __name__ == "__main__":
    main(sys.argv[1:])
