"""The tools that throughput.py compares: one class each, all with the same load from the same core.

A peer answers a steady rate in requests per second, or raises: a run in which anything failed is no measurement. How
each rate is taken stands with the class. Locust has a module of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import mean

from command import say
from processes import path_of
from product import LoadsRun
from trial import SLACK_S, Trial, run_pinned

import loads
from loads.errors import LoadsError


class Wrk:
    """wrk, in C: as near to what one core can ask for as a tool comes; it counts statuses, and asserts nothing.

    Its rate is its own ``Requests/sec``: all answers over the whole time. Its connections are open within milliseconds.
    """

    label = "wrk"

    def prepare(self) -> str:
        answer = subprocess.run([path_of("wrk"), "-v"], capture_output=True, text=True, check=False)
        found = re.match(r"wrk \S*?(\d+(?:\.\d+)+)", answer.stdout)
        return f"wrk {found[1]}" if found else "wrk"

    def rate_per_s(self, trial: Trial) -> float:
        ask = trial.case.ask
        load = ["-t1", f"-c{trial.users}", f"-d{trial.seconds}s"]
        if ask.body is not None:
            load += ["-s", str(self._script(ask.method, ask.body, trial.directory))]
        for name, value in ask.headers.items():
            load += ["-H", f"{name}: {value}"]
        printed = run_pinned([path_of("wrk"), *load, trial.url + ask.path], trial)
        found = re.search(r"^Requests/sec:\s+([\d.]+)", printed, re.MULTILINE)
        wrong = re.search(r"Non-2xx|Socket errors", printed)
        if found is None or wrong is not None:
            raise LoadsError("wrk's run is no measurement", printed)
        return float(found[1])

    def _script(self, method: str, body: str, directory: Path) -> Path:
        """wrk takes a method and a body only from a script, which it runs once: the request is made then."""
        script = directory / "request.lua"
        # A JSON text is a Lua text, too, as long as it is plain ASCII.
        script.write_text(f"wrk.method = {json.dumps(method)}\nwrk.body = {json.dumps(body)}\n")
        return script


class Hey:
    """hey, in Go; it counts statuses, and asserts nothing.

    Its rate is its own ``Requests/sec``. Only where asked for: between wrk and the others it adds little.
    """

    label = "hey"

    def prepare(self) -> str:
        path_of("hey")
        return "hey"

    def rate_per_s(self, trial: Trial) -> float:
        ask = trial.case.ask
        load = ["-cpus", "1", "-c", str(trial.users), "-z", f"{trial.seconds}s", "-m", ask.method]
        for name, value in ask.headers.items():
            load += ["-H", f"{name}: {value}"]
        if ask.body is not None:
            load += ["-d", ask.body]
        printed = run_pinned([path_of("hey"), *load, trial.url + ask.path], trial)
        found = re.search(r"^\s*Requests/sec:\s+([\d.]+)", printed, re.MULTILINE)
        statuses = set(re.findall(r"^\s*\[(\d+)\]\s+\d+ responses", printed, re.MULTILINE))
        if found is None or statuses != {"200"} or "Error distribution" in printed:
            raise LoadsError("hey's run is no measurement", printed)
        return float(found[1])


class WebTest:
    """WebTest over stock requests: what `self.app` would be without Loads, in gevent greenlets as in a worker.

    Its rate is the mean of its counts for each full second, without the first, in which its users start.
    """

    label = "WebTest, requests"

    def prepare(self) -> str:
        return f"WebTest {version('webtest')}, requests {version('requests')}"

    def rate_per_s(self, trial: Trial) -> float:
        arguments = [trial.url, str(trial.users), str(trial.seconds)]
        printed = run_pinned([sys.executable, str(trial.file("webtest")), *arguments], trial)
        counts: list[int] = json.loads(printed)
        return mean(counts[1:])


class Loads:
    """The whole product with one worker.

    Its rate is the result's ``rps``: all hits over the whole time, the start of users included. What it says it has
    sent must be what nginx has counted, to the last one. For starts, each user makes one request: the same figure.
    """

    label = "Loads"

    def prepare(self) -> str:
        return f"Loads {loads.__version__}"

    def rate_per_s(self, trial: Trial) -> float:
        starts = trial.case.starts_per_s is not None
        much = ["--hits", "1"] if starts else ["-d", f"{trial.seconds}s", "--graceful-stop", "5s"]
        before = trial.server.status().requests
        with LoadsRun(
            str(trial.file("loads")), trial.url, ["-u", str(trial.users), *much], trial.directory, trial.environment
        ) as run:
            totals = run.wait(trial.seconds + SLACK_S)["totals"]
        counted = trial.server.status().requests - before - 1  # the second question is counted, too
        if totals["sent"] != counted:
            raise LoadsError(f"Loads says it has sent {totals['sent']:,} requests and nginx counted {counted:,}")
        if starts and counted != trial.users:
            raise LoadsError(f"{trial.users:,} users made {counted:,} requests")
        say(f"    sent {totals['sent']:,}, and nginx counted as many")
        return float(totals["rps"])
