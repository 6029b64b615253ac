"""Where the broker is: a unix socket of one's own, or TCP; and the directory that guards the socket.

A socket file is as safe as the directory that it is in: who may enter can take the file away and put his own there.
So both sides look at that directory, at every start. Knows nothing of ZeroMQ but how it spells an address.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loads.errors import LoadsError, UsageError

if TYPE_CHECKING:
    from loads.wire.keys import Join

MAX_PATH_BYTES: Final = 107
"""What the kernel has room for in the address of a unix socket, without the zero at its end."""

_HINT: Final = "write ipc:///run/user/1000/loads.sock, ~/loads/broker.sock, tcp://10.0.0.5:7700 or tcp://[fd00::5]:7700"
_OWN: Final = "choose a directory of your own that nobody else may enter, like ~/loads"
_NO_HOME: Final = "set HOME or XDG_STATE_HOME to a directory of its own"
_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True)
class Endpoint:
    """An address of the broker.

    Attributes:
        url: as ZeroMQ has it.
        path: the socket's file; None: it is TCP.
        keys: with which a peer asks to be let in over TCP; None: it has none.
    """

    url: str
    path: Path | None = None
    keys: Join | None = field(default=None, compare=False, repr=False)

    @property
    def is_local(self) -> bool:
        """A unix socket: whoever reaches it is on this machine, and may enter its directory."""
        return self.path is not None

    @property
    def is_ipv6(self) -> bool:
        """The address is an IPv6 one. A name is not: with IPv6 switched on, one that has both is only tried there."""
        return self.url.startswith("tcp://[")

    def __str__(self) -> str:
        return self.url if self.path is None else str(self.path)


def parse_endpoint(text: str) -> Endpoint:
    """`text` as an address: ``ipc:///path``, a path from / or ~ on, or ``tcp://host:port``, IPv6 in brackets.

    Raises:
        UsageError: it is none of them.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        return _local(text, text.strip())
    if scheme == "ipc":
        return _local(text, rest)
    if scheme == "tcp":
        return _tcp(text, rest)
    raise UsageError(f"{text!r} is not an address of a broker: {scheme!r} is no way to it", _HINT)


def default_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Where this user's broker listens when nobody says otherwise: the same at boot and for a login over SSH."""
    path = str(state_directory(environ) / "run" / "broker.sock")
    return _local(path, path)


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where Loads keeps what must outlive a process: ``$XDG_STATE_HOME/loads``, or ``~/.local/state/loads``.

    A relative XDG_STATE_HOME is passed over, as its specification asks.

    Raises:
        UsageError: this user has no home.
    """
    state = environ.get("XDG_STATE_HOME")
    if state is not None and Path(state).is_absolute():
        return Path(state) / "loads"
    home = Path(environ.get("HOME") or _home())
    if not home.is_absolute():
        raise UsageError(f"the home directory of this user, {str(home)!r}, is not a path from / on", _NO_HOME)
    return home / ".local" / "state" / "loads"


def _home() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        raise UsageError("HOME is not set, and this user is none that the machine knows", _NO_HOME) from None


def secure_directory(path: Path, *, passable: bool = False) -> None:
    """Make `path`, and what is missing above it, for this user alone; and check it, whoever made it.

    `passable`: others may go through it, if they may not look into it; what is below has modes of its own.

    Raises:
        LoadsError: it can't be made.
        UsageError: it is not ours, or others may enter.
    """
    try:
        missing = [path, *path.parents]
        while missing and missing[-1].exists():
            missing.pop()
        for directory in reversed(missing):
            directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LoadsError(f"can't make the directory {path}: {error.strerror}", "choose another place") from None
    check_directory(path, passable=passable)


def check_directory(path: Path, *, passable: bool = False) -> None:
    """Refuse to put trust in `path` unless it is this user's alone. One that is not there is no danger.

    `passable` is as for `secure_directory`.

    Raises:
        UsageError: it is not ours, others may enter, or it is no directory.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"can't look at {path}: {error.strerror}", "choose another place") from None
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{path} is not a directory", "move it away, or choose another place")
    _refuse_others(path, found)
    if stat.S_IMODE(found.st_mode) & (0o066 if passable else 0o077):
        hint = _OWN if _is_for_all(path, found) else f"if nobody else needs it, run: chmod 700 {path}\nor {_OWN}"
        raise UsageError(f"others may enter {path}: its mode is {stat.S_IMODE(found.st_mode):04o}", hint)


def check_owner(path: Path) -> None:
    """Refuse to make anything in a directory of another user, who could not use it; root could. It need not be there.

    Raises:
        UsageError: it is another user's.
    """
    try:
        _refuse_others(path, path.stat())
    except OSError:
        return


def _refuse_others(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        owner = user_name(found.st_uid)
        raise UsageError(f"{path} belongs to {owner}, not to you", as_owner(owner) or _OWN)


def as_owner(owner: str) -> str:
    """What root does in the place of `owner`; empty: this is not root."""
    return f"run it as that user: sudo -u {owner} ..." if os.geteuid() == 0 else ""


def _is_for_all(path: Path, found: os.stat_result) -> bool:
    """Whether the machine may need that directory open: a sticky one, or one of root's but not in his home, like /tmp
    and /run.
    """
    home = Path(os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir)
    is_own = home in path.parents and len(home.parts) > 1
    return bool(found.st_mode & stat.S_ISVTX) or (found.st_uid == 0 and not is_own)


def _local(text: str, name: str) -> Endpoint:
    if not name.startswith(("/", "~")):
        hint = f"did you mean tcp://{name}?" if _PORT.fullmatch(name.rpartition(":")[2]) and ":" in name else _HINT
        raise UsageError(f"{text!r} is not an address of a broker: a path must begin with / or ~", hint)
    try:
        path = Path(name).expanduser()
        encoded = str(path).encode()
    except RuntimeError:
        raise UsageError(f"{text!r} is in the home of a user that is not known here", _HINT) from None
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} is not UTF-8", _HINT) from None
    if b"\0" in encoded or not path.name or name.endswith("/"):
        raise UsageError(f"{text!r} does not name a file", _HINT)
    if len(encoded) > MAX_PATH_BYTES:
        raise UsageError(
            f"the path of a unix socket has room for {MAX_PATH_BYTES} bytes, and {path} has {len(encoded)}",
            "choose a shorter one, like /run/user/1000/loads.sock",
        )
    return Endpoint(f"ipc://{path}", path)


def _tcp(text: str, rest: str) -> Endpoint:
    host, separator, port = rest.rpartition(":")
    if not separator or rest.endswith("]"):
        raise UsageError(f"{text!r} has no port", _HINT)
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65_535:
        raise UsageError(f"{text!r}: {port!r} is not a port, which is a number from 1 to 65535", _HINT)
    if host.startswith("[") and host.endswith("]"):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            raise UsageError(f"{text!r}: {host[1:-1]!r} is not an IPv6 address", _HINT) from None
    elif ":" in host:
        raise UsageError(f"{text!r}: an IPv6 address is written in brackets", _HINT)
    elif not _NAME.fullmatch(host):
        hint = f"all addresses of this machine are tcp://0.0.0.0:{port}, for --bind" if host == "*" else _HINT
        raise UsageError(f"{text!r}: {host!r} is not the name or the address of a machine", hint)
    return Endpoint(f"tcp://{host}:{int(port)}")


def user_name(uid: int) -> str:
    """Of that user, or his number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user number {uid}"
