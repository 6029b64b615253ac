"""Opens the store's database: SQLite in a file of this user, or PostgreSQL by its URL; and says what is wrong if not.

SQLite runs with a write-ahead log and synchronous=FULL: a commit that came back is on the disk, whatever is killed or
unplugged. A transaction that writes says so when it begins, so that two writers wait for each other instead of
failing half way. Space of rows that went is used again; the file does not shrink (that would move pages at each
commit, and a run's size does not grow with its hits).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from loads.errors import LoadsError, UsageError

FILE_NAME: Final = "loads.db"

_WRITING: Final = "loads_writing"
_BUSY_S: Final = 1.0
"""How long a lock of another process is waited for before that counts as trouble."""
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "wal_autocheckpoint=2000",
    f"journal_size_limit={64 * 1024 * 1024}",
)
_SILENCE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""So that a PostgreSQL server that is unplugged shows as trouble within seconds. What the URL says comes first."""
_URL_HINT: Final = "write it like postgresql://user@host/database, or leave it out for a file in the state directory"


def open_engine(url: str | None, directory: Path) -> Engine:
    """An engine for the database at `url`; None: SQLite in `directory`, which is made. It connects when it is used.

    Raises:
        UsageError: the URL is none, or is of a database that is not supported or lacks its driver.
        LoadsError: the directory or the file can't be made.
    """
    if url is None:
        _make_directory(directory)
    parsed = _parse(url) if url is not None else URL.create("sqlite", database=str(directory / FILE_NAME))
    try:
        if parsed.get_backend_name() == "postgresql":
            return _postgresql(parsed)
        return _sqlite(parsed)
    except ImportError as error:
        hint = "install it with: pip install 'loads[postgresql]'"
        raise UsageError("the driver for PostgreSQL is missing, or is not complete", hint) from error


def for_writing(engine: Engine) -> Engine:
    """The same one, with transactions that say at once that they will write."""
    return engine.execution_options(**{_WRITING: True})


def place_of(engine: Engine) -> str:
    """Where the database is, for a person: no password."""
    if engine.dialect.name == "sqlite":
        return f"sqlite {engine.url.database}"
    return engine.url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def hint_for(engine: Engine, cause: str) -> str:
    """What to do when the database said `cause`."""
    if engine.dialect.name != "sqlite":
        return "does its server run, and is there space on its disk?"
    if "not a database" in cause:
        return "that file is something else: look at --db, or leave it out"
    return "is there space on its disk, and is it yours?"


def _parse(text: str) -> URL:
    """The URL that `text` is, with the driver that we use. `text` itself may hold a password and is not repeated."""
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UsageError("the store's URL can't be understood", _URL_HINT) from error
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise UsageError(f"a store in {backend!r} is not supported", _URL_HINT)
    if url.database in (None, "", ":memory:") or url.query:
        raise UsageError("a store in SQLite is a plain file", "write it like sqlite:////home/me/loads.db")
    return url.set(drivername="sqlite")


def _postgresql(url: URL) -> Engine:
    """An engine whose transactions each see one moment, as SQLite's do."""
    settings = {name: value for name, value in _SILENCE.items() if name not in url.query}
    engine = create_engine(url, isolation_level="REPEATABLE READ", pool_pre_ping=True, connect_args=settings)

    @event.listens_for(engine, "connect")
    def limit_waiting(connection: Any, _: object) -> None:
        connection.execute(f"SET lock_timeout = {round(_BUSY_S * 1_000)}")
        connection.commit()

    return engine


def _make_directory(path: Path) -> None:
    """Only where the user named no place: a path that was mistyped would get directories in silence."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        hint = "choose another --state-dir"
        raise LoadsError(f"the store's directory {path} can't be made: {error.strerror}", hint) from error


def _make_private(path: Path) -> None:
    """See that the file is there, for this user only. SQLite gives its log the rights that the file has."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # One that is there is not opened: to close it again would end the locks that this process has on it.
        if not path.is_file():
            raise
        path.chmod(0o600)


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    if not path.parent.exists():
        raise UsageError(f"the store {path} can't be opened: {path.parent} is not there", "look at --db, or make it")
    try:
        _make_private(path)
    except OSError as error:
        raise LoadsError(f"the store {path} can't be opened: {error.strerror}", "is it yours, and a file?") from error
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        # Python's sqlite3 begins transactions at the first write, and never for reads: see `begin`.
        connection.isolation_level = None
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            connection.close()  # the pool does not know it yet
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine
