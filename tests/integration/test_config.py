"""Settings from the command line, the environment and files, with the real command; what would run; completion."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.commands import LOADS_RUNNER, Finished, LoadsRunner, environment_for_loads

SHOP = """
from loads.case import TestCase, weight

class TestShop(TestCase):
    def test_home(self):
        self.incr_counter("home")

    @weight(3)
    def test_offer(self):
        self.incr_counter("offer")
"""


@pytest.fixture
def shop(loads: LoadsRunner) -> LoadsRunner:
    loads.write("shop.py", SHOP)
    return loads


def call(loads: LoadsRunner, *arguments: str, below: str = ".", environment: dict[str, str] | None = None) -> Finished:
    """The command alone, without the --output that `loads.run` adds; in the directory `below`."""
    done = subprocess.run(
        [LOADS_RUNNER, *arguments],
        cwd=loads.directory / below,
        env=environment_for_loads(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def rows(done: Finished) -> dict[str, tuple[str, str]]:
    """The table of --show-plan: value and origin of each setting."""
    assert done.exit_code == 0, done.err
    table = done.out.split("\n\n")[0].splitlines()
    assert table[0].split() == ["Setting", "Value", "From"]
    value_at, origin_at = table[0].index("Value"), table[0].index("From")
    assert not any((line[value_at - 1 : value_at] + line[origin_at - 1 : origin_at]).strip() for line in table)
    return {line[:value_at].strip(): (line[value_at:origin_at].strip(), line[origin_at:]) for line in table[1:]}


def refused(done: Finished) -> str:
    """The one message of a command that was used wrongly."""
    assert done.exit_code == 2, done.err
    assert done.out == ""
    assert done.err.startswith("loads-runner: ")
    assert done.err.count("loads-runner:") == 1
    assert "Traceback" not in done.err
    return done.err


# Each layer runs.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("load.ini", "[loads]\ntargets = shop.TestShop.test_home\nusers = 2\nhits = 3\n"),
        ("load.toml", 'targets = ["shop.TestShop.test_home"]\nusers = 2\nhits = 3\n'),
        ("load.toml", '[loads]\ntargets = ["shop.TestShop.test_home"]\nusers = "2"\nhits = [3]\n'),
        ("pyproject.toml", '[tool.loads]\ntargets = "shop.TestShop.test_home"\nusers = 2\nhits = 3\n'),
    ],
)
def test_a_file_says_what_runs(shop: LoadsRunner, name: str, text: str) -> None:
    shop.write(name, text)
    run = shop.run("--config", name)
    assert run.exit_code == 0, run.err
    assert run.document["counters"] == {"home": 6}


def test_a_pyproject_is_found_by_itself(shop: LoadsRunner) -> None:
    shop.write("pyproject.toml", "[tool.loads]\nusers = 2\nhits = 3\n")
    assert shop.run("shop.TestShop.test_home").totals["due"] == 6


def test_the_environment_says_what_runs(shop: LoadsRunner) -> None:
    environment = {"LOADS_TARGETS": "shop.TestShop.test_home", "LOADS_USERS": "2", "LOADS_HITS": "3"}
    assert shop.run(environment=environment).document["counters"] == {"home": 6}


def test_a_server_from_a_file_reaches_the_tests(loads: LoadsRunner, site: str) -> None:
    loads.write(
        "sites.py",
        "from loads.case import TestCase\nclass TestSite(TestCase):\n"
        "    def test_it(self): self.assertEqual(self.session.get(self.server_url).status_code, 200)\n",
    )
    loads.write("load.toml", f'targets = "sites.py"\nserver-url = "{site}"\nfresh-session = true\n')
    assert loads.run("--config", "load.toml").totals["success"] == 1


ARRIVING = "Plan: 300 iterations, 30/s for 10s, by up to 5 users; on 2 workers, seed 1"
JUDGED = "Thresholds: p(95) < 500ms; http_req_failed: rate<0.01; errors < 10, without the first 2s"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "load.ini",
            "[loads]\narrival_rate = 30/s\nduration = 10s\nmax-users = 5\nthreshold = p(95) < 500ms\n"
            "    http_req_failed: rate<0.01 ; errors < 10\nwarm-up = 2s\nworkers = 2\nseed = 1\n",
        ),
        (
            "load.toml",
            'stages = ["0s:30/s", "10s:30/s"]\nmax-users = 5\nwarm-up = 2\nworkers = 2\nseed = 1\n'
            'threshold = ["p(95) < 500ms", "http_req_failed: rate<0.01", "errors < 10"]\n',
        ),
    ],
)
def test_a_file_says_at_which_rate_iterations_arrive_and_what_must_hold(
    shop: LoadsRunner, name: str, text: str
) -> None:
    shop.write(name, text)
    done = call(shop, "shop.py", "--config", name, "--show-plan")
    assert rows(done)["max-users"][0] == "5"
    assert f"\n{ARRIVING}, " in done.out
    assert f"\n{JUDGED}\n" in done.out


def test_the_environment_says_at_which_rate_iterations_arrive_and_what_must_hold(shop: LoadsRunner) -> None:
    environment = {
        "LOADS_ARRIVAL_RATE": "30/s",
        "LOADS_DURATION": "10s",
        "LOADS_MAX_USERS": "5",
        "LOADS_WARM_UP": "2s",
        "LOADS_THRESHOLD": "p(95) < 500ms; http_req_failed: rate<0.01\nerrors < 10",
        "LOADS_MAX_LOST": "5%",
        "LOADS_ALLOW_INVALID": "yes",
        "LOADS_POISSON": "off",
    }
    done = call(shop, "shop.py", "--workers", "2", "--seed", "1", "--show-plan", environment=environment)
    shown = rows(done)
    assert shown["threshold"] == ("p(95) < 500ms", "LOADS_THRESHOLD")
    assert shown["max-lost"] == ("5%", "LOADS_MAX_LOST")
    assert shown["allow-invalid"] == ("yes", "LOADS_ALLOW_INVALID")
    assert (shown["poisson"], shown["pacing"]) == (("off", "LOADS_POISSON"), ("-", "default"))
    assert (shown["users"], shown["hits"]) == (("-", "default"), ("-", "default"))
    assert f"\n{ARRIVING}, " in done.out
    assert f"\n{JUDGED}\n" in done.out


def test_settings_of_a_file_work_without_workers_too(shop: LoadsRunner) -> None:
    shop.write("load.toml", 'targets = "shop.TestShop.test_home"\nworkers = 0\nhits = 3\nusers = 1\n')
    run = shop.run("--config", "load.toml")
    assert run.document["counters"] == {"home": 3}
    assert "in this process" in run.err


# Which one wins.


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(shop: LoadsRunner) -> None:
    shop.write(
        "load.toml",
        'targets = "nothing.py"\nseed = 1\nworkers = 1\nserver-url = "http://127.0.0.1:1"\nfresh-session = true\n',
    )
    environment = {"LOADS_SEED": "2", "LOADS_WORKERS": "2", "LOADS_CONFIG": "load.toml"}
    shown = rows(call(shop, "shop.py", "--seed", "3", "--no-fresh-session", "--show-plan", environment=environment))
    assert shown["config"] == ("load.toml", "LOADS_CONFIG")
    assert shown["targets"] == ("shop.py", "TARGET")
    assert shown["seed"] == ("3", "--seed")
    assert shown["workers"] == ("2", "LOADS_WORKERS")
    assert shown["server-url"] == ("http://127.0.0.1:1", "load.toml server-url")
    assert shown["fresh-session"] == ("false", "--no-fresh-session")
    assert shown["graceful-stop"] == ("30s", "default")


@pytest.mark.parametrize(
    ("arguments", "environment", "plan", "not_used"),
    [
        ([], {}, "4 users for 1m", ""),
        (["--seed", "1"], {"LOADS_WORKERS": "1"}, "4 users for 1m", ""),
        ([], {"LOADS_HITS": "3"}, "1 user x 3 iterations = 3", "LOADS_HITS replaces"),
        (["-u", "2"], {"LOADS_HITS": "3"}, "2 users x 1 iteration = 2", "--users replaces"),
        (["-u", "2", "--hits", "5"], {}, "2 users x 5 iterations = 10", "--users replaces"),
        (
            ["--arrival-rate", "2/s", "-d", "5s"],
            {},
            "10 iterations, 2/s for 5s, by up to 10 users",
            "--duration replaces",
        ),
        (["--pacing", "2s"], {}, "1 user, each test once, one iteration every 2s each", "--pacing replaces"),
        (["--stages", "5s:9"], {"LOADS_USERS": "3"}, "up to 9 users: ramp to 9 over 5s", "--stages replaces"),
        ([], {"LOADS_RAMP_UP": "1s"}, "1 user, each test once", "LOADS_RAMP_UP replaces"),
    ],
)
def test_load_plans_never_mix(
    shop: LoadsRunner, arguments: list[str], environment: dict[str, str], plan: str, not_used: str
) -> None:
    shop.write("pyproject.toml", '[tool.loads]\ntargets = "shop.py"\nusers = 4\nduration = "1m"\n')
    done = call(shop, *arguments, "--show-plan", environment=environment)
    assert done.exit_code == 0, done.err
    assert f"\nPlan: {plan}; " in done.out
    assert not_used in done.out
    assert ("pyproject.toml [tool.loads] duration" in done.out.split("Not used")[-1]) == bool(
        not_used or "Not used" not in done.out
    )


def test_another_config_than_the_pyproject_takes_its_place(shop: LoadsRunner) -> None:
    shop.write("pyproject.toml", "[tool.loads]\nworkers = 1\nno such line")
    shop.write("load.toml", "seed = 5\n")
    shown = rows(call(shop, "shop.py", "--config", "load.toml", "--show-plan"))
    assert (shown["workers"], shown["seed"]) == (("auto", "default"), ("5", "load.toml seed"))
    assert rows(call(shop, "shop.py", "--config", "load.toml", "--show-plan", environment={"LOADS_CONFIG": "no.toml"}))[
        "config"
    ] == ("load.toml", "--config")


# Finding a pyproject.toml.


def test_a_pyproject_is_found_from_a_directory_below(shop: LoadsRunner) -> None:
    shop.write("pyproject.toml", '[tool.loads]\ntargets = ["../../shop.py"]\nusers = 7\n')
    shop.write("a/b/here.txt", "")
    shown = rows(call(shop, "--show-plan", below="a/b"))
    assert shown["config"] == ("../../pyproject.toml", "found")
    assert shown["users"] == ("7", "../../pyproject.toml [tool.loads] users")


def test_a_pyproject_without_our_table_is_passed_by(shop: LoadsRunner) -> None:
    shop.write("pyproject.toml", "[tool.loads]\nworkers = 1\n")
    shop.write("a/pyproject.toml", "[project]\nname = 'a'\n")
    assert rows(call(shop, "../shop.py", "--show-plan", below="a"))["config"] == ("../pyproject.toml", "found")
    shop.write("pyproject.toml", "[tool.other]\nusers = 'x'\n")
    assert rows(call(shop, "../shop.py", "--show-plan", below="a"))["config"] == ("-", "default")


def test_a_directory_for_everybody_ends_the_way_up(shop: LoadsRunner) -> None:
    """Else whoever may write to /tmp could name code to run."""
    shop.write("pyproject.toml", "[tool.loads]\nworkers = 1\n")
    shop.write("a/here.txt", "")
    shop.directory.chmod(0o1777)
    assert rows(call(shop, "../shop.py", "--show-plan", below="a"))["config"] == ("-", "default")
    assert rows(call(shop, "shop.py", "--show-plan"))["config"] == ("pyproject.toml", "found")


def test_a_broken_pyproject_is_a_mistake_when_it_has_a_word_of_loads(shop: LoadsRunner) -> None:
    shop.write("pyproject.toml", "[project]\nname = 'a'\n[tool.loads]\nusers = 60s\n")
    error = refused(call(shop, "shop.py"))
    assert "pyproject.toml, line 4: " in error
    assert "with --config FILE it is not read" in error
    shop.write("pyproject.toml", "[project]\nname = \n")
    assert call(shop, "shop.py", "--list").exit_code == 0


# Mistakes.


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("user = 5", "load.toml: unknown setting user", "did you mean users?"),
        ("ramp_upp = 5", "load.toml: unknown setting ramp_upp", "did you mean ramp-up?"),
        ("users = true", "load.toml users is a boolean", 'like users = 200 or "10:20:30" or [10, 20, 30]'),
        ("users = 0", "load.toml users: '0' is not a whole number", "like 200"),
        ("workers = 'many'", "load.toml workers: 'many' is not a number of workers", "give auto"),
        ("quiet = 'maybe'", "load.toml quiet: 'maybe' is neither true nor false", "yes or no"),
        ("\n\nusers = 60s\n", "load.toml, line 3: ", "quotes"),
        ("users = 1\nduration = '5s'\nhits = 1", "load.toml hits and load.toml duration exclude", "how often"),
        ("duration = 5\nramp_up = 6", "load.toml ramp_up is longer than load.toml duration", "a part"),
        ("config = 'other.toml'", "load.toml config can't be set", "--config is for the command line only"),
        ("list = true", "load.toml list can't be set", "--list is for the command line only"),
        ("include-file = ['no-*.py']", "load.toml include-file no-*.py: there is nothing of that name", "looked in"),
        ("output = ['xml=r']", "load.toml output 'xml=r' is not KIND=FILE", "like json=result.json"),
        ("output = ['json=no/dir/r']", "load.toml output json=no/dir/r: no/dir/r can't be written", "yours"),
        ("log-file = 'no/dir/r'", "load.toml log-file no/dir/r: no/dir/r can't be written", "yours"),
        ("targets = []", "there is no target", "set targets in a configuration"),
        ("", "there is no target", "loads-runner shop.TestShop.test_home"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place_and_what_to_do(
    shop: LoadsRunner, text: str, message: str, hint: str
) -> None:
    shop.write("load.toml", text)
    first, *rest = refused(call(shop, "--config", "load.toml")).splitlines()
    assert first.startswith(f"loads-runner: {message}")
    assert any(hint in line for line in rest)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[loads]\nuser = 5\n", "load.ini [loads]: unknown setting user"),
        ("[loads]\nusers = 5 6\n", "load.ini [loads] users: '5 6' is not a whole number"),
        ("[loads]\nusers\n", "load.ini, line 2: this is no setting"),
        ("[load]\nusers = 5\n", "load.ini has no section [loads]"),
        ("users = 5\n", "load.ini, line 1: no section has begun yet"),
    ],
)
def test_a_mistake_in_an_ini_file(shop: LoadsRunner, text: str, message: str) -> None:
    shop.write("load.ini", text)
    assert refused(call(shop, "--config", "load.ini")).startswith(f"loads-runner: {message}")


@pytest.mark.parametrize(
    ("variable", "text", "message", "hint"),
    [
        ("LOADS_USER", "5", "unknown variable LOADS_USER", "did you mean LOADS_USERS?"),
        ("LOADS_SERVERURL", "5", "unknown variable LOADS_SERVERURL", "did you mean LOADS_SERVER_URL?"),
        ("LOADS_USERS", "many", "LOADS_USERS: 'many' is not a whole number", "like 200"),
        ("LOADS_SERVER_URL", "here", "LOADS_SERVER_URL: 'here' is not the URL of a server", "like http"),
        ("LOADS_DURATION", "0", "LOADS_DURATION is zero", "like 30s"),
        ("LOADS_ARRIVAL_RATE", "5/s", "LOADS_ARRIVAL_RATE has no end", "like -d 60s"),
        ("LOADS_THRESHOLD", "p95 < 500ms", "LOADS_THRESHOLD: the threshold 'p95 < 500ms'", "did you mean p(95)?"),
        ("LOADS_QUIET", "maybe", "LOADS_QUIET: 'maybe' is neither true nor false", "yes or no"),
        ("LOADS_SHOW_PLAN", "1", "LOADS_SHOW_PLAN can't be set", "--show-plan is for the command line only"),
        ("LOADS_CONFIG", "no.toml", "LOADS_CONFIG no.toml: there is nothing of that name", "looked in"),
    ],
)
def test_a_mistake_in_the_environment(shop: LoadsRunner, variable: str, text: str, message: str, hint: str) -> None:
    error = refused(call(shop, "shop.py", environment={variable: text}))
    assert error.startswith(f"loads-runner: {message}")
    assert hint in error


def test_reserved_variables_are_left_alone(shop: LoadsRunner) -> None:
    environment = {"LOADS_RUN_ID": "1", "LOADS_TOTAL_USERS": "1", "LOADS_ZMQ_RECEIVER": "ipc:///x", "LOADS_JOIN": "1"}
    assert call(shop, "shop.py", "--list", environment=environment).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--config load.yaml", "--config load.yaml is neither .ini nor .toml"),
        ("--config laod.toml", "--config laod.toml: there is nothing of that name\n  did you mean load.toml?"),
        ("--config load.toml --config load.ini", "--config is given more than once"),
        ("--config dir.toml", "--config dir.toml can't be read: Is a directory"),
        ("--config latin.ini", "--config latin.ini is not UTF-8"),
        ("--config pyproject.toml", "--config pyproject.toml has no table [tool.loads]"),
        ("--list --show-plan", "--show-plan and --list exclude each other"),
        ("--arrival-rate 5/s -d 5s -u 3", "--arrival-rate and --users exclude each other"),
        ("--threshold hits>many", "--threshold: the threshold 'hits>many'"),
        ("--think-time 3s-1s", "--think-time: '3s-1s' goes from more to less"),
        ("--stop-on-failure 0", "--stop-on-failure: '0' is not a number of failures"),
        ("--log-level loud", "--log-level: 'loud' is not a level"),
        ("--log-file .", "--log-file .: . can't be written"),
        ("--log-file no/dir/x", "--log-file no/dir/x: no/dir/x can't be written"),
    ],
)
def test_a_mistake_on_the_command_line(shop: LoadsRunner, arguments: str, message: str) -> None:
    shop.write("load.toml", "")
    shop.write("dir.toml/x", "")
    shop.write("pyproject.toml", "[tool.ruff]\n")
    (shop.directory / "latin.ini").write_bytes(b"[loads]\nselect = \xe4\n")
    assert refused(call(shop, "shop.py", *arguments.split())).startswith(f"loads-runner: {message}")


def test_all_mistakes_of_all_layers_are_told_at_once(shop: LoadsRunner) -> None:
    shop.write("load.toml", "user = 5\nseed = true\nlog-file = 'no/dir/x'\n")
    error = refused(
        call(shop, "--config", "load.toml", "-d", "0", "--workers", "many", environment={"LOADS_QUITE": "1"})
    )
    assert error.startswith("loads-runner: 6 problems\n")
    for part in ("--workers: ", "LOADS_QUITE (did you mean LOADS_QUIET?)", "setting user", "seed is a boolean"):
        assert part in error
    assert "--duration is zero" in error
    assert "no/dir/x can't be written" in error


# What would run.


def test_the_plan_is_shown_with_every_setting_and_nothing_runs(shop: LoadsRunner) -> None:
    shop.write(
        "here.py",
        "import pathlib\nfrom loads.case import TestCase\n"
        "def setUpModule(): pathlib.Path('ran').touch()\n"
        "class TestHere(TestCase):\n    def test_it(self): pathlib.Path('ran').touch()\n",
    )
    shop.write("load.ini", "[loads]\nthink_time = 1s-3s\ntargets = shop.py\n  here.py\n")
    done = call(
        shop,
        *("--config", "load.ini", "-u", "3", "--stop-on-failure", "5", "--log-file", "run.log"),
        *("--output", "json=r.json", "--workers", "2", "--seed", "1", "--show-plan"),
    )
    shown = rows(done)
    assert shown["targets"] == ("shop.py", "load.ini [loads] targets")
    assert shown[""] == ("here.py", "")
    assert shown["users"] == ("3", "--users")
    assert shown["hits"] == ("1", "default")
    assert shown["think-time"] == ("1s-3s", "load.ini [loads] think_time")
    assert shown["stop-on-failure"] == ("5", "--stop-on-failure")
    assert shown["duration"] == ("-", "default")
    assert done.out.split("\n\n")[1].splitlines() == [
        "Running 3 tests:",
        "  shop.TestShop.test_home (weight 1)",
        "  shop.TestShop.test_offer (weight 3)",
        "  here.TestHere.test_it (weight 1)",
        "Plan: 3 users x 1 iteration = 3; on 2 workers, seed 1, 1s to 3s between iterations",
        "Fixtures, once per worker: here.setUpModule",
    ]
    assert done.err == ""
    assert {path.name for path in shop.directory.iterdir()} <= {"shop.py", "here.py", "load.ini", "__pycache__"}


def test_the_plan_without_workers(shop: LoadsRunner) -> None:
    done = call(shop, "shop.py", "--workers", "0", "--show-plan")
    assert rows(done)["hits"] == ("each test once", "default")
    assert "Plan: 1 user, each test once; in this process" in done.out


def test_tests_are_listed_one_a_line_and_nothing_runs(shop: LoadsRunner) -> None:
    done = call(shop, "shop.py", "--list", "--log-file", "run.log")
    assert (done.exit_code, done.err) == (0, "")
    assert done.out == "shop.TestShop.test_home\nshop.TestShop.test_offer (weight 3)\n"
    assert not (shop.directory / "run.log").exists()


@pytest.mark.parametrize("environment", [{}, {"LOADS_SELECT": "home"}])
def test_only_selected_tests_are_listed(shop: LoadsRunner, environment: dict[str, str]) -> None:
    option = [] if environment else ["-k", "not offer"]
    done = call(shop, "shop.py", "--list", *option, environment=environment)
    assert done.out == "shop.TestShop.test_home\n"


@pytest.mark.parametrize("option", ["--list", "--show-plan"])
def test_tests_that_do_not_import_show_their_own_traceback(loads: LoadsRunner, option: str) -> None:
    loads.write("broken.py", "print('about to')\n1 / 0\n")
    done = call(loads, "broken.py", option)
    assert (done.exit_code, done.out) == (2, "")
    assert "worker 0 | about to" in done.err
    assert "loads-runner: broken can't be imported" in done.err
    assert done.err.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "there is no module nothing" in call(loads, "nothing", option).err


def test_waiting_for_tests_can_be_stopped(loads: LoadsRunner) -> None:
    loads.write("slow.py", "print('importing', flush=True)\nimport time\ntime.sleep(60)\n")
    with loads.start("slow.py", "--list") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "worker 0 | importing\n"
        loads.interrupt(process)
        assert loads.end(process).exit_code == 5


# Completion, as a shell asks for it.


def complete(loads: LoadsRunner, *words: str) -> list[str]:
    """What bash would offer for the last of `words`, with what the documentation tells to evaluate."""
    script = (
        'eval "$(_LOADS_RUNNER_COMPLETE=bash_source loads-runner)" && '
        'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && compopt() { echo "compopt $1 $2"; } && '
        '_loads_runner_completion loads-runner && printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{LOADS_RUNNER.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "bash", "loads-runner", *words],
        cwd=loads.directory,
        env=environment_for_loads({"PATH": path}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_completes_targets_options_levels_and_files(shop: LoadsRunner) -> None:
    for name in ("site.py", "notes.txt", "tests/test_more.py"):
        shop.write(name, "")
    assert complete(shop, "s") == ["shop.py", "site.py"]
    assert complete(shop, "shop.py", "te") == ["tests/test_more.py"]
    assert complete(shop, "shop.py", "--st") == ["--stages", "--stop-on-failure", "--stop"]
    assert complete(shop, "shop.py", "--log-level", "w") == ["warning"]
    assert complete(shop, "--config", "l") == ["compopt -o default", ""]


def test_files_are_completed_whatever_the_configuration_says(shop: LoadsRunner) -> None:
    """A shell that completes shows no errors, so a mistake elsewhere must not take its answers away."""
    shop.write("pyproject.toml", "[tool.loads]\nbroken")
    assert complete(shop, "sh") == ["shop.py"]


def test_paths_in_a_file_are_as_if_typed(shop: LoadsRunner) -> None:
    """Relative paths of a file are as if typed: from the working directory."""
    shop.write("conf/load.toml", 'targets = "shop.py"\nlog-file = "run.log"\n')
    assert rows(call(shop, "--config", "conf/load.toml", "--show-plan"))["targets"][0] == "shop.py"
    assert "there is no file shop.py" in call(shop, "--config", "load.toml", "--show-plan", below="conf").err
