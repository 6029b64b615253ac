"""One public test suite in every run, as it needs nothing that isn't here but its sdist. tests/long has the others."""

from __future__ import annotations

from pathlib import Path

from tests.suites import USERS, Environment, Suite, compare, fetch, run_as_load_test, run_plainly

UNIXSOCKET = Suite(
    "requests-unixsocket",
    "0.4.1",
    ("requests_unixsocket/tests/test_requests_unixsocket.py",),
    tests=5,
    hits=21,
    select="not monkeypatch",
)


def test_a_suite_over_requests_and_unix_sockets_ends_as_under_pytest(tmp_path: Path) -> None:
    """Two of its tests make seven requests each to a server of their own, one makes seven to none."""
    source, environment = fetch(UNIXSOCKET), Environment.current()
    plain = run_plainly(UNIXSOCKET, source, environment, tmp_path)
    document = run_as_load_test(UNIXSOCKET, source, environment, tmp_path)
    compare(UNIXSOCKET, plain, document)
    assert document["totals"]["unsent"] == USERS * 7
