"""`self.app` over the wire: what WSGIProxy2 does wrong by itself."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import trustme

from loads.case import TestCase
from tests.commands import LoadsRunner
from tests.servers import free_port

BODY = b"There is an island in the sea. " * 20


class Compressed(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = gzip.compress(BODY)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "a=1; Path=/")
        self.send_header("Set-Cookie", "b=2; Path=/")
        self.send_header("X-Seen", ",".join(sorted(name.lower() for name in self.headers)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def compressed() -> Iterator[str]:
    yield from _serve(None)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    for url in _serve(context):
        yield url.replace("http://127.0.0.1", "https://localhost")


def _serve(context: ssl.SSLContext | None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Compressed)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class Lone(TestCase):
    """A test as unittest makes it."""

    __test__ = False

    def runTest(self) -> None:
        pass


@pytest.fixture
def lone() -> Iterator[Lone]:
    case = Lone()
    yield case
    case._virtual_user.forget()


def test_gzip_answers_are_whole_with_a_right_length(lone: Lone, compressed: str) -> None:
    lone.server_url = compressed
    response = lone.app.get("/")
    assert response.body == BODY
    assert response.headers["Content-Length"] == str(len(BODY))
    assert "Content-Encoding" not in response.headers


def test_each_of_several_cookies_arrives(lone: Lone, compressed: str) -> None:
    lone.server_url = compressed
    lone.app.get("/")
    assert lone.app.cookies == {"a": "1", "b": "2"}
    assert lone.session.cookies.get_dict() == {"a": "1", "b": "2"}


def test_head_has_no_body(lone: Lone, compressed: str) -> None:
    lone.server_url = compressed
    assert lone.app.head("/").body == b""


def test_the_server_sees_no_headers_of_a_proxy(lone: Lone, compressed: str) -> None:
    lone.server_url = compressed
    seen = lone.app.get("/").headers["X-Seen"].split(",")
    assert not [name for name in seen if name.startswith("x-forwarded")]
    assert "host" in seen


def test_a_refused_connection_is_an_exception_not_a_made_up_answer(lone: Lone) -> None:
    lone.server_url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(requests.ConnectionError):
        lone.app.get("/", status="*")


def test_a_bad_certificate_is_refused_unless_the_session_says_so(lone: Lone, secure: str) -> None:
    lone.server_url = secure
    with pytest.raises(requests.exceptions.SSLError):
        lone.app.get("/")


def test_the_sessions_verify_is_respected(
    lone: Lone, secure: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)  # requests itself would prefer it
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    lone.server_url = secure
    lone.session.verify = str(bundle)
    assert lone.app.get("/").body == BODY


def test_a_bad_certificate_is_an_unsent_hit_of_kind_tls(loads: LoadsRunner, secure: str) -> None:
    loads.write(
        "tls.py",
        "from loads.case import TestCase\nclass TestTls(TestCase):\n"
        "    def test_it(self):\n        self.app.get('/')\n",
    )
    run = loads.run("tls.py", "--server-url", secure)
    assert run.exit_code == 1
    assert (run.totals["sent"], run.totals["unsent"]) == (0, 1)
    [series] = [series for series in run.document["series"] if series["method"] == "GET"]
    assert series["errors"] == {"tls": 1}
    assert "SSLError" in run.out
