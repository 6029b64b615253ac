"""--show-plan and --list: what would run.

A test file is imported nowhere but in a worker, so one is started, asked, and ended before it runs any fixture.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from loads.cli.cluster import is_on_cluster
from loads.cli.layers import Source
from loads.errors import ExitCode, NotStarted
from loads.plan.config import Config
from loads.plan.settings import SETTINGS
from loads.plan.spec import Plan
from loads.pool.events import AllLoaded, Refused
from loads.pool.limits import count_workers, find_doubts
from loads.pool.output import Printed
from loads.pool.pool import Report, WorkerPool
from loads.runner.spec import TestsRefused, plan_here
from loads.wire.messages import Loaded
from loads.wire.run import RunSpec, load_message

Row = tuple[str, str, str]


def show_tests(spec: RunSpec) -> ExitCode:
    """Print the selected tests, one a line."""
    loaded = _load(spec)
    if loaded.left_out:
        print(f"Left out, for only pytest can run them: {', '.join(loaded.left_out)}", file=sys.stderr)
    for scenario in loaded.scenarios:
        print(scenario.name + (f" (weight {scenario.weight})" if scenario.weight != 1 else ""))
    return ExitCode.PASSED


def show_plan(spec: RunSpec, config: Config, source: Source | None) -> ExitCode:
    """Print each setting with its value and where it was set, and the plan that follows."""
    loaded = _load(spec)
    workers = count_workers(spec.load, spec.workers) if spec.workers != 0 else 0
    plan, info = plan_here(spec, loaded, workers)
    rows = [("Setting", "Value", "From"), _source_row(source), *_setting_rows(config, spec, plan)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        print(f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}".rstrip())
    if config.unused:
        says = next(value.origin for name, value in config.values.items() if SETTINGS[name].load)
        print(f"\nNot used, as {says} replaces the load: {', '.join(value.origin for value in config.unused)}")
    print(f"\n{info.plan}")
    if loaded.hooks:
        print(f"Fixtures, once per worker: {', '.join(loaded.hooks)}")
    if loaded.once:
        print(f"Fixtures, once for the whole run: {', '.join(loaded.once)}")
    for doubt in find_doubts(plan, workers):
        print(f"Warning: {doubt}")
    if is_on_cluster(config):
        print("On the cluster its agents share this plan, each with workers of its own")
    return ExitCode.PASSED


def _source_row(source: Source | None) -> Row:
    return ("config", "-", "default") if source is None else ("config", source.file, source.origin)


def _setting_rows(config: Config, spec: RunSpec, plan: Plan) -> Iterator[Row]:
    """Each setting, a list with each of its items on a line."""
    for name in SETTINGS:
        if name not in config.values:
            yield name, _default(name, spec, plan), "default"
            continue
        value = config.values[name]
        texts = value.text or ("-",) if isinstance(value.text, tuple) else (value.text,)
        first, *more = (" ".join(text.split()) for text in texts)
        if name == "env":  # their values may be secret, and what is shown here may be kept in a build's log
            first, *more = (text.partition("=")[0] for text in (first, *more))
        yield name, first, value.origin
        for item in more:
            yield "", item, ""


def _default(name: str, spec: RunSpec, plan: Plan) -> str:
    """What a setting is when nobody says anything."""
    match name:
        case "users" if spec.load.stages is None and not plan.is_open:
            return "1"
        case "hits" if plan.each_once:
            return "each test once"
        case "hits" if plan.duration_us is None:
            return "1"
        case "max-users" if plan.is_open:
            return f"{plan.max_users} (as many as needed, and memory is there for)"
        case "log-level":
            return spec.log_level or "-"
        case "seed":
            return f"{spec.seed} (a new one each time)"
    return SETTINGS[name].default


def _load(spec: RunSpec) -> Loaded:
    """What a worker says of the tests.

    Raises:
        TestsRefused: they are not there, don't import, or can't run.
        NotStarted: the user didn't want to wait for it.
    """
    with tempfile.TemporaryDirectory(prefix="loads-") as directory:
        return asyncio.run(_ask_worker(replace(spec, log_file=None), Path(directory)))


async def _ask_worker(spec: RunSpec, directory: Path) -> Loaded:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Loaded] = loop.create_future()

    def report(said: Report) -> None:
        match said:
            case Printed(worker, line):
                print(f"worker {worker} | {line}", file=sys.stderr, flush=True)
            case AllLoaded(loaded) if not answer.done():
                answer.set_result(loaded)
            case Refused(failure) if not answer.done():
                answer.set_exception(TestsRefused(failure))

    def stop() -> None:
        if not answer.done():
            answer.set_exception(NotStarted("stopped before the tests were loaded"))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    async with WorkerPool(1, load_message(spec), directory, report) as pool:
        ends: list[asyncio.Future[Any]] = [answer, pool.broken]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if pool.broken.done():
        pool.broken.result()
    return answer.result()
