"""What .ini, .toml and pyproject.toml files hold."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.plan.config import Layer
from loads.plan.files import read_ini, read_pyproject, read_toml
from loads.plan.http import DnsPolicy, Resolve
from loads.plan.pacer import RateStage
from loads.plan.profile import Stage
from loads.units import RATE_PER_S, US_PER_S

STAGES = (Stage(30 * US_PER_S, 50), Stage(60 * US_PER_S, 200))


def values(layer: Layer | None) -> dict[str, Any]:
    assert layer is not None
    assert layer.problems == []
    return {name: value.value for name, value in layer.values.items()}


def messages(layer: Layer) -> list[str]:
    return [problem.message for problem in layer.problems]


# .ini


def test_an_ini_file_as_the_classic_tool_has_it() -> None:
    text = """
[loads]
; the classic spelling of names, too
server_url = http://127.0.0.1:8000/%7Eme
users: 10:20:30
hits = 20   # of each user
fresh-session = Yes
include_file = a.py
    b.py  lib/*.py

[circus]
check_delay = 5
"""
    assert values(read_ini(text, "loads.ini")) == {
        "server-url": "http://127.0.0.1:8000/%7Eme",
        "users": (10, 20, 30),
        "hits": (20,),
        "fresh-session": True,
        "include-file": ("a.py", "b.py", "lib/*.py"),
    }


def test_values_of_an_ini_file_know_where_they_are() -> None:
    layer = read_ini("[loads]\nramp_up = 5s\nstages = 30s:50,\n  1m:200", "conf/loads.ini")
    assert layer.values["ramp-up"].origin == "conf/loads.ini [loads] ramp_up"
    assert layer.values["stages"].value == STAGES


def test_the_default_section_of_others_is_not_ours() -> None:
    assert values(read_ini("[DEFAULT]\nhome = /\n[loads]\nusers = 1\n", "tox.ini")) == {"users": (1,)}


def test_lists_of_addresses_in_an_ini_file_are_words() -> None:
    text = "[loads]\nsource_address = 10.0.0.5 10.0.0.6\nresolve = shop:443:10.0.0.7\n  shop:443:10.0.0.8\n"
    assert values(read_ini(text, "loads.ini")) == {
        "source-address": ("10.0.0.5", "10.0.0.6"),
        "resolve": (Resolve("shop", 443, ("10.0.0.7",)), Resolve("shop", 443, ("10.0.0.8",))),
    }


def test_thresholds_in_an_ini_file_are_lines_and_a_semicolon_hides_none() -> None:
    """Elsewhere a semicolon after a blank begins a comment: here half of what must hold would be gone unsaid."""
    text = """
[loads]
users = 5 ; of them
; threshold = errors < 1
threshold = p(95) < 500ms ; errors < 10   # for now
    failure_rate < 1%
    ; hits > 1
"""
    assert values(read_ini(text, "loads.ini")) == {
        "users": (5,),
        "threshold": ("p(95) < 500ms", "errors < 10", "failure_rate < 1%"),
    }


@given(st.lists(st.sampled_from(["[loads]", "[x] ; [y]", "threshold = a", "  b ; c", "; d", "users = 1 ; e", "f"])))
def test_any_lines_of_an_ini_file_are_settings_or_problems(lines: list[str]) -> None:
    with suppress(UsageError):
        read_ini("\n".join(lines), "loads.ini")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("users = 5\n", "f.ini, line 1: no section has begun yet", "begin the file with [loads]"),
        ("[loads]\n\nwhat is this\n", "f.ini, line 3: this is no setting", "write name = value"),
        ("[loads]\nusers = 5\nUsers = 6\n", "f.ini, line 3: users is there twice", "leave one of them out"),
        ("[loads]\n[loads]\n", "f.ini, line 2: [loads] is there twice", "make one of both"),
        ("[load]\nusers = 5\n", "f.ini has no section [loads]", "is it [load]?"),
        ("", "f.ini has no section [loads]", "begin it with [loads]"),
    ],
)
def test_what_is_no_ini_file_is_told_with_its_line(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_ini(text, "f.ini")
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_all_broken_lines_are_told() -> None:
    with pytest.raises(UsageError) as caught:
        read_ini("[loads]\none\ntwo\n", "f.ini")
    assert caught.value.message == "2 problems"
    assert [line.split(":")[0] for line in caught.value.hint.splitlines()] == ["- f.ini, line 2", "- f.ini, line 3"]


# .toml


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("users = 200", (200,)),
        ('users = "200"', (200,)),
        ('users = "10:20:30"', (10, 20, 30)),
        ("users = [10, 20, 30]", (10, 20, 30)),
        ('hits = ["5", 10]', (5, 10)),
        ("iterations = 7", (7,)),
        ('duration = "1m30s"', 90 * US_PER_S),
        ("duration = 90", 90 * US_PER_S),
        ("ramp_up = 0.5", US_PER_S // 2),
        ('stages = "30s:50,1m:200"', STAGES),
        ('stages = ["30s:50", "1m:200"]', STAGES),
        ('graceful-stop = "0s"', 0),
        ('think-time = "1s-3s"', (US_PER_S, 3 * US_PER_S)),
        ("think-time = 2", (2 * US_PER_S, 2 * US_PER_S)),
        ('select = "login and not slow"', "login and not slow"),
        ('arrival-rate = "30/m"', RATE_PER_S // 2),
        ('stages = ["30s:100/s"]', (RateStage(30 * US_PER_S, 100 * RATE_PER_S),)),
        ("max_users = 20", 20),
        ("poisson = true", True),
        ('pacing = "5s"', 5 * US_PER_S),
        ('threshold = ["p(95) < 500ms; x", "b"]', ("p(95) < 500ms", "x", "b")),
        ('threshold = "a < 1; b < 2"', ("a < 1", "b < 2")),
        ('threshold = """\na < 1\nb < 2\n"""', ("a < 1", "b < 2")),
        ("warm-up = 20", 20 * US_PER_S),
        ("warm-up = 0.00002", 20),
        ('max-lost = "5%"', 0.05),
        ("max-lost = 0.05", 0.05),
        ("max-lost = 0.00001", 0.00001),
        ("max-lost = 0", 0.0),
        ("allow_invalid = true", True),
        ("stop-on-failure = 3", 3),
        ("workers = 4", 4),
        ('workers = "auto"', None),
        ("seed = 42", 42),
        ('server-url = "http://127.0.0.1"', "http://127.0.0.1"),
        ("fresh-session = true", True),
        ('quiet = "off"', False),
        ("quiet = 1", True),
        ('targets = ["a b.py", "c.py"]', ("a b.py", "c.py")),
        ('targets = "a b.py"', ("a b.py",)),
        ("output = []", ()),
        ('log-level = "INFO"', "info"),
        ("timeout = 2.5", 2_500_000),
        ('timeout = "1m"', 60 * US_PER_S),
        ("keepalive = false", False),
        ("insecure_tls = true", True),
        ('ca-bundle = "my ca.pem"', "my ca.pem"),
        ('dns = "Once"', DnsPolicy.ONCE),
        ('user-agent = "shop-load/1.0 (ours; tests)"', "shop-load/1.0 (ours; tests)"),
        ('resolve = "shop:443:10.0.0.7"', (Resolve("shop", 443, ("10.0.0.7",)),)),
        ('resolve = ["a:1:::1", "[::2]:2:[::3]"]', (Resolve("a", 1, ("::1",)), Resolve("::2", 2, ("::3",)))),
        ('source-address = ["10.0.0.5", "[::1]"]', ("10.0.0.5", "::1")),
    ],
)
def test_a_toml_value_may_come_in_each_type_that_makes_sense(line: str, value: Any) -> None:
    for read in (
        read_toml(line, "f"),
        read_toml(f"[loads]\n{line}", "f"),
        read_pyproject(f"[tool.loads]\n{line}", "f"),
    ):
        assert list(values(read).values()) == [value]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("users = true", "users is a boolean"),
        ("users = 1.5", "users is a number"),
        ("users = [10, true]", "users holds a boolean"),
        ("users = [[10]]", "users holds an array"),
        ("users = 0", "users: '0' is not a whole number from 1 to 10,000,000"),
        ("users = []", "users: '' is not a whole number from 1 to 10,000,000"),
        ("duration = -5", "duration: '-5' is not a duration"),
        ("duration = inf", "duration: 'inf' is not a duration"),
        ("duration = 10:20:30", "duration is a date or a time"),
        ("stages = [30, 50]", "stages holds a whole number"),
        ("stages = 5", "stages is a whole number"),
        ("workers = true", "workers is a boolean"),
        ("seed = 1.0", "seed is a number"),
        ("server-url = 8000", "server-url is a whole number"),
        ("quiet = 2", "quiet: '2' is neither true nor false"),
        ("quiet = []", "quiet is an array"),
        ("targets = 5", "targets is a whole number"),
        ("targets = [5]", "targets holds a whole number"),
        ('targets = [""]', "targets: there is nothing in it"),
        ("targets = {a = 1}", "targets is a table"),
        ("log-level = 'loud'", "log-level: 'loud' is not a level"),
        ("log-file = ''", "log-file: there is nothing in it"),
        ("select = 'a and'", "select: -k 'a and': a word is missing"),
        ("think-time = '3s-1s'", "think-time: '3s-1s' goes from more to less"),
        ("stop-on-failure = 0", "stop-on-failure: '0' is not a number of failures"),
        ("timeout = 0", "timeout: '0' leaves no time for an answer"),
        ("timeout = true", "timeout is a boolean"),
        ("keepalive = 'never'", "keepalive: 'never' is neither true nor false"),
        ("insecure-tls = 2", "insecure-tls: '2' is neither true nor false"),
        ("ca-bundle = ''", "ca-bundle: there is nothing in it"),
        ("ca-bundle = true", "ca-bundle is a boolean"),
        ("dns = 60", "dns is a whole number"),
        ("dns = '60s'", "dns: '60s' is not a way to look up names"),
        ("user-agent = 1.0", "user-agent is a number"),
        ('user-agent = "a\\nb"', "user-agent: 'a\\nb' holds a control character"),
        ("resolve = {shop = '10.0.0.7'}", "resolve is a table"),
        ("resolve = ['shop']", "resolve: 'shop' is not HOST:PORT:ADDRESS"),
        ("source-address = 10.0", "source-address is a number"),
        ("source-address = ['eth0']", "source-address: 'eth0' is not an IP address"),
    ],
)
def test_a_toml_value_that_makes_no_sense_is_told_with_its_place_and_a_hint(line: str, message: str) -> None:
    layer = read_toml(line, "f.toml")
    assert messages(layer) == [f"f.toml {message}"]
    assert layer.problems[0].hint
    assert next(iter(layer.values.values())).value is None


def test_a_wrong_type_is_told_with_what_would_be_right() -> None:
    [problem] = read_toml("users = true", "f.toml").problems
    assert problem.hint == 'like users = 200 or "10:20:30" or [10, 20, 30]'


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("user", "did you mean users?"),
        ("rampup", "did you mean ramp-up?"),
        ("ramp-upp", "did you mean ramp-up?"),
        ("include-files", "did you mean include-file?"),
        ("xyzzy", "the settings are targets, users, hits, "),
    ],
)
def test_an_unknown_key_is_a_mistake_with_the_nearest_known_one(key: str, hint: str) -> None:
    layer = read_toml(f"{key} = 1", "f.toml")
    assert messages(layer) == [f"f.toml: unknown setting {key}"]
    assert layer.problems[0].hint.startswith(hint)
    assert messages(read_ini(f"[loads]\n{key} = 1", "f.ini")) == [f"f.ini [loads]: unknown setting {key}"]


def test_what_to_do_now_is_not_for_a_file() -> None:
    [problem] = read_toml("show-plan = true", "f.toml").problems
    assert (problem.message, problem.hint) == (
        "f.toml show-plan can't be set",
        "--show-plan is for the command line only",
    )


def test_a_setting_stands_there_once() -> None:
    layer = read_toml("ramp-up = 1\nramp_up = 2", "f.toml")
    assert messages(layer) == ["f.toml ramp_up says again what f.toml ramp-up says"]


def test_beside_a_table_loads_there_may_be_tables_of_others_and_nothing_else() -> None:
    assert values(read_toml("[loads]\nusers = 1\n[other]\na = 1", "f.toml")) == {"users": (1,)}
    layer = read_toml("hits = 5\n[loads]\nusers = 1", "f.toml")
    assert messages(layer) == ["f.toml: hits stands outside of [loads]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("users = \n", "f.toml, line 1: Invalid value"),
        ("\n\nusers = 60s\n", "f.toml, line 3: "),
        ("users = [1,", "f.toml, at its end: "),
        ("users = 1\nusers = 2\n", "f.toml, line 2: Cannot overwrite a value"),
        ("a = " + "[" * 5_000, "f.toml"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text: str, message: str) -> None:
    for read in (read_toml, read_pyproject):
        with pytest.raises(UsageError) as caught:
            read(text, "f.toml")
        assert caught.value.message.startswith(message)
        assert caught.value.hint


def test_another_file_may_have_the_table_of_a_pyproject() -> None:
    layer = read_toml("[tool.loads]\nusers = 1\n[tool.ruff]\na = 1\n[project]\nb = 1", "f.toml")
    assert values(layer) == {"users": (1,)}
    assert layer.values["users"].origin == "f.toml [tool.loads] users"
    layer = read_toml("hits = 5\n[tool.loads]\nusers = 1", "f.toml")
    assert messages(layer) == ["f.toml: hits stands outside of [tool.loads]"]
    layer = read_toml("[loads]\nhits = 5\n[tool.loads]\nusers = 1", "f.toml")
    assert messages(layer) == ["f.toml has both [loads] and [tool.loads]"]
    with pytest.raises(UsageError, match=r"f\.toml: tool\.loads is a whole number"):
        read_toml("[tool]\nloads = 5", "f.toml")


# pyproject.toml


def test_a_pyproject_without_our_table_is_no_configuration() -> None:
    for text in ("", "[project]\nname = 'a'\n", "[tool.ruff]\nline-length = 120\n", "tool = 5"):
        assert read_pyproject(text, "pyproject.toml") is None


def test_a_pyproject_with_our_table() -> None:
    layer = read_pyproject("[project]\nname = 'a'\n[tool.loads]\nusers = 5\n", "../pyproject.toml")
    assert values(layer) == {"users": (5,)}
    assert layer is not None
    assert layer.values["users"].origin == "../pyproject.toml [tool.loads] users"


def test_our_table_must_be_one() -> None:
    with pytest.raises(UsageError, match=r"tool\.loads is a whole number"):
        read_pyproject("[tool]\nloads = 5\n", "pyproject.toml")


@given(st.lists(st.integers(1, 10_000_000), min_size=1))
def test_a_cycle_means_the_same_in_every_file(cycle: list[int]) -> None:
    text = ":".join(map(str, cycle))
    read = [
        read_toml(f"users = {cycle}", "f"),
        read_toml(f"users = {json.dumps(text)}", "f"),
        read_ini(f"[loads]\nusers = {text}", "f"),
    ]
    assert [values(layer) for layer in read] == [{"users": tuple(cycle)}] * 3
