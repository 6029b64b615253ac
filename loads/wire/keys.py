"""Keys of a cluster on TCP: CURVE pairs, the one line that admits a machine, and files that hold secrets.

Both sides of a connection prove that they have the secret of a public key, and all between them is encrypted
(CurveZMQ, https://rfc.zeromq.org/spec/26/). A broker has one pair, and each peer that it admits one of its own. Knows
nothing of who may do what: that is the broker's business.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import zmq
from zmq.utils import z85

from loads.errors import LoadsError, UsageError
from loads.wire.cluster import Role
from loads.wire.endpoint import as_owner, parse_endpoint, secure_directory, user_name

KEY_BYTES: Final = 32
MAX_SECRET_BYTES: Final = 64 << 10
"""No secret file of ours is longer."""
_PREFIX: Final = "loads-join-1-"
_CHECK_BYTES: Final = 4
_MAX_LINE: Final = 4_096
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_SPOILED: Final = "copy the whole line that loads keys add printed, in one piece"


@dataclass(frozen=True)
class KeyPair:
    """A CURVE pair, each `KEY_BYTES` long. The secret is shown by nothing."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Join:
    """All that a peer needs to reach a broker and to be let in.

    Attributes:
        name: of its key, as the broker lists it.
        endpoint: as the peer reaches the broker, ``tcp://host:port``.
        broker: the broker's public key.
    """

    name: str
    role: Role
    endpoint: str
    broker: bytes
    pair: KeyPair

    @property
    def line(self) -> str:
        """``loads-join-1-...``: one word that a shell, a mail and a cloud's user data leave as it is."""
        body = msgspec.msgpack.encode(
            (self.name, self.role, self.endpoint, self.broker, self.pair.public, self.pair.secret)
        )
        check = zlib.crc32(body).to_bytes(_CHECK_BYTES, "big")
        return _PREFIX + base64.urlsafe_b64encode(check + body).decode().rstrip("=")


def new_pair() -> KeyPair:
    """A new one, from the system's randomness."""
    public, secret = zmq.curve_keypair()
    return KeyPair(z85.decode(public), z85.decode(secret))


def parse_join(text: str) -> Join:
    """The line of `Join.line`, back again.

    Raises:
        UsageError: it is none, or not whole.
    """
    line = "".join(text.split())  # a terminal may have broken it
    if not line.startswith(_PREFIX) or len(line) > _MAX_LINE:
        raise UsageError("that is not a line of loads keys add", f"it begins with {_PREFIX}; {_SPOILED}")
    coded = line.removeprefix(_PREFIX)
    try:
        data = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
        if zlib.crc32(body).to_bytes(_CHECK_BYTES, "big") != check:
            raise ValueError
        parts = msgspec.msgpack.decode(body, type=tuple[str, Role, str, bytes, bytes, bytes])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise UsageError("that line of loads keys add is damaged", _SPOILED) from None
    name, role, endpoint, *keys = parts
    if any(len(key) != KEY_BYTES for key in keys):
        raise UsageError("that line of loads keys add holds no keys", _SPOILED)
    check_name(name)
    parse_endpoint(endpoint)
    return Join(name, role, endpoint, keys[0], KeyPair(keys[1], keys[2]))


def check_name(name: str) -> str:
    """`name`, if it can be a key's.

    Raises:
        UsageError: it can't.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a name for a key", "use letters, digits, dots, dashes and underscores")
    return name


# What a machine joined.


def joined_directory(state: Path) -> Path:
    """Where the lines are that this user joined with."""
    return state / "keys" / "joined"


def keep_join(state: Path, join: Join) -> Path:
    """Store `join` in the state directory `state`, in place of one for the same broker and role."""
    directory = joined_directory(state)
    secure_directory(state / "keys")
    secure_directory(directory)
    place = re.sub(r"[^A-Za-z0-9.-]+", "_", join.endpoint.removeprefix("tcp://"))
    path = directory / f"{place}-{join.role.value}"
    write_secret(path, join.line + "\n")
    return path


def joined(state: Path) -> Iterator[Join]:
    """What `keep_join` stored, by file name.

    Raises:
        UsageError: others can read one of them, or it is spoiled.
    """
    directory = joined_directory(state)
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        try:
            yield parse_join(read_secret(path))
        except UsageError as error:
            if str(path) in error.message:
                raise
            raise UsageError(f"{path}: {error.message}", f"join again, or remove it: rm {path}") from None


# Files that hold secrets.


def write_secret(path: Path, text: str) -> None:
    """Write a file for this user alone, whole or not at all.

    Raises:
        LoadsError: it can't be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise LoadsError(f"can't write {path}: {error.strerror}", "see its directory and the disk") from None


def read_secret(path: Path) -> str:
    """What is in a file that nobody else can read.

    Raises:
        UsageError: others can, it is not ours, or it can't be read. Looked at once it is open: no change slips in.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _check_secret(path, os.fstat(file.fileno()))
            return file.read(MAX_SECRET_BYTES).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is damaged", "remove it, and make or join the key again") from None
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", "it holds a secret key of yours alone") from None


def _check_secret(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a file", "move it away")
    if found.st_uid != os.geteuid():
        owner = user_name(found.st_uid)
        raise UsageError(
            f"{path} holds a secret key and belongs to {owner}, not to you",
            as_owner(owner) or "make or join one of your own",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UsageError(
            f"{path} holds a secret key, and others can read it: its mode is {stat.S_IMODE(found.st_mode):04o}",
            f"run: chmod 600 {path}\nif somebody may have read it, revoke the key and make another one",
        )
