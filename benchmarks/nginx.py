"""The server that all benchmarks load: Debian's nginx, which answers from memory and costs next to nothing.

One worker process on a core of its own, on free ports of the loopback interface (one plain, one TLS where asked for),
with its configuration and files in a temporary directory. It counts requests itself (stub_status): that is what Loads'
own count is held against.
"""

from __future__ import annotations

import gzip
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from answers import BODY, COOKIES, ORDER_TEXT, page_of_orders
from certificates import Certificates, issue
from processes import SERVER_CORE, children_of, end, environment, on_core, path_of, tail_of

from loads.errors import LoadsError

CONNECTIONS = 16_384
_READY_S = 10.0
_STATUS_PATH = "/benchmark-status"

# Nothing here is tuned beyond what the measurements need: no log to write for each request, no limit on requests of a
# connection, connections that stay open while a user is idle, and thousands of users who may connect at once.
# nginx reads a body that it has no use for to its end, so connections stay open after a POST, too.
_CONFIGURATION = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    open_file_cache max=10;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
    types {{ application/json json; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {tls}
        location / {{ return 200 "{body}"; }}
        location = {status_path} {{ stub_status; }}
        location = /login {{
            {set_cookies}
            return 200 "{body}";
        }}
        location = /basket {{
            set $sent "{sent_cookies}";
            if ($sent != "{cookies}") {{ return 403; }}
            return 200 "{body}";
        }}
        location = /orders {{
            if ($request_method != POST) {{ return 405; }}
            if ($content_type != "application/json") {{ return 415; }}
            if ($content_length != "{order_bytes}") {{ return 400; }}
            return 200 "{body}";
        }}
        location = /orders.json {{
            root {directory}/files;
            gzip_static always;
        }}
    }}
}}
"""

_TLS = """\
listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_protocols TLSv1.2 TLSv1.3;
"""


class Status(NamedTuple):
    """nginx's own counters; the request that asked for them is among both."""

    active: int
    requests: int


class Nginx:
    """A running nginx, as a context manager; `url` is where it answers.

    With `tls` it also answers at `tls_url`, and `ca_bundle` is the file of the authority that vouches for it.
    """

    def __init__(self, directory: Path, *, tls: bool = False) -> None:
        self._directory = directory
        self._log = directory / "error.log"
        self._port, self._tls_port = _free_ports()
        self._process: subprocess.Popen[bytes] | None = None
        self._certificates: Certificates | None = issue(directory) if tls else None
        self.url = f"http://127.0.0.1:{self._port}"

    def __repr__(self) -> str:
        return f"<Nginx {self.url} on core {SERVER_CORE}>"

    @property
    def tls_url(self) -> str:
        """Where it answers over TLS."""
        assert self._certificates is not None
        return f"https://127.0.0.1:{self._tls_port}"

    @property
    def ca_bundle(self) -> Path:
        """What a client must trust to reach `tls_url`."""
        assert self._certificates is not None
        return self._certificates.authority

    def __enter__(self) -> Self:
        assert len(BODY) == 40
        files = self._directory / "files"
        files.mkdir()
        (files / "orders.json.gz").write_bytes(gzip.compress(page_of_orders(), mtime=0))
        # Started by root, nginx serves as another user, who must get at its files.
        for path in (self._directory, files):
            path.chmod(0o755)
        configuration = self._directory / "nginx.conf"
        configuration.write_text(self._configuration())
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

    def freeze(self) -> None:
        """Let it answer nothing until `thaw`; the kernel goes on accepting connections for it."""
        os.kill(self._worker(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again, all that has come meanwhile."""
        os.kill(self._worker(), signal.SIGCONT)

    def _worker(self) -> int:
        assert self._process is not None
        [worker] = children_of(self._process.pid)
        return worker

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

    def _configuration(self) -> str:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * CONNECTIONS
        tls = (
            ""
            if self._certificates is None
            else _TLS.format(port=self._tls_port, certificate=self._certificates.server)
        )
        return _CONFIGURATION.format(
            directory=self._directory,
            files=wanted if hard == resource.RLIM_INFINITY else min(hard, wanted),
            connections=CONNECTIONS,
            port=self._port,
            tls=tls,
            body=BODY,
            status_path=_STATUS_PATH,
            set_cookies=" ".join(f'add_header Set-Cookie "{name}={value}; Path=/";' for name, value in COOKIES.items()),
            sent_cookies=" ".join(f"$cookie_{name}" for name in COOKIES),
            cookies=" ".join(COOKIES.values()),
            order_bytes=len(ORDER_TEXT),
        )

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


def _free_ports() -> tuple[int, int]:
    """Two ports that were free just now. Somebody might take one before nginx does: then nginx says so and ends."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])
