"""Servers that let their clients down: every request is counted as the server counted it, and the run goes on."""

from __future__ import annotations

import itertools
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.commands import LoadsRunner
from tests.servers import DEADLINE_S, free_port, run_nginx, wait_until

HOME = """
from loads.case import TestCase

class TestHome(TestCase):
    def test_home(self):
        self.assertEqual(self.session.get(self.server_url).status_code, 200)
"""
BODY = b"There is an island in the sea, somewhere.\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class Careless(socketserver.ThreadingTCPServer):
    """Breaks off every tenth answer, in its body, and closes the connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.turns = itertools.count(1)
        self.counted = 0
        self.lock = threading.Lock()

    def turn(self) -> int:
        """Count a request."""
        with self.lock:
            self.counted += 1
            return next(self.turns)


class Answering(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        assert isinstance(self.server, Careless)
        while any(line == b"\r\n" for line in iter(self.rfile.readline, b"")):
            if self.server.turn() % 10 == 0:
                self.wfile.write(HEAD + BODY[:10])
                return
            self.wfile.write(HEAD + BODY)


@contextmanager
def run_careless() -> Iterator[Careless]:
    with Careless() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_breaks_off_every_tenth_answer_has_counted_what_was_sent(loads: LoadsRunner) -> None:
    loads.write("home.py", HOME)
    with run_careless() as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        run = loads.run("home.py", "-u", "10", "--hits", "1000", "--server-url", url, deadline_s=120)
        assert run.exit_code == 1
        assert run.totals["sent"] == server.counted == 10_000
    [series] = [each for each in run.document["series"] if each["method"] == "GET"]
    assert series["errors"] == {"incomplete": 1_000}
    assert series["statuses"] == {"200": 9_000}
    assert run.totals["errors"] == 1_000


def refuse(port: int, times: int) -> None:
    """Be the target for so many connections, and close each."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(DEADLINE_S)
        for _ in range(times):
            listener.accept()[0].close()


def test_a_target_that_restarts_in_mid_run_costs_failures_and_not_the_run(loads: LoadsRunner, tmp_path: Path) -> None:
    """Before, while and after it is gone, requests are counted for what they came to."""
    loads.write("home.py", HOME)
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    arguments = ("home.py", "-u", "5", "-d", "5s", "--think-time", "20ms", "--server-url", url, "--workers", "1")
    with ExitStack() as stack:
        logged = 0
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            with run_nginx(tmp_path / name, port) as nginx:
                if name == "first":
                    process = stack.enter_context(loads.start(*arguments))
                log = nginx.access_log
                wait_until(lambda log=log: log.exists() and log.stat().st_size > 10_000, "load")
                if name == "second":
                    out, err = process.communicate(timeout=60)
            logged += nginx.count()
            if name == "first":
                refuse(port, 10)
    run = loads.finished(process, out, err)
    assert run.exit_code == 1
    [series] = [each for each in run.document["series"] if each["method"] == "GET"]
    errors = series["errors"]
    assert set(errors) <= {"connect-refused", "closed", "reset", "incomplete"}
    assert sum(errors.values()) >= 10
    assert series["unsent"] == errors.get("connect-refused", 0)
    assert series["statuses"] == {"200": logged}
    assert run.totals["sent"] == logged + sum(errors.values()) - series["unsent"]
