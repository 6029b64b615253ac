"""A real PostgreSQL for tests: its own cluster in a temporary directory, heard on a unix socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import DEADLINE_S, command_or_skip, wait_until

OWNER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""
SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=50", "shared_buffers=16MB")


class Postgres:
    """A server that can be stopped as in a crash and started again; its databases stay."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self._binaries = binaries
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def url(self, database: str) -> str:
        return f"postgresql://loads@/{database}?host={self._directory}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"loads_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def connect(self, url: str | None = None) -> psycopg.Connection[Any]:
        """A connection that commits each statement."""
        return psycopg.connect(url or self.url("postgres"), autocommit=True)

    def run(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement.encode())

    def set_up(self) -> None:
        """Make the cluster."""
        arguments = ["-D", self._directory / "data", "-U", "loads", "-A", "trust", "-E", "UTF8", "--no-sync"]
        initdb = subprocess.run(
            [self._binaries / "initdb", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **_as_owner()
        )
        assert initdb.returncode == 0, initdb.stdout.decode()

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        command = [self._binaries / "postgres", "-D", self._directory / "data", "-k", self._directory, *settings]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **_as_owner())
        wait_until(self._answers, "PostgreSQL to answer")

    def crash(self) -> None:
        """End it at once, without a word to its clients and without writing anything: its way of an emergency stop."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(DEADLINE_S)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "log").read_text()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """A PostgreSQL server with nothing in it. Skips without one (fails in CI)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    binaries = (found[-1] if found else Path(command_or_skip("initdb", "postgresql")).resolve()).parent
    # Not pytest's directory: that is for this user only, and the path of a socket must be short.
    directory = Path(tempfile.mkdtemp(prefix="loads-pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam(OWNER)
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    server = Postgres(binaries, directory)
    try:
        server.set_up()
        server.start()
        yield server
        server.crash()
    finally:
        shutil.rmtree(directory)


def _as_owner() -> dict[str, Any]:
    """How to start it when we are root."""
    return {"user": OWNER, "group": OWNER, "extra_groups": [], "cwd": "/"} if os.geteuid() == 0 else {}
