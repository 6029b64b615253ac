"""Real servers for tests: nginx with an access log, and the example site. Loopback, ended with the test."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stalls import Stalls, watch_stalls

EXAMPLES = Path(__file__).parents[1] / "examples"
DEADLINE_S = 20.0
PORTS = range(10_000, 32_000)

NGINX = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                     '"$http_referer" "$http_user_agent" $msec';
    access_log {directory}/access.log timed;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000;
    server {{
        listen {address}:{port} backlog=4096;
        location / {{ return 200 "There is an island in the sea, somewhere.\\n"; }}
        location /gone {{ return 404 "no\\n"; }}
        location /moved {{ return 302 /; }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: its address, what it has counted, and when the machine stood still meanwhile."""

    url: str
    access_log: Path
    stalls: Stalls

    def count(self) -> int:
        """Lines of the access log, read when it stands still."""
        before = -1
        lines = self._lines()
        while lines != before:
            before = lines
            time.sleep(0.2)
            lines = self._lines()
        return lines

    def times(self) -> list[float]:
        """When each request was answered, by the wall clock, in seconds; the log need not stand still."""
        whole, _, _ = self.access_log.read_text().rpartition("\n")
        return sorted(float(line.rpartition(" ")[2]) for line in whole.splitlines())

    def _lines(self) -> int:
        return self.access_log.read_bytes().count(b"\n") if self.access_log.exists() else 0


def command_or_skip(name: str, package: str) -> str:
    """The path of a system command. Without it the test is skipped; in CI, where all is installed, it fails."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        reason = f"needs {name}, from Debian's package {package}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def free_port() -> int:
    """A loopback port that was free a moment ago.

    Not one that the system would choose: those may be a client's the next moment, and here are many clients.
    """
    chance = random.SystemRandom()
    for _ in range(100):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port := chance.choice(PORTS)))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Look again and again until `condition` holds; fail at the deadline."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end_s:
            pytest.fail(f"waited {deadline_s} s for {what}")
        time.sleep(0.01)


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections on `port`."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex((address, port)) == 0


@contextmanager
def run_nginx(directory: Path, port: int | None = None, address: str = "127.0.0.1") -> Iterator[Nginx]:
    """An nginx with its files in `directory`, on a free port or on that one, of this machine's `address`."""
    binary = command_or_skip("nginx", "nginx")
    port = free_port() if port is None else port
    user = "user root;" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(NGINX.format(directory=directory, address=address, port=port, user=user))
    process = subprocess.Popen([binary, "-c", config, "-p", directory, "-e", directory / "error.log"])
    try:
        wait_until(lambda: listens(port, address), "nginx to listen")
        with watch_stalls() as stalls:
            yield Nginx(f"http://{address}:{port}", directory / "access.log", stalls)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@contextmanager
def run_site(*arguments: str) -> Iterator[str]:
    """The example site; its URL."""
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / "target.py", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the example site did not start"
        yield url
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        process.stdout.close()
