"""--timeout, --resolve and their kin hold for every way in which a test can make a request."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.commands import Finished, LoadsRunner
from tests.servers import free_port

WAYS = """
import os
import requests
from loads.case import TestCase

URL = os.environ["TARGET"]

class TestWays(TestCase):
    def test_session(self):
        self.assertEqual(self.session.get(URL).status_code, 200)

    def test_prepared(self):
        self.assertEqual(self.session.get(URL, cookies={"a": "b"}).status_code, 200)

    def test_streamed(self):
        with self.session.get(URL, stream=True) as response:
            self.assertEqual(response.content, b"ok")

    def test_plain(self):
        self.assertEqual(requests.get(URL).status_code, 200)

    def test_plain_stream(self):
        with requests.get(URL, stream=True) as response:
            self.assertEqual(response.content, b"ok")
"""
TESTS = 5


class Witness(ThreadingHTTPServer):
    """Remembers from where requests came, to which of its addresses, and what they said."""

    daemon_threads = True

    def __init__(self, address: str, port: int, stall: threading.Event | None = None) -> None:
        super().__init__((address, port), Statement)
        self.stall = stall
        self.clients: list[str] = []
        self.connections: set[tuple[str, int]] = set()
        self.headers: list[dict[str, str]] = []


class Statement(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        assert isinstance(self.server, Witness)
        self.server.clients.append(self.client_address[0])
        self.server.connections.add(self.client_address)
        self.server.headers.append(dict(self.headers))
        if self.server.stall is not None:
            self.server.stall.wait(30)
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Any]:
    with ExitStack() as stack:

        def start(address: str = "127.0.0.1", port: int = 0, **settings: Any) -> Witness:
            context = settings.pop("context", None)
            server = stack.enter_context(Witness(address, port, **settings))
            if context is not None:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield start


def run(loads: LoadsRunner, url: str, *options: str, environment: dict[str, str] | None = None) -> Finished:
    loads.write("ways.py", WAYS)
    clean = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "TARGET": url}
    return loads.run("ways.py", *options, environment={**clean, **(environment or {})})


def errors_of(done: Finished) -> Counter[str]:
    """Requests without an answer, by kind."""
    return sum((Counter(each["errors"]) for each in done.document["series"]), Counter[str]())


def port_of(server: Witness) -> int:
    return int(server.server_address[1])


def test_a_timeout_ends_whatever_waits(loads: LoadsRunner, serve: Any) -> None:
    stall = threading.Event()
    server = serve(stall=stall)
    try:
        done = run(loads, f"http://127.0.0.1:{port_of(server)}/", "--timeout", "300ms")
    finally:
        stall.set()
    assert done.totals["errors"] == done.totals["sent"] == TESTS
    assert errors_of(done) == {"read-timeout": TESTS}


def test_names_resolve_to_the_addresses_given_in_turn(loads: LoadsRunner, serve: Any) -> None:
    port = free_port()
    servers = [serve(address, port) for address in ("127.0.0.1", "127.0.0.2")]
    done = run(
        loads, f"http://shop.test:{port}/", "--no-keepalive", "--resolve", f"shop.test:{port}:127.0.0.1,127.0.0.2"
    )
    assert (done.exit_code, done.totals["sent"]) == (0, TESTS)
    assert sorted(len(server.clients) for server in servers) == [2, 3]
    assert {headers["Host"] for server in servers for headers in server.headers} == {f"shop.test:{port}"}


def test_connections_are_made_from_each_source_address(loads: LoadsRunner, serve: Any) -> None:
    server = serve()
    options = ("--no-keepalive", "--source-address", "127.0.0.5", "--source-address", "127.0.0.6")
    done = run(loads, f"http://127.0.0.1:{port_of(server)}/", *options)
    assert done.exit_code == 0
    assert sorted(server.clients.count(each) for each in ("127.0.0.5", "127.0.0.6")) == [2, 3]


def test_without_keepalive_each_request_has_a_connection_and_says_so(loads: LoadsRunner, serve: Any) -> None:
    server = serve()
    done = run(loads, f"http://127.0.0.1:{port_of(server)}/", "--no-keepalive", "--hits", "10")
    assert done.totals["sent"] == len(server.clients) == len(server.connections) == done.totals["connections"] == 10
    assert {headers["Connection"] for headers in server.headers} == {"close"}


def test_the_user_agent_is_what_the_user_says(loads: LoadsRunner, serve: Any) -> None:
    server = serve()
    run(loads, f"http://127.0.0.1:{port_of(server)}/", "--user-agent", "island/1.0")
    assert [headers["User-Agent"] for headers in server.headers] == ["island/1.0"] * TESTS


def test_certificates_are_verified_as_the_user_says(loads: LoadsRunner, serve: Any, tmp_path: Path) -> None:
    """By default with the authorities that everybody trusts; with a bundle, by that; insecure: by nobody."""
    authority, bundle = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = serve(context=context)
    url = f"https://localhost:{port_of(server)}/"
    done = run(loads, url)
    assert (done.exit_code, errors_of(done), done.totals["sent"]) == (1, {"tls": TESTS}, 0)
    assert run(loads, url, "--ca-bundle", str(bundle)).exit_code == 0
    assert run(loads, url, environment={"REQUESTS_CA_BUNDLE": str(bundle)}).exit_code == 0
    assert run(loads, url, "--insecure-tls").exit_code == 0
    other = url.replace("localhost", "127.0.0.1")
    done = run(loads, other, "--ca-bundle", str(bundle))
    assert errors_of(done) == {"tls": TESTS}
    assert run(loads, other, "--insecure-tls", environment={"REQUESTS_CA_BUNDLE": str(bundle)}).exit_code == 0
