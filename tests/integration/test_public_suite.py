"""One public test suite in every run, as it needs nothing that isn't here but its sdist. tests/long has the others."""

from __future__ import annotations

from pathlib import Path

from tests.suites import Environment, Suite, compare, fetch, run_as_load_test, run_plainly

WSGIPROXY2 = Suite("WSGIProxy2", "0.5.1", ("wsgiproxy/test_wsgiproxy.py",), tests=27, hits=30)


def test_a_suite_over_http_client_urllib3_and_requests_ends_as_under_pytest(tmp_path: Path) -> None:
    """Its three clients do the same ten requests each, to a server that each test starts for itself."""
    source, environment = fetch(WSGIPROXY2), Environment.current()
    plain = run_plainly(WSGIPROXY2, source, environment, tmp_path)
    document = run_as_load_test(WSGIPROXY2, source, environment, tmp_path)
    compare(WSGIPROXY2, plain, document)
    hits = {"TestHttplib": 0, "TestUrllib3": 0, "TestRequests": 0}
    for series in document["series"]:
        if series["method"] not in ("iteration", "transaction"):
            hits[series["scenario"].split(".")[-2]] += series["hits"]
    assert len(set(hits.values())) == 1
