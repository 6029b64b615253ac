"""Test suites of public packages, unmodified, as load tests: no outcome differs from pytest's.

What can't be a load test in one process is not among the targets, or deselected by name; docs/suites.rst says why, and
holds these numbers as a table.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites import USERS, Suite, compare, environment_for, fetch, httpbin, run_as_load_test, run_plainly

pytestmark = pytest.mark.long


def files(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/test_{name}.py" for name in names.split())


SUITES = [
    Suite(
        "requests-futures",
        "1.0.1",
        ("tests/test_requests_futures.py::RequestsTestCase",),
        tests=6,
        hits=10,
        requirements=("requests-futures==1.0.1",),
        httpbin="HTTPBIN_URL",
    ),
    Suite("requests-file", "3.0.1", ("tests/test_requests_file.py",), tests=11, requirements=("requests-file==3.0.1",)),
    Suite(
        "requests-hawk",
        "1.2.1",
        ("requests_hawk/tests/test_hawkauth.py",),
        tests=17,
        requirements=("requests-hawk==1.2.1",),
    ),
    Suite(
        "requests-toolbelt",
        "1.0.0",
        files("tests", "auth_handler formdata multipart_decoder multipart_monitor streaming_iterator"),
        tests=31,
        left_out=8,
        requirements=("requests-toolbelt==1.0.0", "betamax==0.9.0"),
    ),
    Suite(
        "WebTest",
        "3.0.7",
        files("tests", "app authorisation debugapp ext forms lint response sel utils"),
        tests=199,
        requirements=("WebTest==3.0.7",),
        select="not TestWSGIProxy",
    ),
    Suite(
        "prometheus-client",
        "0.26.0",
        ("tests/test_exposition.py",),
        tests=70,
        left_out=26,
        hits=25,
        requirements=("prometheus-client==0.26.0",),
        select="not snappy and not mtls_untrusted",
    ),
    Suite(
        "httplib2",
        "0.32.1",
        files("tests", "auth encoding https uri"),
        tests=107,
        hits=54,
        requirements=("httplib2==0.32.1", "cryptography"),
    ),
    Suite(
        "WebOb",
        "1.8.11",
        files(
            "tests",
            "byterange cachecontrol client client_functional datetime_utils dec descriptors etag exc headers"
            " in_wsgiref misc multidict request response static transcode",
        ),
        tests=1011,
        left_out=30,
        requirements=("WebOb==1.8.11",),
    ),
]


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_no_outcome_differs_under_load(suite: Suite, tmp_path: Path) -> None:
    source, environment = fetch(suite), environment_for(*suite.requirements)
    if suite.httpbin is None:
        compare(
            suite,
            run_plainly(suite, source, environment, tmp_path),
            run_as_load_test(suite, source, environment, tmp_path),
        )
        return
    with httpbin(tmp_path) as (url, counter):
        plain = run_plainly(suite, source, environment, tmp_path, **{suite.httpbin: url})
        before = counter.stat().st_size
        document = run_as_load_test(suite, source, environment, tmp_path, **{suite.httpbin: url})
        assert document["totals"]["sent"] == counter.stat().st_size - before
        assert before * USERS == document["totals"]["sent"]
    compare(suite, plain, document)
