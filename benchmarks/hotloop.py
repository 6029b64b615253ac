"""Where a worker's time goes: its hot loop under a sampler, by module and by function.

The load is a case of throughput.py. py-spy sees Python: a function's own time is what it spends in itself and in C code
that it calls, such as a send or the parser (--native tells those apart, and slows the worker to a half). perf sees C:
the kernel, the interpreter, libraries. Both look at the main thread alone, where users run, from nginx's core, and both
slow the worker: the rate meanwhile is no measurement.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from catalogue import CASES, Case
from command import parser_for, run, say, whole_number
from nginx import Nginx
from processes import SERVER_CORE, on_core, require, tail_of
from product import LoadsRun
from tables import Table, show
from trial import Trial

import loads
from loads.errors import LoadsError, UsageError

USERS = 20
_WARM_UP_S = 1.0
_STARTS_WITHIN_S = 30.0
_SLACK_S = 60
_PER_S = 400
"""Looks per second: more of them would slow the worker further."""
_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::\d+)?\)")
_PLACES: Final = (
    f"{Path(loads.__file__).parents[1]}/",
    "site-packages/",
    f"{sysconfig.get_path('stdlib')}/",
)
"""A file's name is shown from here on."""
_HINTS: Final = {"py-spy": "pip install py-spy", "perf": "on Debian: apt-get install linux-perf"}


@dataclass
class Profile:
    """Samples, by module and by function.

    Attributes:
        total: of all.
        modules: samples in which one of its functions ran.
        functions: the same by module and function.
        within: samples in which the function, or what it called, ran.
    """

    total: int = 0
    modules: Counter[str] = field(default_factory=Counter)
    functions: Counter[tuple[str, str]] = field(default_factory=Counter)
    within: Counter[tuple[str, str]] = field(default_factory=Counter)


def main() -> None:
    parser = parser_for(__doc__)
    steady = {case.name: case for case in CASES if case.starts_per_s is None}
    parser.add_argument("--case", choices=list(steady), default="get", help="which load (default get)")
    parser.add_argument("--seconds", type=whole_number(2, 600), default=10, help="how long to look on (default 10)")
    parser.add_argument("--rows", type=whole_number(3, 200), default=25, help="of each table (default 25)")
    parser.add_argument("--with", choices=("py-spy", "perf"), dest="sampler", help="default py-spy, if it is here")
    parser.add_argument("--native", action="store_true", help="py-spy: tell C functions apart from their callers")
    options = parser.parse_args()
    require("nginx", "taskset")
    sampler = _found(options.sampler)
    if options.native and sampler.name != "py-spy":
        raise UsageError("--native is py-spy's", "perf sees nothing but C as it is")
    look = partial(look_with_perf if sampler.name == "perf" else look_with_py_spy, sampler)
    if options.native:
        look = partial(look, native=True)
    profile, rps = measure(steady[options.case], look, options.seconds)
    note = (
        f"{profile.total:,} samples in {options.seconds} s with {sampler.name}; {options.case}, {USERS} users; "
        f"{rps:,.0f} requests/s meanwhile, which is no measurement."
    )
    for table in (by_module(profile, options.rows), by_function(profile, options.rows)):
        table.notes.append(note)
        show(table, rst=options.rst)


def measure(case: Case, look: Callable[[int, int, Path], Profile], seconds: int) -> tuple[Profile, float]:
    """What `look` saw in a worker under the load of `case` for `seconds`, and requests/s of that run."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        with Nginx(directory, tls=case.tls) as server:
            own = directory / "run"
            own.mkdir()
            trial = Trial(case, server, USERS, seconds, own)
            load = ["-u", str(USERS), "-d", f"{seconds + 4}s", "--graceful-stop", "5s"]
            with LoadsRun(str(trial.file("loads")), trial.url, load, own, trial.environment) as product:
                _wait_for_load(product)
                say(f"{case.name}: looking at process {product.worker_pid} for {seconds} s")
                profile = look(product.worker_pid, seconds, directory)
                result = product.wait(seconds + _SLACK_S)
    if not profile.total:
        raise LoadsError("the sampler saw nothing")
    return profile, float(result["totals"]["rps"])


def by_module(profile: Profile, rows: int) -> Table:
    """The share of each module, or shared object."""
    table = Table("Where the hot loop's time goes, by module", ("Module", "Own time"))
    for module, count in profile.modules.most_common(rows):
        table.rows.append((module, _share(count, profile)))
    return table


def by_function(profile: Profile, rows: int) -> Table:
    """The share of each function: its own, and with all that it calls where the sampler can tell."""
    calls = ("With what it calls",) if profile.within else ()
    table = Table("Where the hot loop's time goes, by function", ("Function", "Own time", *calls))
    for key, count in profile.functions.most_common(rows):
        module, function = key
        within = (_share(profile.within[key], profile),) if profile.within else ()
        table.rows.append((f"{module}: {function}", _share(count, profile), *within))
    return table


def look_with_py_spy(py_spy: Path, pid: int, seconds: int, directory: Path, *, native: bool = False) -> Profile:
    """Python's stacks of process `pid`; with `native` those of C between them."""
    raw = directory / "stacks.txt"
    # One line for each stack, its thread and then outermost first, and how often it was seen.
    command = [str(py_spy), "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(_PER_S)]
    command += ["--format", "raw", "--output", str(raw), "--function", "--full-filenames", "--threads"]
    _run([*command, "--native"] if native else command, seconds, directory)
    return read_stacks(raw.read_text(errors="replace"), pid)


def read_stacks(text: str, main_thread: int) -> Profile:
    """py-spy's raw format with threads; others than the main one wait, which py-spy takes for work at times."""
    profile = Profile()
    for line in text.splitlines():
        stack, _, seen = line.rpartition(" ")
        thread, *rest = stack.split(";")
        if not rest or f"({main_thread})" not in thread:
            continue
        frames, count = [_key(frame) for frame in rest], int(seen)
        profile.total += count
        profile.modules[frames[-1][0]] += count
        profile.functions[frames[-1]] += count
        profile.within.update(dict.fromkeys(frames, count))
    return profile


def _key(frame: str) -> tuple[str, str]:
    """Module and function of a frame like ``get (/somewhere/site-packages/requests/sessions.py:590)``."""
    found = _FRAME.fullmatch(frame)
    if found is None:
        return "(other)", frame
    file = found["file"]
    for place in _PLACES:
        file = file.rpartition(place)[2]
    if file.startswith("/"):
        file = Path(file).name
    return file.removesuffix(".py"), found["function"]


def look_with_perf(perf: Path, pid: int, seconds: int, directory: Path) -> Profile:
    """The functions of C that process `pid` was in, the kernel's included."""
    data = directory / "perf.data"
    record = [str(perf), "record", "--freq", "999", "--tid", str(pid), "--output", str(data)]
    _run([*record, "--", "sleep", str(seconds)], seconds, directory)
    report = [str(perf), "report", "--input", str(data), "--stdio", "--field-separator", "|"]
    printed = _run([*report, "--fields", "sample,dso,symbol"], seconds, directory)
    return read_report(printed)


def read_report(text: str) -> Profile:
    """perf's report with the fields ``sample|dso|symbol``."""
    profile = Profile()
    for line in text.splitlines():
        if line.startswith("#") or line.count("|") < 2:
            continue
        seen, dso, symbol = (part.strip() for part in line.split("|", 2))
        count, function = int(seen), re.sub(r"^\[[^\]]\]\s*", "", symbol)
        profile.total += count
        profile.modules[dso] += count
        profile.functions[dso, function] += count
    return profile


def _run(command: list[str], seconds: int, directory: Path) -> str:
    """What `command` prints; on nginx's core, which has more to spare."""
    log = directory / "sampler.log"
    with log.open("wb") as errors:
        try:
            done = subprocess.run(
                on_core(SERVER_CORE, command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=seconds + _SLACK_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LoadsError(f"{Path(command[0]).name} did not end within time", tail_of(log)) from None
    if done.returncode:
        raise LoadsError(f"{Path(command[0]).name} ended with status {done.returncode}", tail_of(log))
    return done.stdout.decode(errors="replace")


def _wait_for_load(product: LoadsRun) -> None:
    """Until the first request is sent, and a little longer: what is done once is not what we want to see."""
    deadline_s = time.monotonic() + _STARTS_WITHIN_S
    while not product.counts().sent:
        if product.is_over or time.monotonic() > deadline_s:
            product.wait(1.0)
            raise LoadsError("the run was over before it was looked at")
        time.sleep(0.05)
    time.sleep(_WARM_UP_S)


def _found(wanted: str | None) -> Path:
    """The sampler: the one that is `wanted`, or the first that is here."""
    here = {"py-spy": shutil.which("py-spy", path=str(Path(sys.executable).parent)), "perf": None}
    for name in [wanted] if wanted else list(here):
        path = here[name] or shutil.which(name)
        if path is not None:
            return Path(path)
    problem = f"{wanted} is not installed" if wanted else "neither py-spy nor perf is installed"
    raise UsageError(problem, _HINTS[wanted or "py-spy"])


def _share(count: int, profile: Profile) -> str:
    return f"{100 * count / profile.total:.1f} %"


if __name__ == "__main__":
    run(main)
