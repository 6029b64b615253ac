"""The token that lets one in, and the key that cookies are signed with: kept, so that a restart logs nobody out.

They lie in a directory that is this user's alone, as everything that Loads keeps.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from loads.errors import LoadsError, UsageError

_BYTES: Final = 32
_MOST_BYTES: Final = 4_096


@dataclass(frozen=True)
class Secret:
    """What nobody else may know. `token`: whoever has it is let in; `signing`: signs cookies."""

    token: str = field(repr=False)
    signing: str = field(repr=False)

    @classmethod
    def new(cls) -> Secret:
        """A random one."""
        return cls(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES))


def keep(path: Path, *, new: bool = False) -> Secret:
    """The secret in the file `path`, which is made if it is not there; `new`: another one, whatever is there.

    Its directory must be safe already. Of two that make it at once both get the same.

    Raises:
        UsageError: others can read it, or it is none.
        LoadsError: it can't be read or written.
    """
    try:
        if new or not path.exists():
            _write(path, Secret.new(), replace=new)
        return _read(path)
    except OSError as error:
        raise LoadsError(f"can't keep the login's secret in {path}: {error.strerror}", "see that disk") from None


def _read(path: Path) -> Secret:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        data = file.read(_MOST_BYTES)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise UsageError(
            f"{path} holds a secret, and others may read it",
            "loads-web --new-token makes another, which is read by nobody else",
        )
    try:
        secret = msgspec.json.decode(data, type=Secret)
    except msgspec.DecodeError:
        secret = Secret("", "")
    if min(len(secret.token), len(secret.signing)) < _BYTES:
        raise UsageError(f"{path} is no secret of a dashboard", "loads-web --new-token makes another")
    return secret


def _write(path: Path, secret: Secret, *, replace: bool) -> None:
    """Whole or not at all."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(secret))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            new.replace(path)
        elif not path.exists():
            try:
                os.link(new, path)
            except FileExistsError:
                return  # somebody else was faster, and that one counts
    finally:
        new.unlink(missing_ok=True)
