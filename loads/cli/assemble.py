"""From settings to a run: what can only be known on this machine, as whether a file is there, is checked here.

All problems are told at once, those of the settings first.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loads.cli.beside import Beside, page_options
from loads.cli.cluster import OnCluster, cluster_options, is_on_cluster
from loads.cli.http import http_options
from loads.cli.layers import name_nearby
from loads.cli.outputs import Output, is_writable, not_writable, parse_outputs
from loads.errors import UsageError
from loads.metrics.expressions import MAX_THRESHOLDS, parse_thresholds
from loads.metrics.rules import Rules
from loads.metrics.threshold import Threshold
from loads.plan.config import Config
from loads.plan.load import DEFAULT_GRACEFUL_STOP_US, LoadOptions, find_problems, in_whole_seconds_us
from loads.plan.pacer import RateStage
from loads.plan.settings import DEFAULT_LOG_LEVEL, MAX_LOST, MAX_TAGS, SETTINGS, parse_tag
from loads.runner.spec import new_seed
from loads.units import US_PER_S, format_duration, sendable
from loads.wire.run import RunSpec

MOST_VARIABLES: Final = 100
MOST_VARIABLES_BYTES: Final = 64 << 10
"""Of --env: they are for settings and tokens; data has its place in a file."""
_LONG_NUMBER: Final = re.compile(r"(\d[\d.,]{39})[\d.,]+", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """A run as it was asked for. A cluster of None is this machine; `page` is to be shown beside it."""

    spec: RunSpec
    outputs: list[Output]
    quiet: bool
    cluster: OnCluster | None = None
    page: Beside | None = None


def assemble(config: Config, *, detach: bool = False) -> Wanted:
    """The run that `config` asks for; `detach`: it is to be left alone.

    Raises:
        UsageError: with every problem that can be known before the tests are loaded.
    """
    load = _load_options(config)
    problems = list(config.problems)
    rules = _rules(config, load, problems)
    judged_from_us = rules.warm_up_us if config["threshold"] else 0
    problems += find_problems(load, config.origin, think_time_us=config["think-time"], warm_up_us=judged_from_us)
    included = _importable(config, problems)
    outputs = find_outputs(config, problems)
    log_file = _log_file(config, problems)
    env = _variables(config, problems)
    http = http_options(config, problems, here=not is_on_cluster(config))
    cluster = cluster_options(config, problems, detach=detach)
    tags = _tags(config, problems)
    page = page_options(config, problems, detach=detach)
    if not config["targets"] and not problems:
        hint = "say which tests to run, like loads-runner shop.TestShop.test_home, or set targets in a configuration"
        problems.append(UsageError("there is no target", hint))
    if problems:
        raise UsageError.of([_shortened(problem) for problem in problems])
    spec = RunSpec(
        targets=config["targets"],
        search_path=(str(Path.cwd()), *included),
        load=load,
        workers=config["workers"],
        seed=new_seed() if config["seed"] is None else config["seed"],
        server_url=config["server-url"],
        fresh_session=bool(config["fresh-session"]),
        select=config["select"],
        think_time_us=config["think-time"],
        stop_on_failure=config["stop-on-failure"],
        log_level=config["log-level"] or (log_file and DEFAULT_LOG_LEVEL),
        log_file=log_file,
        http=http,
        env=env,
        rules=rules,
        name=config["name"] or "",
        tags=tags,
    )
    return Wanted(spec, outputs, bool(config["quiet"]), cluster, page)


def _tags(config: Config, problems: list[UsageError]) -> dict[str, str]:
    """What --tag says, by key."""
    origin, tags = config.origin("tag"), dict[str, str]()
    for key, value in map(parse_tag, config["tag"] or ()):
        if tags.setdefault(key, value) != value:
            problems.append(UsageError(f"{origin} {key} is given twice", "a tag has one value: leave one of them out"))
    if len(tags) > MAX_TAGS:
        problems.append(UsageError(f"{origin}: {len(tags)} tags are too many", f"{MAX_TAGS} are allowed"))
    return tags


def _load_options(config: Config) -> LoadOptions:
    graceful_stop_us, stages = config["graceful-stop"], config["stages"]
    rates = stages if stages and isinstance(stages[0], RateStage) else None
    return LoadOptions(
        users=config["users"],
        hits=config["hits"],
        duration_us=config["duration"],
        ramp_up_us=config["ramp-up"],
        stages=None if rates else stages,
        rates=rates,
        arrival_rate=config["arrival-rate"],
        poisson=bool(config["poisson"]),
        max_users=config["max-users"],
        pacing_us=config["pacing"],
        graceful_stop_us=DEFAULT_GRACEFUL_STOP_US if graceful_stop_us is None else graceful_stop_us,
    )


def _shortened(problem: UsageError) -> UsageError:
    """`problem` without the end of a number that goes on and on."""
    return UsageError(_LONG_NUMBER.sub(r"\1...", problem.message), _LONG_NUMBER.sub(r"\1...", problem.hint))


def _rules(config: Config, load: LoadOptions, problems: list[UsageError]) -> Rules:
    """What the run is judged by; each threshold as an expression of its own, however many a text held."""
    thresholds: list[str] = []
    for text in config["threshold"] or ():
        try:
            found = parse_thresholds(text)
        except UsageError as error:
            problems.append(UsageError(f"{config.origin('threshold')}: {error.message}", error.hint))
            continue
        thresholds += (threshold.text for threshold in found)
        problems += _never_crossed(found, load.length_us, config)
    if len(thresholds) > MAX_THRESHOLDS:
        problems.append(
            UsageError(
                f"{config.origin('threshold')}: {len(thresholds)} thresholds are too many",
                f"{MAX_THRESHOLDS} are allowed",
            )
        )
    if not config["threshold"] and config["warm-up"] and config.origin("warm-up") == SETTINGS["warm-up"].flag:
        problems.append(
            UsageError(f"{config.origin('warm-up')} is for thresholds, and there are none", "give a --threshold, too")
        )
    return Rules(
        thresholds=tuple(dict.fromkeys(thresholds)),
        warm_up_us=config["warm-up"] or 0,
        max_lost=MAX_LOST if config["max-lost"] is None else config["max-lost"],
        allow_invalid=bool(config["allow-invalid"]),
    )


def _never_crossed(thresholds: tuple[Threshold, ...], length_us: int | None, config: Config) -> Iterator[UsageError]:
    """Of a run that long: those whose ``for`` is longer than all that is judged of it, so that they always hold."""
    warm_up_us = in_whole_seconds_us(config["warm-up"] or 0)
    if not length_us or warm_up_us >= length_us:
        return
    judged_us = length_us // US_PER_S * US_PER_S - warm_up_us
    for threshold in thresholds:
        if threshold.for_us is None:
            continue
        # The first window ends with its last second; one that is longer than the run is judged once, at the end.
        looks_us = max(US_PER_S, judged_us - (threshold.window_us - US_PER_S)) if threshold.window_us else judged_us
        if threshold.for_us > looks_us:
            than = f"the run of {format_duration(length_us)}"
            if threshold.for_us <= length_us:
                than = f"what is judged of {than}: whole seconds, after the warm-up and the first window"
            yield UsageError(
                f"{config.origin('threshold')}: the threshold {threshold.text!r}: "
                f"for {format_duration(threshold.for_us)} is longer than {than}",
                "it could never be crossed: give a shorter time, or run for longer",
            )


def _importable(config: Config, problems: list[UsageError]) -> list[str]:
    """The directories from which the included files can be imported."""
    directories = []
    for pattern in config["include-file"] or ():
        paths = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - an absolute pattern, too
        if not paths:
            origin = config.origin("include-file")
            problems.append(UsageError(f"{origin} {pattern}: there is nothing of that name", name_nearby(pattern)))
        for path in paths:
            inside = path.is_dir() and not (path / "__init__.py").exists()
            directories.append(str((path if inside else path.parent).resolve()))
    return list(dict.fromkeys(directories))


def find_outputs(config: Config, problems: list[UsageError]) -> list[Output]:
    """The file of each ``KIND=FILE``; checked now, so that no result is lost later."""
    return parse_outputs(config["output"] or (), config.origin("output"), problems)


def _variables(config: Config, problems: list[UsageError]) -> dict[str, str]:
    """What --env says; values are in no message."""
    origin, variables = config.origin("env"), dict[str, str]()
    for text in config["env"] or ():
        name, equals, value = text.partition("=")
        if not equals and name not in os.environ:
            problems.append(
                UsageError(f"{origin} {name}: there is no such variable here", f"set it, or say --env {name}=VALUE")
            )
            continue
        if name in variables:
            problems.append(UsageError(f"{origin} {name} is given twice", "leave one of them out"))
        variables[name] = value if equals else os.environ[name]
        if "\0" in variables[name] or sendable(variables[name]) != variables[name]:
            problems.append(
                UsageError(f"{origin} {name} is not UTF-8 text", "put it in a file, and --include-file that")
            )
    size_bytes = sum(len(name) + len(os.fsencode(value)) for name, value in variables.items())
    if len(variables) > MOST_VARIABLES or size_bytes > MOST_VARIABLES_BYTES:
        problems.append(
            UsageError(
                f"{origin} has {len(variables):,} variables of {size_bytes:,} bytes, and {MOST_VARIABLES} of "
                f"{MOST_VARIABLES_BYTES:,} are allowed",
                "put data in a file, and --include-file that",
            )
        )
    return variables


def _log_file(config: Config, problems: list[UsageError]) -> str | None:
    """Absolute, for a test may change its working directory."""
    name = config["log-file"]
    if name is None:
        return None
    path = Path(name)
    if not is_writable(path):
        problems.append(not_writable(f"{config.origin('log-file')} {name}", path))
    return str(path.absolute())
