"""The broker's own key, and who is let in: files below the state directory, each for this user alone.

    keys/broker          the broker's pair, and how peers reach it
    keys/admitted/NAME   a public key and its role

`loads keys` changes them, a running broker looks at them a few times a second: what is added or removed counts at once.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from loads.errors import LoadsError, UsageError
from loads.wire.cluster import Role
from loads.wire.endpoint import check_directory, check_owner, secure_directory
from loads.wire.keys import KEY_BYTES, Join, KeyPair, check_name, new_pair, read_secret, write_secret

MOST_ADMITTED: Final = 10_000
LOOK_S: Final = 5.0
"""Files are looked at one by one when their directory changed, and this often: what is written into one in place, or
done to its mode, does not show in the directory."""
_FRESH_NS: Final = 1_000_000_000
"""A directory's time is too coarse to tell a change from another one that follows so soon."""
_CLOSED: Final = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Nobody is let in by what can't be entered. Any other error passes, as when too many files are open: strangers can
bring that about, and must not have anybody sent away."""

T = TypeVar("T")


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is let in."""

    name: str
    role: Role
    public: bytes
    added_at: datetime


class _Own(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own key; `endpoint` is how peers reach it."""

    public: bytes
    secret: bytes
    endpoint: str


@dataclass(frozen=True)
class OwnKey:
    """The broker's pair, and where its peers find it."""

    pair: KeyPair
    endpoint: str


class Keyring:
    """Below `directory`, which is ``keys`` in the broker's state directory."""

    def __init__(self, directory: Path) -> None:
        self._own = directory / "broker"
        self._admitted = directory / "admitted"
        self._directory = directory
        self._seen: dict[str, tuple[int, ...]] = {}
        self._known: dict[str, Admitted] = {}
        self._by_key: dict[bytes, Admitted] = {}
        self._stamp: tuple[int, ...] | None = None
        self._looked_s = 0.0

    def __repr__(self) -> str:
        return f"<Keyring {self._directory} admitted={len(self._known)}>"

    @property
    def has_key(self) -> bool:
        """Whether the broker has a key."""
        return self._own.exists()

    def init(self, endpoint: str) -> tuple[OwnKey, bool]:
        """Make the broker's key, or keep it and change how peers reach it. Whether it is new.

        Raises:
            LoadsError: it can't be written, or read; or this is the directory of another user's broker.
        """
        check_owner(self._directory.parent)
        secure_directory(self._directory)
        secure_directory(self._admitted)
        is_new = not self.has_key
        pair = new_pair() if is_new else self.own().pair
        own = _Own(public=pair.public, secret=pair.secret, endpoint=endpoint)
        write_secret(self._own, msgspec.json.encode(own).decode() + "\n")
        return OwnKey(pair, endpoint), is_new

    def own(self) -> OwnKey:
        """The broker's key.

        Raises:
            UsageError: there is none, or others can read it.
        """
        if not self.has_key:
            raise UsageError(
                "the broker has no key yet", "make it: loads keys init, on the broker's machine, as its user"
            )
        check_directory(self._directory)
        own = _decode(read_secret(self._own), _Own, self._own)
        if {len(own.public), len(own.secret)} != {KEY_BYTES}:
            raise UsageError(f"{self._own} is damaged", "move it away, and run loads keys init; all peers join again")
        return OwnKey(KeyPair(own.public, own.secret), own.endpoint)

    def add(self, name: str, role: Role, endpoint: str | None = None) -> Join:
        """Let in a new key; what its owner needs, which is kept nowhere here.

        Raises:
            UsageError: there is a key of that name, or too many.
        """
        own = self.own()
        path = self._admitted / check_name(name)
        if path.exists():
            hint = f"choose another name, or take it away first: loads keys revoke {name}"
            raise UsageError(f"there is a key named {name} already", hint)
        if len(self._paths()) >= MOST_ADMITTED:
            raise UsageError(f"{MOST_ADMITTED:,} keys are let in already", "revoke what nobody uses")
        pair = new_pair()
        admitted = Admitted(name=name, role=role, public=pair.public, added_at=datetime.now(UTC))
        write_secret(path, msgspec.json.encode(admitted).decode() + "\n")
        return Join(name, role, endpoint or own.endpoint, own.pair.public, pair)

    def revoke(self, name: str) -> Role | None:
        """Let that key in no more, whatever state its file and those of others are in; its role, if the file tells.

        Raises:
            UsageError: there is none of that name.
        """
        check_directory(self._directory)
        names = [path.name for path in self._paths()]
        if name not in names:
            hint = f"there are: {', '.join(names)}" if names else "none is let in; loads keys list shows them"
            raise UsageError(f"there is no key named {name}", hint)
        path = self._admitted / name
        try:
            role = self._read(path).role
        except UsageError:
            role = None
        try:
            path.unlink()
        except OSError as error:
            raise LoadsError(f"can't remove {path}: {error.strerror}", "see its directory") from None
        return role

    def admitted(self) -> list[Admitted]:
        """The keys that are let in, by name.

        Raises:
            UsageError: a file among them is spoiled, or not ours alone.
        """
        return [self._read(path) for path in self._paths()]

    def look(self) -> tuple[dict[bytes, Admitted], list[str]]:
        """The same by public key, cheaply, for who looks often; and what is wrong with files, which let in nobody.

        Each stranger at the door makes the broker look, so it must cost next to nothing when nothing has changed.
        """
        try:
            stamp = self._stamp_now()
            if stamp is not None and stamp == self._stamp and time.monotonic() - self._looked_s < LOOK_S:
                return self._by_key, []
            check_directory(self._admitted)
            troubles = self._look_at_all()
        except (OSError, UsageError) as error:
            if isinstance(error, UsageError) or error.errno in _CLOSED:
                self._seen, self._known, self._by_key = {}, {}, {}
            self._stamp = None
            why = (
                error.message if isinstance(error, UsageError) else f"can't look at {self._admitted}: {error.strerror}"
            )
            return self._by_key, [why]
        is_settled = stamp is not None and not troubles and time.time_ns() - stamp[1] > _FRESH_NS
        self._stamp, self._looked_s = stamp if is_settled else None, time.monotonic()
        return self._by_key, troubles

    def _stamp_now(self) -> tuple[int, ...] | None:
        """Another one when a key was added or revoked; None: nobody can be let in."""
        try:
            found = self._admitted.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_mode

    def _look_at_all(self) -> list[str]:
        """Read the files that are new or changed; what is wrong with some, which are read again the next time."""
        known: dict[str, Admitted] = {}
        troubles: list[str] = []
        seen: dict[str, tuple[int, ...]] = {}
        for entry in self._entries():
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # revoked just now
            stamp = found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
            try:
                same = self._seen.get(entry.name) == stamp
                known[entry.name] = self._known[entry.name] if same else self._read(Path(entry.path))
                seen[entry.name] = stamp
            except UsageError as error:
                troubles.append(error.message)
        if known != self._known:
            self._by_key = {admitted.public: admitted for admitted in known.values()}
        self._seen, self._known = seen, known
        return sorted(troubles)

    def _paths(self) -> list[Path]:
        return sorted(Path(entry.path) for entry in self._entries())

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        if not self._admitted.is_dir():
            return
        with os.scandir(self._admitted) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))

    def _read(self, path: Path) -> Admitted:
        admitted = _decode(read_secret(path), Admitted, path)
        if admitted.name != path.name or len(admitted.public) != KEY_BYTES:
            raise UsageError(f"{path} is not what loads keys add wrote", f"remove it: rm {path}")
        return admitted


def _decode(text: str, kind: type[T], path: Path) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        raise UsageError(f"{path} is not what loads keys wrote", "move it away, and make the key again") from None
