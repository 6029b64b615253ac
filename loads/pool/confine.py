"""What a worker gets of the machine: environment, limits, and the user that it runs as. Told to `start_child`.

A local run's workers get what its user has: it is his machine, and his tests. An agent's get a small environment of
named variables, no core dumps, and what `loads-agent` says in --env, --limit and --worker-user. Tests are somebody
else's code there; what the agent has in its environment (keys, tokens of the machine's owner) is none of theirs.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loads.errors import LoadsError, UsageError
from loads.pool.limits import NO_CORE

NAMED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR"),  # what every program expects
    *("LANG", "LANGUAGE", "TZ"),  # texts and times as the machine has them
    "LD_LIBRARY_PATH",  # an interpreter that needs it does not start without
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "OPENSSL_CONF"),  # whom to trust
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),  # the way out of this network
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""The variables of an agent that its workers have, too: those without which Python, TLS or the network would not work
as they are set up on the machine. None of them is there to hold a secret; a password in the URL of a proxy is seen by
tests, for they need it."""
NAMED_PREFIXES: Final = ("LC_", "PYTHON", "GEVENT_")
"""The same for all that begin so: the rest of the locale, and how the interpreter and its event loop are set up."""
SECRETS: Final = ("LOADS_JOIN",)
"""What not even a local run's tests see."""
PASSABLE: Final = 0o711
"""Of a directory: its owner's, and others may pass, but see nothing of what is in it."""
PRIVATE: Final = 0o700


@dataclass(frozen=True)
class WorkerUser:
    """A user of this machine that workers run as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    @property
    def as_started(self) -> dict[str, Any]:
        """For `subprocess`."""
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups)}

    @property
    def variables(self) -> dict[str, str]:
        """What its environment says of it."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}

    def may_pass(self, directory: os.stat_result) -> bool:
        """Whether its processes may go through `directory`, as far as owner, group and mode tell."""
        if directory.st_uid == self.uid:
            return bool(directory.st_mode & stat.S_IXUSR)
        if directory.st_gid in (self.gid, *self.groups):
            return bool(directory.st_mode & stat.S_IXGRP)
        return bool(directory.st_mode & stat.S_IXOTH)


@dataclass(frozen=True)
class Confinement:
    """What each worker of a pool gets.

    Attributes:
        environment: all of it; None: what this process has, but for secrets of ours.
        limits: hard ones, by their number in `resource`.
        user: who it runs as; None: the same user as this process.
    """

    environment: Mapping[str, str] | None = field(default=None, repr=False)
    limits: Mapping[int, int] = field(default_factory=dict)
    user: WorkerUser | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a worker that starts now."""
        if self.environment is not None:
            return dict(self.environment)
        return {name: value for name, value in os.environ.items() if name not in SECRETS}

    @property
    def is_special(self) -> bool:
        """Whether a worker might not even start with it: that is worth a try before the first run."""
        return self.user is not None or bool(self.limits.keys() - NO_CORE.keys())


def confine(
    environment: Mapping[str, str],
    passed_on: Sequence[str] = (),
    limits: Mapping[int, int] = NO_CORE,
    user: WorkerUser | None = None,
) -> Confinement:
    """What the workers of an agent with that `environment` get; `passed_on` are names of more variables.

    Raises:
        UsageError: with all of `passed_on` that can't be.
    """
    problems = []
    for name in passed_on:
        if "=" in name or not name:
            problems.append(
                UsageError(
                    f"--env {name.partition('=')[0]}: an agent only passes on what it has",
                    f"say --env {name.partition('=')[0]}, and set it in the agent's environment",
                )
            )
        elif name.startswith("LOADS_"):
            problems.append(UsageError(f"--env {name} is one of Loads' own variables", "tests get none of them"))
        elif name not in environment:
            problems.append(UsageError(f"--env {name}: there is no such variable here", "set it, or leave it out"))
    if problems:
        raise UsageError.of(problems)
    names = {name for name in environment if name in NAMED or name.startswith(NAMED_PREFIXES)}
    if user is not None:
        names.discard("TMPDIR")  # the agent's may be closed to it
    its_own = {} if user is None else user.variables
    kept = {name: environment[name] for name in names} | its_own | {name: environment[name] for name in passed_on}
    return Confinement(kept, limits, user)


def find_user(name: str) -> WorkerUser:
    """The user that `name` is.

    Raises:
        UsageError: there is none, it is root, or this process can't start anything as somebody else.
    """
    if os.geteuid() != 0:
        raise UsageError(
            "--worker-user is for an agent that runs as root",
            f"leave it out, and start the agent as that user: sudo -u {name} loads-agent ...",
        )
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        hint = f"make it: useradd --system --no-create-home {name}"
        raise UsageError(f"--worker-user {name}: there is no such user on this machine", hint) from None
    if entry.pw_uid == 0:
        raise UsageError(f"--worker-user {name} has all the rights of root", "name a user that has none")
    groups = tuple(group for group in os.getgrouplist(name, entry.pw_gid) if group != entry.pw_gid)
    if 0 in (entry.pw_gid, *groups):
        group = grp.getgrgid(0).gr_name
        raise UsageError(f"--worker-user {name} is in the group {group}", "name a user that is not")
    return WorkerUser(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def open_way(base: Path, directory: Path, user: WorkerUser | None) -> None:
    """Let `user` go through `directory`, an agent's own below `base`; without one it is closed.

    Raises:
        UsageError: a directory above is closed to that user.
    """
    make_place(directory, passable=user is not None)
    if user is None:
        return
    found = base.stat()
    if found.st_uid == os.geteuid() and not user.may_pass(found):
        base.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
    for above in reversed(directory.resolve().parents):
        if not user.may_pass(above.stat()):
            raise UsageError(
                f"{user.name} can't pass {above}, so its workers would not reach {directory}",
                "keep the agent's state elsewhere: --state-dir /var/lib/loads",
            )


def make_place(path: Path, *, passable: bool) -> None:
    """The directory `path` of ours, made when missing; with `passable` others may go through, but see nothing."""
    mode = PASSABLE if passable else PRIVATE
    path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def hand_over(directory: Path, user: WorkerUser) -> None:
    """Make `directory`, and all below it, belong to `user`, who can't enter it before this is through.

    It must be new and closed to everybody else: whoever could put links into it meanwhile would choose what else is
    handed over.
    """
    for _, directories, files, descriptor in os.fwalk(directory, topdown=False):
        for name in (*directories, *files):
            os.chown(name, user.uid, user.gid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(directory, user.uid, user.gid)


def not_startable(user: WorkerUser | None, said: str) -> LoadsError:
    """Why no worker comes to life, of which `said` is the end of what it printed."""
    last = said.strip().rpartition("\n")[2] or "it says nothing"
    last = "MemoryError" if last.endswith("MemoryError") else last
    if user is None:
        return UsageError(f"no worker starts within these limits: {last}", "give it more with --limit")
    return UsageError(
        f"no worker starts as {user.name}: {last}",
        f"{user.name} must be able to run {sys.executable}, and to read all of Loads:\n"
        "install both outside of home directories, as in /opt/loads",
    )
