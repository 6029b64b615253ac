"""What can't be asked, reached or trusted ends in the exception of stock requests, unsent, and counted as such."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from loads.client.kinds import ErrorKind
from tests.parity import Authority, Call, Fresh, Outcome, Parity, clean_environment, look_again, two_sessions
from tests.parity_views import is_raised, wording
from tests.servers import free_port
from tests.torture import Torture, run_torture
from tests.torture_answers import Close, Pieces, Reset, Stall, chunked, moved, reply


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.below(tmp_path_factory.mktemp("ca"))


@contextmanager
def over_tls(authority: Authority, *names: str, **settings: Any) -> Iterator[Torture]:
    """A server with a certificate for `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, value in settings.items():
        setattr(context, name, value)
    authority.ca.issue_cert(*names).configure_cert(context)
    with run_torture(context) as server:
        yield server


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Torture]:
    with clean_environment(), over_tls(authority, "localhost", "127.0.0.1") as server:
        yield server


def refused(outcome: Outcome, kind: ErrorKind, count: int = 1) -> None:
    """No server heard of it, and our record says why."""
    assert outcome.counted == 0
    if outcome.recorded is not None:
        assert (outcome.recorded.sent, outcome.recorded.unsent) == (0, count)
        assert outcome.recorded.errors == {kind: count}


# fmt: off
NO_URLS: list[Any] = [
    "", " ", "x", "/x", "//x", "http:", "http://", "http:///x", "http://:80", "http://?q", "http://#f", "https://",
    "ftp://x/",
    "file:///etc/passwd", "mailto:a@b.test", "localhost:80", "http+unix://x", "httpx://x", "http:/x", "http://[::1",
    "http://[x]/",
    "http://a.invalid:b", "http://a.invalid:99999/", "http://a.invalid:-1/", "http://a.invalid:0x50/",
    "http://*.invalid/",
    "http://.invalid/", "http://a..invalid/", "http://" + "a" * 64 + ".invalid/", "http://-a.invalid/",
    "http://" + "a." * 130 + "invalid/", "http://\u2603.invalid\u2603:1/", "http://xn--.invalid/",
    "http://\xad.invalid/",
    "http://a b.invalid/", "http://a\tb.invalid/", "http://a\nb.invalid/", "http://a%20b.invalid/",
    "http://a%zz.invalid/", "http://%/",
    "http://a@/", "http://@", "http://a:b@:1/", "http://[::1%25lo]:1/", "http://0x7f.0.0.1:1/", "http://127.0.0.1:0/",
    "http://127.0.0.1.:1/", "http://b\u00fccher.invalid/", "http://STRA\u00dfE.invalid/", "http://a_b.invalid/",
    "http://a.invalid\\@b/",
    b"\xff", "http://\ud800/", "http://a\x00b.invalid/", "http://\u3002/", "javascript:alert(1)", "data:,x",
    "HTTP://", "about:blank",
    "http://127.0.0.1.6.7:1/", "http://256.0.0.1.invalid:1/", "http://user@:80/", "http://a.invalid:",
    "http://a.invalid:/x",
    "://x", ":", "?", "#", "http//x", "http:://x", "h\nttp://x/", "http://[127.0.0.1]/",
    "http://[::ffff:127.0.0.1]:1/", "http://[]/",
]
# fmt: on


@pytest.mark.parametrize("url", NO_URLS, ids=lambda url: ascii(url)[:40])
def test_what_is_no_url(both: Parity, url: Any) -> None:
    """The same exception for each of them; whatever is looked up fails."""
    both.check(Call("GET", url, timeout=2, then=lambda response: response.status_code))


@pytest.mark.parametrize("url", ["", "x", "http://", "ftp://x/", "http://*.test/", "http://a:99999/"])
def test_what_an_exception_about_a_url_says(both: Parity, url: str) -> None:
    """The words as well: tests and people look for them."""
    both.check(lambda session: words(session, url))


def words(session: requests.Session, url: str, **kwargs: Any) -> Any:
    with pytest.raises(requests.RequestException) as caught:
        session.get(url, **kwargs)
    return type(caught.value).__name__, wording(caught.value)


def test_a_refused_connection(both: Parity) -> None:
    url = f"http://127.0.0.1:{free_port()}/x"
    refused(both.check(Call("GET", url)), ErrorKind.CONNECT_REFUSED)
    refused(both.check(Call("POST", url, data=Fresh(lambda: iter([b"a"]), "once"))), ErrorKind.CONNECT_REFUSED)
    refused(both.check(Call("GET", url.replace("http:", "https:"))), ErrorKind.CONNECT_REFUSED)
    both.check(lambda session: words(session, url))
    both.check(Call("GET", f"{both.url}/x"), answers=[moved(url)])


def test_a_name_that_nobody_knows(both: Parity) -> None:
    url = "http://nobody.invalid/x"
    refused(both.check(Call("GET", url)), ErrorKind.DNS)
    refused(both.check(Call("GET", url.replace("http:", "https:"))), ErrorKind.DNS)
    refused(both.check(Call("GET", "http://nobody.invalid:8080/"), Call("GET", url)), ErrorKind.DNS, 2)
    both.check(lambda session: words(session, url))


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that takes no more connections and refuses none: a connection to it is never made."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize("timeout", [0.2, (0.2, None), (0.2, 5)], ids=repr)
def test_a_connection_that_is_never_made(both: Parity, timeout: Any) -> None:
    with full_backlog() as port:
        outcome = both.check(Call("GET", f"http://127.0.0.1:{port}/x", timeout=timeout))
    assert outcome.results[0][1] == "requests.exceptions.ConnectTimeout"
    refused(outcome, ErrorKind.CONNECT_TIMEOUT)


@pytest.mark.parametrize("timeout", [0.2, (5, 0.2)], ids=repr)
def test_what_an_exception_about_time_says(both: Parity, timeout: Any) -> None:
    for steps in ((Stall(),), (reply(b"0123456789")[:-3], Stall())):
        both.check(lambda session: words(session, f"{both.url}/x", timeout=timeout), answers=[steps])


def test_what_an_exception_about_a_connection_says(both: Parity) -> None:
    for steps in (
        (Close(),),
        (Reset(),),
        (reply(b"0123456789")[:-3], Close()),
        (chunked([b"0123456789"])[:-9], Close()),
        (b"no http\r\n\r\n", Close()),
        (reply(b"x" * 50, "Content-Encoding: gzip"),),
    ):
        both.check(lambda session: words(session, f"{both.url}/x"), answers=[steps])


SOUND_TLS = {
    "plain": (reply(b"secret"),),
    "chunked": (chunked([b"a" * 20_000, b"b"]),),
    "one byte at a time": (Pieces(reply(b"secret")),),
    "until close": (reply(b"secret", length=False), Close()),
    "closed after": (reply(b"secret"), Close()),
    "cut in the body": (reply(b"0123456789")[:-3], Close()),
    "cut in the head": (reply(b"0123456789")[:20], Close()),
    "cut at once": (Close(),),
    "reset": (reply(b"0123456789")[:-3], Reset()),
    "reset at once": (Reset(),),
    "redirect": moved("/y"),
    "megabytes": (reply(bytes(range(256)) * 8_000),),
}


@pytest.mark.parametrize("name", SOUND_TLS)
def test_tls_that_is_trusted(secure: Torture, authority: Authority, name: str) -> None:
    """Whatever goes over plain connections goes over TLS. To Python a reset is an end of data there, to us a reset."""
    lost = ("results", "seen") if name.startswith("reset") else ()
    pair = Parity(secure)
    calls = [Call("GET", f"{secure.url}/x", timeout=5), Call("POST", f"{secure.url}/y", data=b"d" * 50_000, timeout=5)]
    for call in calls:
        again = Call("GET", f"{secure.url}/z", timeout=5)
        outcome = pair.check(call, again, answers=[SOUND_TLS[name]], verify=authority.path, ignore=lost)
        assert "results" not in lost or is_raised(outcome.results[0])


def test_tls_stalls_end_with_the_timeout(secure: Torture, authority: Authority) -> None:
    for steps in ((Stall(),), (reply(b"0123456789")[:-3], Stall())):
        call = Call("GET", f"{secure.url}/x", timeout=0.2)
        outcome = Parity(secure).check(call, answers=[steps], verify=authority.path)
        assert outcome.recorded is None or outcome.recorded.errors == {ErrorKind.READ_TIMEOUT: 1}


def test_tls_that_is_not_trusted(secure: Torture, authority: Authority, tmp_path: Path) -> None:
    """An unknown authority, no certificates at all, no file: an SSLError or OSError as from requests."""
    pair = Parity(secure)
    other = Authority.below(tmp_path)
    for verify in (True, None, other.path):
        kwargs = {} if verify is None else {"verify": verify}
        outcome = pair.check(Call("GET", f"{secure.url}/x", **kwargs), ignore=("seen", "after"))
        assert outcome.results[0][1] == "requests.exceptions.SSLError"
        refused(outcome, ErrorKind.TLS)
    for path in ("/nonexistent/ca.pem", str(tmp_path / "ca.pem.none"), ""):
        pair.check(Call("GET", f"{secure.url}/x", verify=path), ignore=("seen", "after"))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    pair.check(Call("GET", f"{secure.url}/x", verify=str(empty)), ignore=("seen", "after"))
    pair.check(lambda session: words(session, f"{secure.url}/x"), ignore=("seen", "after"))


def test_tls_that_nobody_verifies(secure: Torture, authority: Authority) -> None:
    """`verify=False` of a call and of the session, the warning included, and back again at once."""
    pair = Parity(secure)
    url = f"{secure.url}/x"
    pair.check(
        Call("GET", url, verify=False), Call("GET", url), Call("GET", url, verify=authority.path), ignore=("after",)
    )

    def trust(session: requests.Session) -> None:
        session.verify = authority.path

    def distrust(session: requests.Session) -> None:
        session.verify = True

    def ignore(session: requests.Session) -> None:
        session.verify = False

    call = Call("GET", url)
    steps = [ignore, call, distrust, call, trust, call, distrust, call]
    outcome = pair.check(*steps, recorded=False, ignore=("after",))
    assert [result["status"] for result in outcome.results if isinstance(result, dict)] == [200, 200]
    pair.check(trust, call, Call("GET", url, verify=True), Call("GET", url, verify=False), recorded=False)


def test_tls_for_another_name(authority: Authority) -> None:
    """The certificate is for somebody else."""
    with clean_environment(), over_tls(authority, "elsewhere.test") as server:
        pair = Parity(server)
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{server.port}/x"
            outcome = pair.check(Call("GET", url), verify=authority.path, ignore=("seen", "after"))
            assert outcome.results[0][1] == "requests.exceptions.SSLError"
            refused(outcome, ErrorKind.TLS)
            pair.check(
                Call("GET", url, headers={"Host": "elsewhere.test"}), verify=authority.path, ignore=("seen", "after")
            )


def test_tls_names_are_told_apart(authority: Authority) -> None:
    """A certificate for a name is no good for the address, even when a connection is open."""
    with clean_environment(), over_tls(authority, "localhost") as server:
        urls = [f"https://localhost:{server.port}/", f"https://127.0.0.1:{server.port}/"]
        outcome = Parity(server).check(
            *[Call("GET", url) for url in urls * 2], verify=authority.path, ignore=("after",)
        )
        assert outcome.counted == 2


def test_tls_is_not_spoken(both: Parity, secure: Torture) -> None:
    """A plain server behind https, and the other way round."""
    plain = Call("GET", secure.url.replace("https:", "http:"), timeout=5)
    Parity(both.server, secure).check(plain, recorded=False)


ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
GREETINGS = {"http": (reply(b"no"),), "alert": (ALERT, Close()), "closes": (Close(),), "resets": (Reset(),)}


@pytest.mark.parametrize("name", GREETINGS)
def test_a_tls_handshake_that_breaks(name: str) -> None:
    """Nothing was sent. When a reset is noticed is a matter of chance, and so is what it is taken for."""
    with clean_environment(), run_torture() as server:
        server.greeting = GREETINGS[name]
        call = Call("GET", server.url.replace("http:", "https:"), timeout=5)
        lost = ("results",) if name == "resets" else ()
        outcome = Parity(server).check(call, ignore=("seen", "after", *lost), recorded=False)
        assert outcome.results[0][1] in ("requests.exceptions.SSLError", "requests.exceptions.ConnectionError")
        if outcome.recorded is not None:
            assert (outcome.recorded.unsent, outcome.recorded.sent) == (1, 0)


@pytest.mark.parametrize("name", GREETINGS)
def test_a_server_that_speaks_first(name: str) -> None:
    """It answers before it was asked, or hangs up on whoever connects."""
    with clean_environment(), run_torture() as server:
        server.greeting = GREETINGS[name]
        lost = ("seen", "after", "results")
        outcome = Parity(server).check(Call("GET", server.url, timeout=5), ignore=lost, recorded=False)
        assert is_raised(outcome.results[0]) == (name != "http")


def test_tls_versions_that_don_t_meet(authority: Authority) -> None:
    with clean_environment(), over_tls(authority, "127.0.0.1", maximum_version=ssl.TLSVersion.TLSv1_2) as server:
        Parity(server).check(Call("GET", server.url), verify=authority.path)
    with clean_environment(), over_tls(authority, "127.0.0.1", minimum_version=ssl.TLSVersion.TLSv1_3) as server:
        Parity(server).check(Call("GET", server.url), verify=authority.path)


def test_tls_handshake_that_stalls_or_breaks(authority: Authority) -> None:
    """A peer that accepts, and never says a word, or hangs up, before TLS begins."""
    with clean_environment(), run_torture() as server:
        url = f"https://127.0.0.1:{server.port}/"
        pair = Parity(server)
        outcome = pair.check(Call("GET", url, timeout=0.3), ignore=("seen",), recorded=False)
        assert outcome.recorded is None or (outcome.recorded.sent, outcome.recorded.unsent) == (0, 1)


def test_the_ca_bundle_of_the_environment_stands_before_the_sessions(secure: Torture, authority: Authority) -> None:
    """REQUESTS_CA_BUNDLE, then CURL_CA_BUNDLE; not where a call says otherwise, or nobody trusts the environment."""
    pair = Parity(secure)
    call = Call("GET", f"{secure.url}/x")

    def distrust(session: requests.Session) -> None:
        session.trust_env = False

    for variables in (
        {"REQUESTS_CA_BUNDLE": authority.path},
        {"CURL_CA_BUNDLE": authority.path},
        {"REQUESTS_CA_BUNDLE": authority.path, "CURL_CA_BUNDLE": "/nonexistent/ca.pem"},
        {"REQUESTS_CA_BUNDLE": "/nonexistent/ca.pem", "CURL_CA_BUNDLE": authority.path},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": authority.path},
    ):
        with clean_environment() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            look_again()
            pair.check(call, Call("GET", f"{secure.url}/x", verify=False), ignore=("after",), recorded=False)
            pair.check(distrust, call, ignore=("after", "seen"), recorded=False)
            pair.check(call, verify="/nonexistent/ca.pem", recorded=False)


def test_client_certificates(authority: Authority, tmp_path: Path) -> None:
    """A server that wants one gets it; without it, the same error; a file that is not there is an OSError."""
    certificate = trustme.CA.issue_cert(authority.ca, "client@example.org")
    pem = tmp_path / "client.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
    with clean_environment(), over_tls(authority, "127.0.0.1", verify_mode=ssl.CERT_REQUIRED) as server:
        server._context.load_verify_locations(authority.path)  # type: ignore[union-attr]
        pair = Parity(server)
        for cert in (str(pem), (str(pem), str(pem)), "/nonexistent/client.pem", (str(pem), "/nonexistent/key.pem")):
            pair.check(Call("GET", server.url, cert=cert), verify=authority.path, ignore=("after", "seen"))
        lost = ("after", "seen", "results")
        outcome = pair.check(Call("GET", server.url), verify=authority.path, ignore=lost, recorded=False)
        assert outcome.results[0][1] in ("requests.exceptions.SSLError", "requests.exceptions.ConnectionError")


def test_redirects_between_tls_and_plain(both: Parity, secure: Torture, authority: Authority) -> None:
    """Either way, with cookies marked secure, and with credentials that don't go along."""
    pair = Parity(both.server, secure)
    for first, second in ((both.url, secure.url), (secure.url, both.url)):
        for kwargs in ({"auth": ("u", "p")}, {"cookies": {"c": "1"}}):
            call = Call("GET", f"{first}/x", verify=authority.path, **kwargs)
            answers = [moved(f"{second}/y", "302 Found", "Set-Cookie: s=1; Secure", "Set-Cookie: t=2")]
            pair.check(call, Call("GET", f"{first}/z", verify=authority.path), answers=answers)
