"""Where results go."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest

from loads.errors import LoadsError
from loads.report.html import find_parts
from loads.report.page import Report
from tests.commands import LOADS_RUNNER, LoadsRunner

SITE = """
from loads.case import TestCase

class TestSite(TestCase):
    def test_good(self):
        self.session.get(self.server_url)

    def test_bad(self):
        self.assertEqual(self.session.get(self.server_url + "/status/404").status_code, 200)
"""


def plain(loads: LoadsRunner, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LOADS_RUNNER, *arguments], cwd=loads.directory, capture_output=True, text=True, timeout=60, check=False
    )


def test_json_has_all_promised_fields(loads: LoadsRunner, site: str) -> None:
    loads.write("sites.py", SITE)
    document = loads.run("sites.py", "-u", "2", "--hits", "4", "--server-url", site).document
    assert document["schema"] == 1
    assert set(document) >= {"run", "totals", "series", "counters", "errors", "timeline", "verdict", "exit_code"}
    promised = "iterations due started ended unstarted interrupted hits sent unsent lost rps success failures errors"
    assert set(document["totals"]) >= {*promised.split(), "skipped", "bytes_sent", "bytes_received"}
    times = {"mean_ms", "min_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"}
    for series in document["series"]:
        assert set(series) >= {"scenario", "method", "name", "hits", "statuses", "errors", "service", "response"}
        assert set(series["service"]) == set(series["response"]) == times
        assert series["service"] == series["response"]
    [error] = document["errors"]
    assert set(error) >= {"kind", "message", "traceback", "count", "first_s", "last_s"}
    for point in document["timeline"]:
        assert set(point) >= {"t_s", "users", "hits", "failures", "errors", "p50_ms", "p95_ms", "p99_ms"}
    assert document["verdict"] == "failed"


def test_a_dash_writes_json_to_the_standard_output_alone(loads: LoadsRunner, site: str) -> None:
    loads.write("sites.py", SITE)
    done = plain(loads, "sites.TestSite.test_good", "--output", "json=-", "--server-url", site)
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"] == "passed"
    assert "Verdict: passed" in done.stderr


def test_several_outputs_hold_the_same(loads: LoadsRunner, site: str) -> None:
    loads.write("sites.py", SITE)
    plain(loads, "sites.py", "--output", "json=a.json", "--output", "json=b.json", "--server-url", site)
    assert (loads.directory / "a.json").read_bytes() == (loads.directory / "b.json").read_bytes()


def test_the_report_and_the_json_of_one_run_agree(loads: LoadsRunner, site: str) -> None:
    """A report needs a front end that was built; without one the command says so before the start."""
    loads.write("sites.py", SITE)
    outputs = ("--output", "html=report.html", "--output", "json=result.json")
    done = plain(loads, "sites.py", "-u", "2", "--hits", "4", "--name", "</script>", "--server-url", site, *outputs)
    if is_missing():
        assert (done.returncode, done.stdout) == (2, "")
        assert "--output html=report.html: the script and the style of reports are not there" in done.stderr
        return
    assert done.returncode == 1
    document = json.loads((loads.directory / "result.json").read_bytes())
    report = report_in(loads.directory / "report.html")
    totals, frame = report.run.totals, report.run
    assert totals is not None
    for name in ("hits", "sent", "unsent", "success", "failures", "errors", "rps", "bytes_received"):
        assert getattr(totals, name) == document["totals"][name]
    assert round((totals.service.p99 or 0) / 1_000, 3) == document["totals"]["service"]["p99_ms"]
    assert [(name.method, name.name) for name in frame.names] == [
        (series["method"], series["name"]) for series in document["series"]
    ]
    assert [figures.hits for figures in frame.figures] == [series["hits"] for series in document["series"]]
    assert [sum(point.hits for point in series.points) for series in report.series] == [
        sum(point["hits"] for point in series["timeline"]) for series in document["series"]
    ]
    assert [point.hits for point in frame.points] == [point["hits"] for point in document["timeline"]]
    assert frame.head is not None
    assert frame.head.label == "</script>"
    assert frame.standing is not None
    assert (frame.standing.outlook.value, frame.standing.exit_code) == (document["verdict"], document["exit_code"])


def is_missing() -> bool:
    """Whether the front end was not built here."""
    try:
        find_parts()
    except LoadsError:
        return True
    return False


def report_in(path: Path) -> Report:
    """What a report holds."""
    found = re.search(r'id="report-data">([A-Za-z0-9+/=]+)</script>', path.read_text(encoding="utf-8"))
    assert found is not None
    return msgspec.json.decode(gzip.decompress(b64decode(found[1])), type=Report)


def test_quiet_leaves_nothing_but_errors(loads: LoadsRunner, site: str) -> None:
    loads.write("sites.py", SITE)
    good = plain(loads, "sites.TestSite.test_good", "--quiet", "--server-url", site)
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    bad = plain(loads, "sites.TestSite.test_bad", "--quiet", "--server-url", site)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "AssertionError: 404 != 200" in bad.stderr
    lost = plain(loads, "sites.TestSite.test_nothing", "--quiet")
    assert (lost.returncode, lost.stdout) == (2, "")
    assert "there is no test test_nothing" in lost.stderr


@pytest.mark.parametrize("output", ["json", "json=", "xml=file", "json=/no/such/directory/file", "json=.", "html=."])
def test_an_output_that_can_not_be_written_is_refused_before_the_start(loads: LoadsRunner, output: str) -> None:
    loads.write("sites.py", SITE)
    done = plain(loads, "sites.py", "--output", output)
    assert done.returncode == 2
    assert done.stderr.startswith("loads-runner: --output")
    assert done.stdout == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_a_full_disk_costs_the_file_and_not_the_result(loads: LoadsRunner, site: str) -> None:
    loads.write("sites.py", SITE)
    done = plain(loads, "sites.TestSite.test_good", "--output", "json=/dev/full", "--server-url", site)
    assert done.returncode == 1
    assert "Verdict: passed" in done.stdout
    assert "could not be written to /dev/full: No space left on device" in done.stderr


def test_the_plan_is_printed_before_the_start(loads: LoadsRunner, site: str) -> None:
    loads.write("sites.py", SITE)
    done = plain(loads, "sites.py", "-u", "4:2", "--hits", "3", "--workers", "2", "--seed", "5", "--server-url", site)
    assert done.stderr.splitlines()[:4] == [
        "Running 2 tests:",
        "  sites.TestSite.test_bad",
        "  sites.TestSite.test_good",
        "Plan: 4 users x 3 iterations = 12, then 2 users x 3 iterations = 6; on 2 workers, seed 5",
    ]


def test_too_few_open_files_are_told_before_the_start(loads: LoadsRunner) -> None:
    loads.write("sites.py", "from loads.case import TestCase\nclass T(TestCase):\n    def test_it(self): pass\n")
    command = f"ulimit -n 200; exec {LOADS_RUNNER} sites.py -u 400 --workers 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=loads.directory, capture_output=True, text=True, timeout=60, check=False
    )
    assert "400 users in one process need about 464 open files and 200 are allowed" in done.stderr
    assert "Warning: 400 users" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-u abc", "'abc' is not a whole number"),
        ("-u 0", "'0' is not a whole number"),
        ("-u -5", "'-5' is not a whole number"),
        ("-u 5:", "'' in '5:' is not a whole number"),
        ("--hits 0", "--hits: '0' is not a whole number"),
        ("--iterations 1.5", "--hits: '1.5' is not a whole number"),
        ("--hits 3 -d 3s", "--hits and --duration exclude each other"),
        ("-d 0", "--duration is zero"),
        ("-d 3x", "'3x' is not a duration"),
        ("-d -3s", "'-3s' is not a duration"),
        ("-d 5s --ramp-up 6s", "--ramp-up is longer than --duration"),
        ("--stages 5", "is not DURATION:USERS"),
        ("--stages 5s:5 -u 3 -d 1s --hits 2", "4 problems"),
        ("--stages 5s:0", "--stages never have a user"),
        ("--stages 0s:5", "--stages last no time"),
        ("--workers many", "'many' is not a number of workers"),
        ("--workers -1", "'-1' is not a number of workers"),
        ("--seed x", "'x' is not a seed"),
        ("--server-url here", "'here' is not the URL of a server"),
        ("--include-file no-*", "there is nothing of that name"),
        ("--users", "requires an argument"),
        ("--user 5", "No such option"),
    ],
)
def test_a_wrong_option_is_one_message_and_exit_code_2(loads: LoadsRunner, arguments: str, message: str) -> None:
    loads.write("sites.py", SITE)
    done = plain(loads, "sites.py", *arguments.split())
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("loads-runner:") == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
