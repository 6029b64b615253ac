from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import loads
from loads.cli import runner
from loads.cli.beside import Beside
from loads.cli.outputs import Output, Outputs
from loads.cli.runner import main
from loads.metrics.rules import Rules
from loads.plan.http import HttpOptions
from loads.plan.load import LoadOptions
from loads.plan.pacer import RateStage
from loads.plan.profile import Stage
from loads.units import RATE_PER_S, US_PER_S
from loads.wire.run import RunSpec

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be run: the spec, the outputs and whether it is quiet."""
    seen: list[Any] = []

    def run(spec: RunSpec, outputs: Outputs, page: Beside | None, *, quiet: bool) -> int:
        seen.extend([spec, outputs, quiet])
        return 0

    monkeypatch.setattr(runner, "_run", run)
    return seen


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def parsed(asked: list[Any], *arguments: str) -> RunSpec:
    assert call(*arguments) == 0
    spec: RunSpec = asked[0]
    return spec


# What is understood.


def test_a_target_alone_asks_for_no_load(asked: list[Any], here: Path) -> None:
    spec = parsed(asked, "site.TestSite")
    assert spec.targets == ("site.TestSite",)
    assert spec.search_path == (str(here),)
    assert spec.load == LoadOptions()
    assert (spec.workers, spec.server_url, spec.fresh_session) == (None, None, False)
    assert asked[1:] == [[], False]


@pytest.mark.parametrize(
    ("arguments", "load"),
    [
        (["-u", "200"], LoadOptions(users=(200,))),
        (["--users", "10:20:30", "--hits", "20"], LoadOptions(users=(10, 20, 30), hits=(20,))),
        (["--iterations", "5:10"], LoadOptions(hits=(5, 10))),
        (["-d", "1m30s"], LoadOptions(duration_us=90 * US_PER_S)),
        (["-d", "60", "--ramp-up", "10s"], LoadOptions(duration_us=60 * US_PER_S, ramp_up_us=10 * US_PER_S)),
        (
            ["--stages", "30s:50,20s:0"],
            LoadOptions(stages=(Stage(30 * US_PER_S, 50), Stage(20 * US_PER_S, 0))),
        ),
        (
            ["--arrival-rate", "500/s", "-d", "60s", "--max-users", "40", "--poisson"],
            LoadOptions(arrival_rate=500 * RATE_PER_S, duration_us=60 * US_PER_S, max_users=40, poisson=True),
        ),
        (
            ["--arrival-rate", "30/m", "-d", "60s", "--ramp-up", "10s"],
            LoadOptions(arrival_rate=RATE_PER_S // 2, duration_us=60 * US_PER_S, ramp_up_us=10 * US_PER_S),
        ),
        (
            ["--stages", "30s:100/s,1m:500/s"],
            LoadOptions(rates=(RateStage(30 * US_PER_S, 100 * RATE_PER_S), RateStage(60 * US_PER_S, 500 * RATE_PER_S))),
        ),
        (["-u", "5", "--pacing", "5s"], LoadOptions(users=(5,), pacing_us=5 * US_PER_S)),
        (["--graceful-stop", "0s"], LoadOptions(graceful_stop_us=0)),
        (["--graceful-stop", "2s"], LoadOptions(graceful_stop_us=2 * US_PER_S)),
    ],
)
def test_the_load(asked: list[Any], arguments: list[str], load: LoadOptions) -> None:
    assert parsed(asked, "t", *arguments).load == load


def test_the_talks_own_command_line(asked: list[Any], here: Path) -> None:
    (here / "loadstests.py").touch()
    spec = parsed(
        asked,
        *("loadtests.TestWebSite.test_something", "--include-file", "loadstests.py"),
        *("-u", "200", "--server-url", "http://2014.djangocon.eu"),
    )
    assert spec.targets == ("loadtests.TestWebSite.test_something",)
    assert spec.load == LoadOptions(users=(200,))
    assert spec.server_url == "http://2014.djangocon.eu"


@pytest.mark.parametrize(("text", "workers"), [("auto", None), ("0", 0), ("4", 4), ("256", 256)])
def test_workers(asked: list[Any], text: str, workers: int | None) -> None:
    assert parsed(asked, "t", "--workers", text).workers == workers


def test_everything_else(asked: list[Any], here: Path) -> None:
    outputs = ("--output", "json=-", "--output", "json=r")
    spec = parsed(asked, "t", "u", "--seed", "5", "--fresh-session", "--quiet", *outputs)
    assert (spec.targets, spec.seed, spec.fresh_session) == (("t", "u"), 5, True)
    assert asked[1:] == [[Output("json", None), Output("json", Path("r"))], True]


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["-k", "login and not slow"], "select", "login and not slow"),
        (["--select", "login"], "select", "login"),
        (["--think-time", "1s-3s"], "think_time_us", (US_PER_S, 3 * US_PER_S)),
        (["--think-time", "2s"], "think_time_us", (2 * US_PER_S, 2 * US_PER_S)),
        (["--stop-on-failure", "5"], "stop_on_failure", 5),
        (["--log-level", "DEBUG"], "log_level", "debug"),
        ([], "log_level", None),
        ([], "log_file", None),
    ],
)
def test_how_tests_are_chosen_paced_and_logged(
    asked: list[Any], arguments: list[str], field: str, value: object
) -> None:
    assert getattr(parsed(asked, "t", *arguments), field) == value


@pytest.mark.parametrize(
    ("arguments", "rules"),
    [
        ([], Rules()),
        (
            ["--threshold", " p(95)  <  500ms ", "--threshold", "failure_rate < 1%", "--warm-up", "20s"],
            Rules(("p(95) < 500ms", "failure_rate < 1%"), 20 * US_PER_S),
        ),
        (["--threshold", "p(95)<1s; failure_rate<1%"], Rules(("p(95)<1s", "failure_rate<1%"))),
        (["-d", "3s", "--threshold", "max < 1s over 1m"], Rules(("max < 1s over 1m",))),
        (["-d", "3s", "--threshold", "max < 1s over 1m for 1s"], Rules(("max < 1s over 1m for 1s",))),
        (["-d", "9s", "--threshold", "max < 1s over 3s for 7s"], Rules(("max < 1s over 3s for 7s",))),
        (["-d", "3s", "--threshold", "max < 1s for 3s"], Rules(("max < 1s for 3s",))),
        (["--hits", "3", "--threshold", "max < 1s for 1h"], Rules(("max < 1s for 1h",))),
        (["--threshold", "errors < 10", "--threshold", "errors < 10"], Rules(("errors < 10",))),
        (["--max-lost", "5%"], Rules(max_lost=0.05)),
        (["--allow-invalid"], Rules(allow_invalid=True)),
    ],
)
def test_what_a_run_is_judged_by(asked: list[Any], arguments: list[str], rules: Rules) -> None:
    assert parsed(asked, "t", *arguments).rules == rules


def test_thresholds_as_k6_has_them_are_as_many_as_there_are_conditions(asked: list[Any]) -> None:
    text = "thresholds: {\n  http_req_duration: ['p(90) < 400', 'p(95) < 800'],\n  http_req_failed: ['rate<0.01'],\n}"
    assert len(parsed(asked, "t", "--threshold", text).rules.thresholds) == 3


@pytest.mark.parametrize(
    ("arguments", "http"),
    [
        ([], HttpOptions()),
        (["--timeout", "2s"], HttpOptions(timeout_us=2 * US_PER_S)),
        (["--no-keepalive", "--insecure-tls"], HttpOptions(keepalive=False, insecure_tls=True)),
        (["--user-agent", "a b"], HttpOptions(user_agent="a b")),
        (
            ["--source-address", "127.0.0.2", "--source-address", "127.0.0.3"],
            HttpOptions(source_addresses=("127.0.0.2", "127.0.0.3")),
        ),
    ],
)
def test_how_requests_find_their_way(asked: list[Any], arguments: list[str], http: HttpOptions) -> None:
    assert parsed(asked, "t", *arguments).http == http


def test_a_log_file_is_absolute_and_has_a_level(asked: list[Any], here: Path) -> None:
    """A test may change its directory, and a file that nothing is written to helps nobody."""
    spec = parsed(asked, "t", "--log-file", "run.log")
    assert (spec.log_level, spec.log_file) == ("info", str(here / "run.log"))
    assert not (here / "run.log").exists()
    asked.clear()
    assert parsed(asked, "t", "--log-file", "run.log", "--log-level", "error").log_level == "error"


def test_without_a_seed_there_is_a_new_one_each_time(asked: list[Any]) -> None:
    seeds = []
    for _ in range(5):
        asked.clear()
        seeds.append(parsed(asked, "t").seed)
    assert len(set(seeds)) > 1


def test_included_files_make_their_directories_importable(asked: list[Any], here: Path) -> None:
    for name in ("lib/a.py", "lib/b.py", "plain/x.txt", "package/__init__.py"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).touch()
    spec = parsed(asked, "t", "--include-file", "lib/*.py", "--include-file", "plain", "--include-file", "package")
    assert spec.search_path == (str(here), str(here / "lib"), str(here / "plain"), str(here))


def test_parsing_does_not_touch_an_output_that_exists(asked: list[Any], here: Path) -> None:
    (here / "result.json").write_text("of yesterday")
    parsed(asked, "t", "--output", "json=result.json")
    assert (here / "result.json").read_text() == "of yesterday"


# What is not.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no target"),
        (["t", "-u", "abc"], "--users: 'abc' is not a whole number from 1 to 10,000,000"),
        (["t", "-u", "0"], "--users: '0' is not a whole number"),
        (["t", "-u", "-5"], "--users: '-5' is not a whole number"),
        (["t", "--hits", "1:0"], "--hits: '0' in '1:0' is not a whole number"),
        (["t", "-d", "soon"], "--duration: 'soon' is not a duration"),
        (["t", "-d", "-5s"], "--duration: '-5s' is not a duration"),
        (["t", "-d", "0"], "--duration is zero"),
        (["t", "-d", "5s", "--hits", "3"], "--hits and --duration exclude each other"),
        (["t", "-d", "5s", "--ramp-up", "6s"], "--ramp-up is longer than --duration"),
        (["t", "--ramp-up", "x"], "--ramp-up: 'x' is not a duration"),
        (["t", "--stages", "5s"], "--stages: '5s' is not DURATION:USERS"),
        (["t", "--stages", "5s:5", "-u", "3"], "--stages and --users exclude each other"),
        (["t", "--arrival-rate", "500"], "--arrival-rate: '500' is not a rate"),
        (["t", "--arrival-rate", "500/s"], "--arrival-rate has no end"),
        (["t", "--arrival-rate", "5/s", "-d", "5s", "-u", "3"], "--arrival-rate and --users exclude each other"),
        (["t", "--arrival-rate", "5/s", "-d", "5s", "--max-users", "0"], "--max-users: '0' is not a whole number"),
        (["t", "--arrival-rate", "5/s", "-d", "5s", "--think-time", "1s"], "--arrival-rate and --think-time exclude"),
        (["t", "--pacing", "5s", "--think-time", "1s"], "--pacing and --think-time exclude"),
        (["t", "--pacing", "0"], "--pacing is zero"),
        (["t", "--poisson"], "--poisson is for iterations that arrive at a rate"),
        (["t", "--max-users", "5"], "--max-users is for iterations that arrive at a rate"),
        (["t", "--stages", "5s:5,5s:5/s"], "--stages: '5s:5' is not DURATION:RATE, and others are"),
        (["t", "--threshold", "p95 < 500ms"], "there is no measure 'p95'"),
        (["t", "--threshold", ""], "--threshold: there is nothing in it"),
        (["t", "-d", "5s", "--warm-up", "5s", "--threshold", "hits > 1"], "--warm-up leaves nothing of a run of 5s"),
        (["t", "-d", "3s", "--threshold", "max<1s for 1m"], "for 1m is longer than the run of 3s"),
        (["t", "--stages", "3s:5/s", "--threshold", "max<1s for 4s"], "for 4s is longer than the run of 3s"),
        (
            ["t", "-d", "9s", "--warm-up", "4500ms", "--threshold", "max<1s for 5s"],
            "for 5s is longer than what is judged",
        ),
        (
            ["t", "-d", "9s", "--threshold", "max<1s over 3s for 8s"],
            "for 8s is longer than what is judged of the run of 9s",
        ),
        (
            ["t", "-d", "3s", "--threshold", "max<1s over 1m for 2s"],
            "for 2s is longer than what is judged of the run of 3s",
        ),
        (["t", "--warm-up", "5s"], "--warm-up is for thresholds, and there are none"),
        (["t", "--max-lost", "1"], "--max-lost: '1' is all of them"),
        (["t", "--graceful-stop", "x"], "--graceful-stop: 'x' is not a duration"),
        (["t", "--workers", "many"], "--workers: 'many' is not a number of workers"),
        (["t", "--workers", "257"], "--workers: '257' is not a number of workers"),
        (["t", "--workers", "-1"], "--workers: '-1' is not a number of workers"),
        (["t", "--seed", "x"], "--seed: 'x' is not a seed"),
        (["t", "--seed", str(2**63)], "is not a seed"),
        (["t", "--server-url", "example.org"], "--server-url: 'example.org' is not the URL of a server"),
        (["t", "--server-url", "http://"], "--server-url: 'http://' is not the URL of a server"),
        (["t", "--include-file", "nosuch*.py"], "--include-file nosuch*.py: there is nothing of that name"),
        (["t", "--output", "xml=r"], "--output 'xml=r' is not KIND=FILE"),
        (["t", "--output", "json="], "--output 'json=' is not KIND=FILE"),
        (["t", "--output", "json=no/such/dir/r.json"], "no/such/dir/r.json can't be written"),
        (["t", "--output", "json=."], ". can't be written"),
        (["t", "--timeout", "0"], "--timeout: '0' leaves no time for an answer"),
        (["t", "--dns", "never"], "--dns: 'never' is not a way to look up names"),
        (["t", "--resolve", "shop:443"], "--resolve: 'shop:443' is not HOST:PORT:ADDRESS"),
        (["t", "--resolve", "shop:0:10.0.0.7"], "--resolve: in 'shop:0:10.0.0.7', '0' is not a port"),
        (["t", "--user-agent", ""], "--user-agent: there is nothing in it"),
        (["t", "--user-agent", "a\r\nb"], "--user-agent: 'a\\r\\nb' holds a control character"),
        (["t", "--ca-bundle", "no.pem"], "--ca-bundle no.pem is not there"),
        (["t", "--source-address", "eth0"], "--source-address: 'eth0' is not an IP address"),
        (["t", "--source-address", "198.51.100.1"], "--source-address: this machine can't connect from 198.51.100.1"),
        (["t", "--no-such-option"], "No such option"),
        (["t", "-u"], "Option '-u' requires an argument"),
    ],
)
def test_wrong_usage_is_one_message_with_a_hint_and_exit_code_2(
    asked: list[Any], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    first, *hint = err.splitlines()
    assert first.startswith("loads-runner: ")
    assert message in first
    assert hint
    assert all(line.startswith("  ") for line in hint)
    assert out == ""
    assert asked == []


def test_all_problems_of_a_load_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("t", "-d", "0", "--hits", "3", "--stages", "0s:0") == 2
    err = capsys.readouterr().err
    assert err.startswith("loads-runner: 6 problems\n")
    assert err.count("\n  - --") == 6


def test_all_problems_of_thresholds_are_told_with_those_of_the_load(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADS_THRESHOLD", "p95 < 5ms\nhits > 3; errors < ten")
    assert call("t", "--arrival-rate", "5/s") == 2
    err = capsys.readouterr().err
    assert err.startswith("loads-runner: 3 problems\n")
    assert err.count("\n  - LOADS_THRESHOLD: ") == 2
    assert "--arrival-rate has no end" in err


def test_a_number_that_goes_on_and_on_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("t", "--threshold", f"hits > {'9' * 300}", "-u", "9" * 300) == 2
    err = capsys.readouterr().err
    assert f"'{'9' * 40}...' is not a number" in err
    assert f"--users: '{'9' * 40}...' is not" in err
    assert "9" * 41 not in err


def test_there_is_a_most_of_thresholds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADS_THRESHOLD", "\n".join(f"hits > {n}" for n in range(101)))
    assert call("t") == 2
    assert capsys.readouterr().err == "loads-runner: LOADS_THRESHOLD: 101 thresholds are too many\n  100 are allowed\n"


def test_a_warm_up_in_a_file_waits_for_thresholds(asked: list[Any], here: Path) -> None:
    """Typed for nothing it is a mistake; a file says it for those runs that have some."""
    (here / "load.toml").write_text('warm-up = "20s"\n')
    assert parsed(asked, "t", "-d", "5s", "--config", "load.toml").rules == Rules((), 20 * US_PER_S)


def test_all_problems_of_requests_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("--timeout", "0", "--dns", "x", "--resolve", "a:b:c", "--resolve", "d", "--user-agent", "\n")
    addresses = ("--source-address", "198.51.100.1", "--source-address", "198.51.100.2")
    assert call("t", *texts, *addresses, "--insecure-tls", "--ca-bundle", "no.pem") == 2
    err = capsys.readouterr().err
    assert err.startswith("loads-runner: 8 problems\n")
    assert err.count("\n  - --") == 8


def test_a_file_of_nearly_that_name_is_suggested(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "loadtests.py").touch()
    assert call("t", "--include-file", "loadstests.py") == 2
    assert "did you mean loadtests.py?" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    out = capsys.readouterr().out
    assert "Exit codes:" in out
    assert "--arrival-rate 500/s" in out
    assert "--allow-invalid" in out
    assert call("--version") == 0
    assert loads.__version__ in capsys.readouterr().out


# Variables for the tests.


def test_variables_are_given_or_taken_from_here(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "mine")
    spec = parsed(asked, "a.py", "--env", "MINE", "--env", "TOKEN=a=b", "--env", "EMPTY=")
    assert spec.env == {"MINE": "mine", "TOKEN": "a=b", "EMPTY": ""}


def test_variables_that_can_not_be_are_told_with_all_other_problems_and_without_their_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTES", os.fsdecode(b"\xff"))
    options = [*("--env", "NOT_HERE"), *("--env", "A=secret"), *("--env", "A=secret"), *("--env", "BYTES")]
    assert call("a.py", *options, "--env", "1A=secret", "-u", "0") == 2
    told = capsys.readouterr().err
    assert "secret" not in told
    assert "'1A' names no environment variable" in told
    assert call("a.py", *options, "-u", "2", "-d", "1s", "--ramp-up", "2s") == 2
    told = capsys.readouterr().err
    assert "secret" not in told
    for line in (
        "--env NOT_HERE: there is no such variable here",
        "--env A is given twice",
        "--env BYTES is not UTF-8 text",
        "ramp-up",
    ):
        assert line in told


def test_variables_are_not_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("a.py", "--env", "A=" + "x" * 65_536) == 2
    assert "1 variables of 65,537 bytes, and 100 of 65,536 are allowed" in capsys.readouterr().err
    assert call("a.py", *(word for n in range(101) for word in ("--env", f"A{n}=1"))) == 2
