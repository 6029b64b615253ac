"""What tests get of an agent's machine: environment, descriptors, limits, another user; and what is kept from them.

The tests of the run itself look around, and say what they see.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import BIN, Cluster, run_cluster
from tests.commands import Finished, LoadsRunner, environment_for_loads
from tests.servers import Nginx
from tests.unit.bundle.test_environment import wheel

LOOKS = """
import json, os, resource, sys, time
from pathlib import Path
from loads.case import TestCase

TOKEN = os.environ.get("TOKEN")
NAMES = ("PATH", "HOME", "USER", "LOGNAME", "no_proxy", "AGENTS_OWN", "TOKEN", "MINE", "KEPT")
LIMITS = {name: getattr(resource, f"RLIMIT_{name}") for name in ("CORE", "AS", "FSIZE", "NOFILE")}

def refused(deed):
    try:
        deed()
    except OSError as error:
        return type(error).__name__
    return "done"

class TestLooks(TestCase):
    def test_it(self):
        self.session.get(self.server_url)
        seen = {
            "token": TOKEN,
            "names": " ".join(sorted(os.environ)),
            "environ": {name: os.environ.get(name) for name in NAMES},
            "leaks": [name for name, value in os.environ.items() if "secret" in value],
            "argv": Path("/proc/self/cmdline").read_text(),
            "files": [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if self.open(n)],
            "cwd": os.getcwd(),
            "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
            "limits": {name: resource.getrlimit(number) for name, number in LIMITS.items()},
            "oom": int(Path("/proc/self/oom_score_adj").read_text()),
        }
        self.tell(seen)

    def tell(self, seen):
        for name, value in seen.items():
            print("SEEN " + json.dumps([name, value]), flush=True)

    def open(self, number):
        return os.path.lexists(f"/proc/self/fd/{number}")

    def test_pries(self):
        self.session.get(self.server_url)
        agent = Path.cwd().parents[2]
        Path("own.txt").write_text("mine")
        looked = {
            "list": refused(lambda: os.listdir(agent)),
            "identity": refused(lambda: (agent / "identity").read_text()),
            "records": refused(lambda: (Path.cwd().parent / "records").read_bytes()),
            "bundles": refused(lambda: os.listdir(agent / "bundles")),
            "environments": refused(lambda: (agent / "environments" / "evil").mkdir()),
            "site": refused(lambda: Path(sys.modules["upper"].__file__).with_name("evil.py").touch()),
            "beside": refused(lambda: (Path.cwd().parent / "evil").touch()),
            "page": refused(lambda: os.rename(next(word for word in sys.orig_argv if word.endswith(".page")), "x")),
            "agent": refused(lambda: os.kill(os.getppid(), 0)),
            "environ": refused(lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes()),
        }
        self.tell(looked)

    def test_hoards(self):
        self.session.get(self.server_url)
        self.hoard = bytearray(3 << 30)

    def test_writes(self):
        self.session.get(self.server_url)
        Path("large").write_bytes(bytes(2 << 20))
"""
SECRETS = {
    "LOADS_STATUS": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret-aws",
    "SSH_AUTH_SOCK": "/secret/ssh",
    "AGENTS_OWN": "passed on",
    "LC_TIME": "C",
    "no_proxy": "*",
}
LIMITS = ("--limit", "memory=2g", "--limit", "file-size=1m", "--limit", "files=512")
"""Of the agent north; south has none."""


def seen(run: Finished) -> dict[str, Any]:
    """What a test said that it saw."""
    assert run.exit_code == 0, run.err
    lines = [line.partition("SEEN ")[2] for line in (run.err + run.out).splitlines() if "SEEN " in line]
    return dict(json.loads(line) for line in lines)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One agent, north, that limits its workers and passes a variable on to them."""
    with run_cluster() as started:
        started.variables |= SECRETS
        started.start_agent("north", *LIMITS, "--env", "AGENTS_OWN")
        started.write("looks.py", LOOKS)
        started.wait_for_agents("north")
        yield started


def on(cluster: Cluster, test: str, nginx: Nginx, *more: str) -> Finished:
    before = nginx.count()
    run = cluster.run(f"looks.TestLooks.{test}", "-a", "1", *more, "--server-url", nginx.url)
    assert run.totals["sent"] == nginx.count() - before > 0
    return run


def test_tests_see_what_is_named_or_theirs_and_nothing_else_of_the_agents(cluster: Cluster, nginx: Nginx) -> None:
    found = seen(on(cluster, "test_it", nginx, "--env", "TOKEN=a value", "--env", "LC_TIME"))
    environ, names = found["environ"], set(found["names"].split())
    assert not [name for name in names if name.startswith(("LOADS_", "AWS_", "SSH_", "XDG_"))]
    assert found["leaks"] == []
    assert environ["AGENTS_OWN"] == "passed on"
    assert environ["TOKEN"] == found["token"] == "a value"
    assert environ["PATH"]
    assert environ["no_proxy"] == "*"
    assert found["limits"] == {"CORE": [0, 0], "AS": [2 << 30] * 2, "FSIZE": [1 << 20] * 2, "NOFILE": [512] * 2}
    assert found["oom"] == 500
    assert str(cluster.endpoint) not in found["argv"]
    assert found["cwd"].startswith(f"{cluster.state}/agent-north/runs/")
    own = ("pipe:", "socket:", "anon_inode:", "/dev/null", f"{cluster.state}/agent-north/workers/")
    watched = re.compile(r"/proc/\d+/(net/tcp6?|schedstat|stat|fd)")  # how the worker fares itself, looked at just then
    assert [name for name in found["files"] if not name.startswith(own) and not watched.fullmatch(name)] == []
    assert len({name for name in found["files"] if name.endswith(".page")}) == 1


def test_a_limit_that_is_reached_is_an_error_of_the_test(cluster: Cluster, nginx: Nginx) -> None:
    run = on(cluster, "test_hoards", nginx, "looks.TestLooks.test_writes")
    assert run.exit_code == 1
    assert run.totals["errors"] == 2
    assert "MemoryError" in run.out
    assert "File too large" in run.out
    assert run.document["run"]["losses"] == []


def test_a_worker_that_has_no_memory_left_dies_of_that(cluster: Cluster, nginx: Nginx) -> None:
    """Its own code needs memory, too. A new one takes its place, and the result tells why."""
    cluster.write("greedy.py", GREEDY)
    run = cluster.run("greedy.py", "-a", "1", "-d", "1s", "--server-url", nginx.url)
    assert run.document["run"]["losses"]
    assert f"exited with status 1 (out of memory: its limit is {2 << 30:,} bytes)" in run.out + run.err


GREEDY = """
import gevent
from loads.case import TestCase

class TestGreedy(TestCase):
    def test_it(self):
        self.session.get(self.server_url)
        gevent.spawn(bytearray, 3 << 30).join()
"""


# What loads-agent refuses.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "NOT_THERE"], "--env NOT_THERE: there is no such variable here"),
        (["--env", "PATH=/bin"], "--env PATH: an agent only passes on what it has"),
        (["--env", "LOADS_JOIN"], "--env LOADS_JOIN is one of Loads' own variables"),
        (["--limit", "memory=2q"], "--limit memory=2q: '2q' is not a size"),
        (["--limit", "memory=20m"], "no worker starts within these limits: "),
    ],
)
def test_what_can_not_be_is_told_at_the_start(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in refusal_of_agent(tmp_path, *arguments)


def refusal_of_agent(directory: Path, *arguments: str) -> str:
    """What loads-agent says when it will not start."""
    command = [str(BIN / "loads-agent"), "--name", "north", "--state-dir", str(directory / "state"), *arguments]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, env=environment_for_loads(), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


# Another user.

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes of another user")
NOBODY = "nobody"


def where_nobody_finds_python() -> list[str]:
    """A command before that of an agent, so that its other user can run this Python.

    Where that, or its environment, lies below closed directories, others of the same names take their places in a view
    of the disk of the agent's own, with nothing but Python in them.
    """
    homes = {Path(prefix): closed for prefix in (sys.base_prefix, sys.prefix) if (closed := _closed_above(prefix))}
    if not homes:
        return []
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-m", "true"], check=False).returncode:
        closed = ", ".join(map(str, homes.values()))
        pytest.skip(f"{NOBODY} can't pass {closed}, where Python is, and there may be no mounts of our own")
    quoted = [(shlex.quote(str(home)), f"$places/{number}") for number, home in enumerate(homes)]
    steps = ["set -e", "places=$(mktemp -d)", "mount -t tmpfs tmpfs $places"]
    steps += [f"mkdir {place}; mount --bind {home} {place}" for home, place in quoted]
    steps += [f"mount -t tmpfs -o mode=711 tmpfs {shlex.quote(str(closed))}" for closed in set(homes.values())]
    steps += [f"mkdir -p {home}; mount --bind {place} {home}" for home, place in quoted]
    steps += [f"umount {place}" for _, place in quoted]
    steps += ["umount $places", "rmdir $places", 'exec "$@"']
    return [unshare, "-m", "sh", "-c", "\n".join(steps), "sh"]


def _closed_above(prefix: str) -> Path | None:
    """The highest directory above that nobody else may pass."""
    return next((above for above in reversed(Path(prefix).parents) if not above.stat().st_mode & 0o001), None)


@pytest.fixture(scope="module")
def as_nobody() -> Iterator[Cluster]:
    """One agent, south, whose workers are nobody."""
    with run_cluster() as started:
        started.directory.chmod(0o711)
        started.start_agent("south", "--worker-user", NOBODY, within=where_nobody_finds_python())
        started.write("looks.py", LOOKS)
        started.wait_for_agents("south")
        yield started


@root_only
def test_tests_of_another_user_are_that_user(as_nobody: Cluster, nginx: Nginx) -> None:
    found = seen(on(as_nobody, "test_it", nginx))
    entry = pwd.getpwnam(NOBODY)
    assert found["ids"] == [[entry.pw_uid] * 3, [entry.pw_gid] * 3, []]
    assert [found["environ"][name] for name in ("HOME", "USER", "LOGNAME")] == [entry.pw_dir, NOBODY, NOBODY]
    assert "looks for the broker" in as_nobody.agents["south"].log()
    assert "of the user nobody" in as_nobody.agents["south"].log()


@root_only
def test_tests_of_another_user_find_all_doors_closed_but_work_as_ever(as_nobody: Cluster, nginx: Nginx) -> None:
    """What the agent has is not theirs; packages are there, and were installed with no right of the agent's."""
    wheel(as_nobody.runner.directory, "upper")
    as_nobody.write("needs.txt", "--no-index\nupper\n")
    as_nobody.write("looks.py", "import upper\n" + LOOKS)
    packages = ("--include-file", "upper-1.0-py3-none-any.whl", "--requirements", "needs.txt")
    found = seen(on(as_nobody, "test_pries", nginx, *packages))
    assert set(found.values()) == {"PermissionError"}, found
    state = as_nobody.state / "agent-south"
    [site] = [path for path in (state / "environments").iterdir() if path.is_dir()]
    assert {path.stat().st_uid for path in (site, *site.rglob("*"))} == {0}
    as_nobody.wait_for_agents("south")
    assert not list((state / "runs").iterdir())


@root_only
def test_a_directory_that_another_user_fills_with_links_is_not_a_way_out(as_nobody: Cluster, nginx: Nginx) -> None:
    """The next run with that directory brings the same files: they must not be written through what lies there."""
    with tempfile.NamedTemporaryFile(mode="w") as treasure:
        treasure.write("untouched")
        treasure.flush()
        as_nobody.write("links.py", LINKS.format(target=treasure.name))
        options = ("links.py", "-a", "1", "--test-dir", "kept", "--include-file", "data.txt", "--server-url", nginx.url)
        as_nobody.write("data.txt", "from the bundle")
        assert as_nobody.run(*options).exit_code == 0
        second = as_nobody.run(*options)
        assert second.exit_code == 2
        assert "the files can't be copied" in second.err
        assert Path(treasure.name).read_text() == "untouched"


LINKS = """
import os
from loads.case import TestCase

class TestLinks(TestCase):
    def test_it(self):
        self.session.get(self.server_url)
        os.remove("data.txt")
        os.symlink({target!r}, "data.txt")
"""


@root_only
def test_users_that_can_not_be_are_refused(tmp_path: Path) -> None:
    assert "--worker-user nobody-there: there is no such user" in refusal_of_agent(
        tmp_path, "--worker-user", "nobody-there"
    )
    assert "--worker-user root has all the rights of root" in refusal_of_agent(tmp_path, "--worker-user", "root")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    said = refusal_of_agent(closed, "--worker-user", NOBODY)
    assert f"{NOBODY} can't pass " in said
    assert "--state-dir /var/lib/loads" in said


@root_only
@pytest.mark.long
def test_what_another_users_workers_left_is_found_when_their_agent_was_killed(as_nobody: Cluster, nginx: Nginx) -> None:
    as_nobody.write("looks.py", LOOKS)
    options = ("looks.TestLooks.test_it", "-a", "1", "-u", "2", "-d", "4s", "--server-url", nginx.url)
    with as_nobody.start(*options) as process:
        as_nobody.wait_for_run(lambda run: (run.elapsed_us or 0) > 1_500_000, "runs")
        as_nobody.agents["south"].kill()
        as_nobody.agents["south"].restart()
        run = as_nobody.runner.end(process)
    assert run.totals["sent"] == nginx.count() > 0
    assert run.totals["lost_iterations"] == 0


# On this machine.


def test_variables_of_a_local_run(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("looks.py", LOOKS)
    options = ("looks.TestLooks.test_it", "--server-url", nginx.url, "--env", "TOKEN=a value", "--env", "MINE")
    outside = {"MINE": "mine", "KEPT": "kept", "TOKEN": "other", "LOADS_JOIN": "a key"}
    for workers in ("1", "0"):
        run = loads.run(*options, "--workers", workers, environment=outside)
        found = seen(run)
        assert found["token"] == "a value"
        assert [found["environ"][name] for name in ("MINE", "KEPT")] == ["mine", "kept"]
        assert "LOADS_JOIN" not in found["names"]
        assert "a value" not in json.dumps(run.document)
    plan = subprocess.run(
        [str(BIN / "loads-runner"), *options, "--show-plan"],
        cwd=loads.directory,
        env=environment_for_loads(outside),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "TOKEN" in plan.stdout
    assert "a value" not in plan.stdout + plan.stderr
