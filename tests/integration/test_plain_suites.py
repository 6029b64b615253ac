"""Tests that know nothing of Loads, in every style and over every library, against nginx and its access log."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from tests.commands import Finished, LoadsRunner
from tests.servers import Nginx

USERS = 20

WAYS = """
import http.client
import json
import socket
import threading
import urllib.request
from urllib.parse import urlsplit

import requests
import urllib3

URL = {url!r}
POOL = urllib3.PoolManager(maxsize=50)
SESSION = requests.Session()
SESSION.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=50))


def by_urlopen(path):
    with urllib.request.urlopen(URL + path) as answer:
        return answer.status, answer.read()


def by_http_client(path):
    connection = http.client.HTTPConnection(urlsplit(URL).netloc)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def by_urllib3(path):
    answer = urllib3.request("GET", URL + path, redirect=False, retries=False)
    return answer.status, answer.data


def by_a_pool(path):
    answer = POOL.request("GET", URL + path, redirect=False, preload_content=False)
    body = b"".join(answer.stream(8))
    answer.release_conn()
    return answer.status, body


def by_requests(path):
    answer = requests.get(URL + path, allow_redirects=False)
    return answer.status_code, answer.content


def by_a_session(path):
    with SESSION.get(URL + path, allow_redirects=False, stream=True) as answer:
        return answer.status_code, b"".join(answer.iter_content(8))
"""
NAMES = re.findall(r"^def (by_\w+)", WAYS, re.MULTILINE)

UNITTEST = """
import unittest, ways

class TestWays(unittest.TestCase):
    def setUp(self):
        self.calls = 0

    def check(self, way):
        self.calls += 1
        self.assertEqual(self.calls, 1)
        status, body = way("/")
        self.assertEqual(status, 200)
        self.assertIn(b"island", body)
""" + "".join(f"    def test_{name}(self): self.check(ways.{name})\n" for name in NAMES)

CLASSES = """
import pytest, ways

class TestWays:
    @classmethod
    def setup_class(cls):
        cls.path = "/"

    def setup_method(self, method):
        self.name = method.__name__

    def teardown_method(self):
        assert self.name == "test_way"

    @pytest.mark.parametrize("way", [getattr(ways, name) for name in dir(ways) if name.startswith("by_")])
    def test_way(self, way):
        status, body = way(self.path)
        assert status == 200
        assert b"island" in body
"""

FUNCTIONS = "import ways\n" + "".join(
    f"def test_{name}():\n    status, body = ways.{name}('/')\n    assert (status, b'island' in body) == (200, True)\n"
    for name in NAMES
)

MIXED = """
import unittest, urllib.error, pytest, requests, urllib3, ways

@pytest.mark.skip(reason="not now")
def test_skipped(): ways.by_requests("/")

@pytest.mark.skipif(True, reason="never")
class TestSkipped:
    def test_it(self): ways.by_requests("/")

@pytest.mark.xfail(reason="known")
def test_known_to_fail(): assert ways.by_requests("/gone")[0] == 200

def test_skips_in_its_middle():
    ways.by_urllib3("/")
    pytest.skip("enough")

def test_fails(): assert ways.by_requests("/gone")[0] == 200

def test_breaks(): raise KeyError(ways.by_urllib3("/gone")[0])

def test_an_http_error_of_urllib():
    with pytest.raises(urllib.error.HTTPError):
        ways.by_urlopen("/gone")

def test_redirects_are_followed():
    assert requests.get(ways.URL + "/moved").status_code == 200
    assert urllib3.request("GET", ways.URL + "/moved").status == 200
    assert ways.by_urlopen("/moved")[0] == 200

def test_many_in_one():
    for _ in range(3):
        assert ways.by_a_session("/")[0] == ways.by_a_pool("/")[0] == 200

class TestUnit(unittest.TestCase):
    def test_passes(self): self.assertEqual(ways.by_http_client("/gone")[0], 404)
    def test_fails(self): self.assertEqual(ways.by_http_client("/gone")[0], 200)
    def test_breaks(self): raise ValueError
    @unittest.skip("no")
    def test_skipped(self): ways.by_requests("/")
    @unittest.expectedFailure
    def test_known_to_fail(self): self.assertEqual(ways.by_requests("/gone")[0], 200)

def test_needs_a_fixture(tmp_path): ways.by_requests("/")
"""


def plain_outcomes(file: Path) -> Counter[str]:
    """How many tests of `file` ended in which way, under pytest."""
    report = file.with_suffix(".xml")
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", file.parent, f"--junitxml={report}"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, file], check=False, capture_output=True, timeout=60, cwd=file.parent
    )
    found: Counter[str] = Counter()
    for case in ET.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None:
            found["passed" if skipped.get("type") == "pytest.xfail" else "skipped"] += 1
        else:
            found["failed" if case.find("failure") is not None else "passed"] += 1
    return found


def hits_by_test(run: Finished) -> dict[str, int]:
    hits: Counter[str] = Counter()
    for series in run.document["series"]:
        if series["method"] not in ("iteration", "transaction"):
            hits[series["scenario"]] += series["hits"]
    return dict(hits)


@pytest.mark.parametrize(
    ("style", "text", "scenarios"),
    [
        ("unittest", UNITTEST, [f"test_ways.TestWays.test_{name}" for name in NAMES]),
        ("classes", CLASSES, [f"test_ways.TestWays.test_way[{name}]" for name in NAMES]),
        ("functions", FUNCTIONS, [f"test_ways.test_{name}" for name in NAMES]),
    ],
)
def test_each_request_is_a_hit_of_its_test_whatever_library_makes_it(
    loads: LoadsRunner, nginx: Nginx, style: str, text: str, scenarios: list[str]
) -> None:
    loads.write("ways.py", WAYS.format(url=nginx.url))
    file = loads.write("test_ways.py", text)
    assert plain_outcomes(file) == {"passed": len(NAMES)}
    before = nginx.count()
    run = loads.run("test_ways.py", "-u", str(USERS), "--hits", str(len(NAMES)))
    assert run.exit_code == 0, run.out + run.err
    assert hits_by_test(run) == dict.fromkeys(scenarios, USERS)
    assert run.totals["sent"] == run.totals["hits"] == nginx.count() - before
    assert run.totals["success"] == USERS * len(NAMES)


def test_outcomes_and_hits_of_a_mixed_suite_are_those_of_pytest(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("ways.py", WAYS.format(url=nginx.url))
    file = loads.write("test_mixed.py", MIXED)
    plain = plain_outcomes(file)
    assert plain == {"passed": 7, "failed": 4, "skipped": 4}
    with_fixture = 1
    hits = nginx.count() - with_fixture
    run = loads.run("test_mixed.py", "-u", str(USERS), "--hits", "14")
    assert run.exit_code == 1
    assert "test_mixed.test_needs_a_fixture" in run.err + run.out
    assert run.totals["success"] == USERS * (plain["passed"] - with_fixture)
    assert run.totals["failures"] + run.totals["errors"] == USERS * plain["failed"]
    assert run.totals["errors"] == USERS * 2
    assert run.totals["skipped"] == USERS * plain["skipped"]
    assert run.totals["sent"] == USERS * hits
    assert nginx.count() == hits + with_fixture + USERS * hits


PROXY = """
import contextlib, http.client, socket, threading, unittest
from urllib.parse import urlsplit


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def tunnel(listener):
    client, _ = listener.accept()
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        head += client.recv(1)
    host, port = head.split()[1].decode().split(":")
    with client, socket.create_connection((host, int(port))) as server:
        client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        other = threading.Thread(target=pump, args=(client, server))
        other.start()
        pump(server, client)
        other.join()


class TestTunnel(unittest.TestCase):
    def test_through_a_proxy(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=tunnel, args=(listener,))
            thread.start()
            connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1])
            connection.set_tunnel(urlsplit({url!r}).hostname, urlsplit({url!r}).port)
            connection.request("GET", "/")
            answer = connection.getresponse()
            self.assertEqual((answer.status, b"island" in answer.read()), (200, True))
            connection.close()
            thread.join()
"""


def test_a_tunnel_through_a_proxy_is_no_part_of_the_request(loads: LoadsRunner, nginx: Nginx) -> None:
    """http.client opens it while it sends the request: the CONNECT and its answer are neither hits nor bytes of one."""
    file = loads.write("test_tunnel.py", PROXY.format(url=nginx.url))
    assert plain_outcomes(file) == {"passed": 1}
    run = loads.run("test_tunnel.py", "-u", str(USERS), "--hits", "2")
    assert run.exit_code == 0, run.out + run.err
    assert run.totals["sent"] == run.totals["hits"] == 2 * USERS == nginx.count() - 1
    (series,) = [series for series in run.document["series"] if series["method"] == "GET"]
    assert series["name"] == f"{nginx.url}/"
    assert series["statuses"] == {"200": 2 * USERS}
    request = f"GET / HTTP/1.1\r\nHost: {nginx.url.removeprefix('http://')}\r\nAccept-Encoding: identity\r\n\r\n"
    assert series["bytes_sent"] == 2 * USERS * len(request)
