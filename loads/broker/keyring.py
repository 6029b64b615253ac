"""The broker's own key, and who is let in: files below the state directory, each for this user alone.

    keys/broker          the broker's pair, and how peers reach it
    keys/admitted/NAME   a public key and its role

`loads keys` changes them, a running broker looks at them a few times a second: what is added or removed counts at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from loads.errors import LoadsError, UsageError
from loads.wire.cluster import Role
from loads.wire.endpoint import check_directory, secure_directory
from loads.wire.keys import KEY_BYTES, Join, KeyPair, check_name, new_pair, read_secret, write_secret

MOST_ADMITTED: Final = 10_000

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

    def __repr__(self) -> str:
        return f"<Keyring {self._directory} admitted={len(self._known)}>"

    @property
    def has_key(self) -> bool:
        """Whether the broker has a key."""
        return self._own.exists()

    def init(self, endpoint: str) -> tuple[OwnKey, bool]:
        """Make the broker's key, or keep it and change how peers reach it. Whether it is new.

        Raises:
            LoadsError: it can't be written, or read.
        """
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
            raise UsageError("the broker has no key yet", "make it: loads keys init, on the broker's machine")
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

    def revoke(self, name: str) -> Admitted:
        """Let that key in no more.

        Raises:
            UsageError: there is none of that name.
        """
        known = {admitted.name: admitted for admitted in self.admitted()}
        if name not in known:
            hint = f"there are: {', '.join(sorted(known))}" if known else "none is let in; loads keys list shows them"
            raise UsageError(f"there is no key named {name}", hint)
        try:
            (self._admitted / name).unlink()
        except OSError as error:
            raise LoadsError(f"can't remove {self._admitted / name}: {error.strerror}", "see its directory") from None
        return known[name]

    def admitted(self) -> list[Admitted]:
        """The keys that are let in, by name.

        Raises:
            UsageError: a file among them is spoiled, or not ours alone.
        """
        return [self._read(path) for path in self._paths()]

    def look(self) -> tuple[dict[bytes, Admitted], list[str]]:
        """The same by public key, cheaply, for who looks often; and what is wrong with files, which let in nobody."""
        known: dict[str, Admitted] = {}
        troubles: list[str] = []
        seen: dict[str, tuple[int, ...]] = {}
        for path in self._paths():
            try:
                found = path.lstat()
            except OSError:
                continue  # revoked just now
            stamp = found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
            if self._seen.get(path.name) == stamp:
                if path.name in self._known:
                    known[path.name] = self._known[path.name]
            else:
                try:
                    known[path.name] = self._read(path)
                except UsageError as error:
                    troubles.append(error.message)
            seen[path.name] = stamp
        self._seen, self._known = seen, known
        return {admitted.public: admitted for admitted in known.values()}, troubles

    def _paths(self) -> list[Path]:
        return sorted(self._files())

    def _files(self) -> Iterator[Path]:
        if not self._admitted.is_dir():
            return
        for path in self._admitted.iterdir():
            if not path.name.startswith("."):
                yield path

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
