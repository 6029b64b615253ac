"""Layers of settings: how each is read, and what holds where they are laid over one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.plan.config import Config, Layer, Value, merge, read_environment, read_options, split_lines
from loads.plan.settings import ALIASES, COMMAND_LINE_ONLY, SETTINGS

LOAD = {"users", "hits", "duration", "ramp-up", "stages", "arrival-rate", "max-users", "poisson", "pacing"}
PLACES = ("command line", "environment", "file")


def layer_of(place: str, names: set[str]) -> Layer:
    return Layer({name: Value(f"{name} of {place}", "", place) for name in names})


layers = st.tuples(
    *(st.sets(st.sampled_from(sorted(SETTINGS))).map(lambda n, p=place: layer_of(p, n)) for place in PLACES)
)


def messages(layer: Layer | Config) -> list[str]:
    return [problem.message for problem in layer.problems]


# Laid over one another.


def test_the_load_is_what_the_issue_calls_so() -> None:
    assert {name for name, setting in SETTINGS.items() if setting.load} == LOAD


@given(layers)
def test_the_load_never_mixes(said: tuple[Layer, ...]) -> None:
    """All of it is from one layer, the highest that says anything of it, and nothing of that layer is left out."""
    config = merge(*said)
    load = {name: value for name, value in config.values.items() if name in LOAD}
    speakers = [layer for layer in said if LOAD & set(layer.values)]
    highest = {name: value for name, value in speakers[0].values.items() if name in LOAD} if speakers else {}
    assert load == highest


@given(layers)
def test_every_other_setting_is_from_the_highest_layer_that_says_it(said: tuple[Layer, ...]) -> None:
    config = merge(*said)
    for name in SETTINGS.keys() - LOAD:
        values = [layer.values[name] for layer in said if name in layer.values]
        assert config.values.get(name) == (values[0] if values else None)


@given(layers)
def test_no_part_of_the_load_is_dropped_unsaid(said: tuple[Layer, ...]) -> None:
    config = merge(*said)
    told = [value for layer in said for name, value in layer.values.items() if name in LOAD]
    held = [value for name, value in config.values.items() if name in LOAD]
    assert sorted(map(repr, [*held, *config.unused])) == sorted(map(repr, told))


@given(layers)
def test_every_value_keeps_its_origin(said: tuple[Layer, ...]) -> None:
    for name, value in merge(*said).values.items():
        assert value.value == f"{name} of {value.origin}"
        assert value.origin in PLACES


@given(layers)
def test_a_layer_that_says_nothing_changes_nothing(said: tuple[Layer, ...]) -> None:
    for at in range(len(said) + 1):
        assert merge(*said[:at], Layer(), *said[at:]) == merge(*said)


def test_what_nobody_says_is_none_and_called_as_its_option() -> None:
    config = merge(Layer())
    assert config["users"] is None
    assert config.origin("ramp-up") == "--ramp-up"


def test_problems_of_hidden_layers_are_told_too() -> None:
    """A mistake is told when it is made, not when the layer above it goes away."""
    config = merge(read_options({"users": "5"}), read_environment({"LOADS_USERS": "many"}))
    assert config["users"] == (5,)
    assert messages(config) == ["LOADS_USERS: 'many' is not a whole number from 1 to 10,000,000"]


def test_a_load_that_can_not_be_read_still_replaces_the_one_below() -> None:
    config = merge(read_options({"users": "many"}), read_environment({"LOADS_HITS": "3"}))
    assert (config["users"], config["hits"]) == (None, None)


# The command line.


def test_options_keep_what_was_typed_and_the_options_name() -> None:
    layer = read_options({"users": "10:20", "targets": ("a.py", "b.py"), "quiet": True, "select": "login"})
    assert layer.values == {
        "users": Value((10, 20), "10:20", "--users"),
        "targets": Value(("a.py", "b.py"), ("a.py", "b.py"), "TARGET"),
        "quiet": Value(True, "true", "--quiet"),
        "select": Value("login", "login", "-k"),
    }


def test_each_item_of_a_list_that_is_wrong_is_told() -> None:
    layer = read_options({"source-address": ("eth0", "10.0.0.5", "0.0.0.0")})
    assert messages(layer) == [
        "--source-address: 'eth0' is not an IP address",
        "--source-address: '0.0.0.0' is not the address of one machine",
    ]
    assert layer.values["source-address"].value is None


def test_an_option_may_hold_several_thresholds_as_other_places_may() -> None:
    layer = read_options({"threshold": ("p(95)<1s; failure_rate<1%", "counter:'a;b' > 1", "", ";")})
    assert layer.values["threshold"].text == ("p(95)<1s", "failure_rate<1%", "counter:'a;b' > 1", "", ";")
    assert messages(layer) == ["--threshold: there is nothing in it"]
    assert read_options({"targets": ("a;b",)}).values["targets"].value == ("a;b",)


@given(st.text("'\"`\\;()[]{}: \nab"))
def test_what_is_divided_is_neither_lost_nor_doubled(text: str) -> None:
    kept = [character for character in text if character not in "; \n"]
    assert [character for character in "".join(split_lines(text)) if character not in "; \n"] == kept


def test_a_flag_can_be_taken_back() -> None:
    config = merge(read_options({"quiet": False}), read_environment({"LOADS_QUIET": "yes"}))
    assert config.values["quiet"] == Value(False, "false", "--no-quiet")


# The environment.


@pytest.mark.parametrize("name", [*SETTINGS, *ALIASES])
def test_every_setting_has_its_variable(name: str) -> None:
    variable = "LOADS_" + name.upper().replace("-", "_")
    [layer_name] = read_environment({variable: "x"}).values
    assert layer_name == ALIASES.get(name, name)


def test_variables_are_read_as_options_are() -> None:
    layer = read_environment(
        {"LOADS_RAMP_UP": "10s", "LOADS_TARGETS": "a.py  b.py\nc.py", "LOADS_FRESH_SESSION": "on", "HOME": "/"}
    )
    assert layer.problems == []
    assert {name: value.value for name, value in layer.values.items()} == {
        "ramp-up": 10_000_000,
        "targets": ("a.py", "b.py", "c.py"),
        "fresh-session": True,
    }
    assert layer.values["ramp-up"].origin == "LOADS_RAMP_UP"


@pytest.mark.parametrize(
    ("text", "thresholds"),
    [
        ("p(95) < 500ms", ["p(95) < 500ms"]),
        ("p(95) < 500ms; errors < 10 or no data ;", ["p(95) < 500ms", "errors < 10 or no data"]),
        ("\n  p(95) < 500ms\n\n  errors < 10\n", ["p(95) < 500ms", "errors < 10"]),
        ("a: ['x; y',\n 'z']; b", ["a: ['x; y',\n 'z']", "b"]),
        (
            "thresholds: {\n  a: ['p(95)<500'],\n}\nerrors < 10",
            ["thresholds: {\n  a: ['p(95)<500'],\n}", "errors < 10"],
        ),
        ("a: ['x'; b < 1\nc", ["a: ['x'", "b < 1", "c"]),
        ("a] < 1; [b < 1", ["a] < 1", "[b < 1"]),
        (" ; \n", []),
        ("counter:'a; b' < 1; hits{name:\"c;d\"} < 1", ["counter:'a; b' < 1", 'hits{name:"c;d"} < 1']),
        ("'p(95) < 1s; x'; b", ["'p(95) < 1s; x'", "b"]),
        ("counter:it's < 1; counter:it's > 0", ["counter:it's < 1", "counter:it's > 0"]),
        ("{ // don't\n a: [';)'], 'it\\'s; ]': 'b' }; c", ["{ // don't\n a: [';)'], 'it\\'s; ]': 'b' }", "c"]),
        ("a: ['x;y'; b", ["a: ['x;y'", "b"]),
    ],
)
def test_thresholds_hold_blanks_so_they_are_lines_or_between_semicolons(text: str, thresholds: list[str]) -> None:
    assert read_environment({"LOADS_THRESHOLD": text}).values["threshold"].value == tuple(thresholds)


@given(st.text("ab [](){};\n", max_size=30))
def test_lines_lose_nothing_but_what_divides_them(text: str) -> None:
    pieces = split_lines(text)
    assert all(piece == piece.strip() != "" for piece in pieces)
    plain = str.maketrans("", "", " ;\n")
    assert "".join(pieces).translate(plain) == text.translate(plain)


def test_an_empty_variable_says_nothing() -> None:
    assert read_environment({"LOADS_USERS": "", "LOADS_NO_SUCH": ""}) == Layer()


@pytest.mark.parametrize(
    "variable",
    [
        *("LOADS_RUN_ID", "LOADS_RUN_WORKER", "LOADS_WORKER_ID", "LOADS_AGENT_ID", "LOADS_TOTAL_USERS"),
        *("LOADS_CURRENT_USER", "LOADS_TOTAL_HITS", "LOADS_CURRENT_HIT", "LOADS_ZMQ_RECEIVER", "LOADS_JOIN"),
        *("LOADS_STATUS", "LOADS_CONFIG"),
    ],
)
def test_reserved_variables_are_not_for_us(variable: str) -> None:
    assert read_environment({variable: "7"}) == Layer()


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("LOADS_USER", "did you mean LOADS_USERS?"),
        ("LOADS_RAMPUP", "did you mean LOADS_RAMP_UP?"),
        ("LOADS_users", "the variables are LOADS_TARGETS, LOADS_USERS"),
        ("LOADS_CONFIGS", "did you mean LOADS_CONFIG?"),
    ],
)
def test_any_other_variable_of_ours_is_a_mistake(variable: str, hint: str) -> None:
    [problem] = read_environment({variable: "7"}).problems
    assert problem.message == f"unknown variable {variable}"
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize("name", [name for name in COMMAND_LINE_ONLY if name != "config"])
def test_what_to_do_now_is_for_the_command_line(name: str) -> None:
    [problem] = read_environment({"LOADS_" + name.upper().replace("-", "_"): "1"}).problems
    assert problem.hint == f"--{name} is for the command line only"


def test_two_names_of_one_setting_exclude_each_other() -> None:
    layer = read_environment({"LOADS_HITS": "3", "LOADS_ITERATIONS": "4"})
    assert messages(layer) == ["LOADS_ITERATIONS says again what LOADS_HITS says"]


@given(
    st.dictionaries(st.sampled_from([*SETTINGS, *ALIASES, "nothing"]).map(lambda n: f"LOADS_{n}".upper()), st.text())
)
def test_any_environment_gives_settings_or_problems_with_hints(environment: dict[str, str]) -> None:
    layer = read_environment(environment)
    assert all(problem.message and problem.hint for problem in layer.problems)
    for value in layer.values.values():
        told = any(problem.message.startswith(value.origin) for problem in layer.problems)
        assert value.value is not None or told or value.text == "auto"
