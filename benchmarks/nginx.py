"""The server that all benchmarks load: Debian's nginx, which answers from memory and costs next to nothing.

One worker process on a core of its own, on a free port of the loopback interface, with its configuration and files in a
temporary directory. It counts requests itself (stub_status): that is what Loads' own count is held against.
"""

from __future__ import annotations

import http.client
import re
import resource
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from processes import SERVER_CORE, end, environment, on_core, path_of, tail_of

from loads.errors import LoadsError

BODY = "Forty bytes that say that all went well."
CONNECTIONS = 8_192
_READY_S = 10.0
_STATUS_PATH = "/benchmark-status"

# Nothing here is tuned beyond what the measurements need: no log to write for each request, no limit on requests of a
# connection, connections that stay open while a user is idle.
_CONFIGURATION = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 "{body}"; }}
        location = {status_path} {{ stub_status; }}
    }}
}}
"""


class Status(NamedTuple):
    """nginx's own counters; the request that asked for them is among both."""

    active: int
    requests: int


class Nginx:
    """A running nginx, as a context manager; `url` is where it answers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "error.log"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def __repr__(self) -> str:
        return f"<Nginx {self.url} on core {SERVER_CORE}>"

    def __enter__(self) -> Self:
        assert len(BODY) == 40
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * CONNECTIONS
        configuration = self._directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                directory=self._directory,
                files=wanted if hard == resource.RLIM_INFINITY else min(hard, wanted),
                connections=CONNECTIONS,
                port=self._port,
                body=BODY,
                status_path=_STATUS_PATH,
            )
        )
        command = [path_of("nginx"), "-p", str(self._directory), "-c", str(configuration), "-e", str(self._log)]
        self._process = subprocess.Popen(
            on_core(SERVER_CORE, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            end(self._process, 2.0)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process is not None
        end(self._process, 5.0)

    def status(self) -> Status:
        """What nginx has counted so far, this question included."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", _STATUS_PATH, headers={"Connection": "close"})
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        counters = re.search(r"Active connections: (\d+).*\n\s*\d+ \d+ (\d+)", text, re.DOTALL)
        if counters is None:
            raise LoadsError(f"nginx gave a status that is none: {text!r}")
        return Status(int(counters[1]), int(counters[2]))

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline_s = time.monotonic() + _READY_S
        while process.poll() is None:
            try:
                self.status()
            except OSError as error:
                if time.monotonic() > deadline_s:
                    raise LoadsError(f"nginx does not answer at {self.url}: {error}", tail_of(self._log)) from None
                time.sleep(0.02)
            else:
                return
        raise LoadsError(f"nginx ended with status {process.returncode} at once", tail_of(self._log))


def version() -> str:
    """Like ``nginx 1.22.1``."""
    answer = subprocess.run([path_of("nginx"), "-v"], capture_output=True, text=True, check=False)
    found = re.search(r"nginx/(\S+)", answer.stderr)
    return f"nginx {found[1]}" if found else "nginx"


def _free_port() -> int:
    """A port that was free just now. Somebody might take it before nginx does: then nginx says so and ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
