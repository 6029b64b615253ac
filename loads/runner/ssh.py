"""What is said to OpenSSH's client, and what its answers mean. Starts nothing: `sshlink` does.

One login carries everything: a master connection whose own session says where the broker's socket is, and then waits
for the end of its input; see `sshlink`. The user's configuration, agent, jump hosts and known hosts are ssh's to find.
We add options only. Of an option that is said more than once ssh takes the first: so what the tunnel cannot do without
stands before what the user says, and what is a matter of taste behind it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from loads.errors import UsageError

MARK: Final = "loads-broker-socket: "
"""Before the path, so that it is found among what login scripts say."""
COMMAND: Final = "loads"
_PATH_BYTES: Final = 107

_HINT: Final = "write host, user@host, user@host:22 or user@[fd00::5]:22; a name from ~/.ssh/config will do"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", re.ASCII)
_USER: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+\\-]{0,254}", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_HOME: Final = re.compile(r"~[A-Za-z0-9_.-]*/", re.ASCII)
_UNSPOKEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f:\\%$'!]")
"""What ssh, a shell on the way or a terminal would take for something else than a part of a path."""

_NEEDED: Final = (
    *("ControlMaster=yes", "ControlPersist=no", "RemoteCommand=none", "ClearAllForwardings=yes", "RequestTTY=no"),
    *("ForwardAgent=no", "ForwardX11=no", "StreamLocalBindMask=0177"),
)
_WISHED: Final = ("ConnectTimeout=10", "ServerAliveInterval=3", "ServerAliveCountMax=2", "LogLevel=INFO")
"""A link that is cut without a word is noticed within ten seconds."""


@dataclass(frozen=True)
class Host:
    """Where to log in; None: as ssh's configuration says."""

    name: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        user = "" if self.user is None else f"{self.user}@"
        return f"{user}{name}" + ("" if self.port is None else f":{self.port}")


@dataclass(frozen=True)
class Remote:
    """A broker behind SSH.

    Attributes:
        options: for ssh's -o, the user's.
        command: how loads is called there, for the shell there.
        socket: its path there, from / or ~ on; None: loads there is asked.
    """

    host: Host
    options: tuple[str, ...] = ()
    command: str = COMMAND
    socket: str | None = None

    def __str__(self) -> str:
        return str(self.host)

    def again(self) -> str:
        """The options that lead there, for a command to paste."""
        words = ["--ssh", str(self.host)]
        for option in self.options:
            words += ["--ssh-option", option]
        words += [] if self.command == COMMAND else ["--ssh-command", self.command]
        words += [] if self.socket is None else ["--broker", self.socket]
        return shlex.join(words)

    def login(self, control: Path, *, batch: bool) -> list[str]:
        """Log in, say where the socket is, and stay until the input ends. `batch`: nobody may be asked anything."""
        needed = [*_NEEDED, f"ControlPath={str(control).replace('%', '%%')}", *["BatchMode=yes"] * batch]
        options = [word for option in (*needed, *self.options, *_WISHED) for word in ("-o", option)]
        user = [] if self.host.user is None else ["-l", self.host.user]
        port = [] if self.host.port is None else ["-p", str(self.host.port)]
        return ["ssh", *options, *user, *port, "--", self.host.name, f"{self._question()} && exec cat"]

    def forward(self, control: Path, local: Path, path: str) -> list[str]:
        """Have the connection at `control` pass on `local` to the socket `path` there."""
        there = f"{str(local).replace('%', '%%')}:{path}"
        return ["ssh", "-F", "none", "-S", str(control).replace("%", "%%"), "-O", "forward", "-L", there, "loads"]

    def _question(self) -> str:
        """In words that every shell understands alike."""
        if self.socket is None:
            return f"{self.command} where"
        home = _HOME.match(self.socket)
        start = "" if home is None else home[0]
        return f"echo {MARK.strip()} {start}{shlex.quote(self.socket[len(start) :])}"


def parse_host(text: str) -> Host:
    """``[user@]host[:port]``, IPv6 in brackets. Nothing that ssh might take for an option gets through.

    Raises:
        UsageError: it is not that.
    """
    user, at, rest = text.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise UsageError(f"{text!r}: {user!r} is not the name of a user", _HINT)
    bracket = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", rest, re.DOTALL)
    if bracket is not None:
        name, port = bracket[1], bracket[2]
        if not _is_ipv6(name):
            raise UsageError(f"{text!r}: {name!r} is not an IPv6 address", _HINT)
    else:
        name, colon, port_text = rest.partition(":")
        port = port_text if colon else None
        if ":" in (port or ""):
            raise UsageError(f"{text!r}: an IPv6 address is written in brackets", _HINT)
        if not _NAME.fullmatch(name):
            raise UsageError(f"{text!r}: {name!r} is not the name or the address of a machine", _HINT)
    if port is not None and not (_PORT.fullmatch(port) and 1 <= int(port) <= 65_535):
        raise UsageError(f"{text!r}: {port!r} is not a port, which is a number from 1 to 65535", _HINT)
    return Host(name, user if at else None, None if port is None else int(port))


def parse_socket(text: str) -> str:
    """The path of a socket on the far side; a ``~`` is its home there.

    Raises:
        UsageError: it is no path, or not one that can be passed on.
    """
    path = text.removeprefix("ipc://")
    if "://" in path:
        raise UsageError(
            f"{text!r} is not reached through SSH",
            "SSH leads to the broker's unix socket: give its path there, or leave it out",
        )
    if not (path.startswith("/") or _HOME.match(path)) or path.endswith("/"):
        raise UsageError(
            f"{text!r} is not the path of a socket there", "it begins with / or ~, like ~/loads/broker.sock"
        )
    check_path(path)
    return path


def check_path(path: str) -> None:
    """Refuse a path that can't be told to ssh.

    Raises:
        UsageError: it has such characters, or is too long for a socket.
    """
    bad = _UNSPOKEN.search(path)
    if bad is not None:
        raise UsageError(f"the path {path!r} has {bad[0]!r} in it", "SSH can't pass that on: use another path")
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise UsageError(f"the path {path!r} is not UTF-8", "use another path") from None
    if length > _PATH_BYTES:
        raise UsageError(f"the path of a unix socket has room for {_PATH_BYTES} bytes: {path}", "use a shorter one")


def find_path(line: str) -> str | None:
    """The path that the far side says in this line, if it does."""
    _, mark, path = line.partition(MARK)
    return path.strip("\r\n") if mark and path.startswith("/") else None


class NoTunnel(UsageError):
    """Why there is no way through. `passes`: it may be over by itself, as when a machine is down."""

    def __init__(self, message: str, hint: str, *, passes: bool = False) -> None:
        super().__init__(message, hint)
        self.passes = passes


_CAUSES: Final = (
    ("IDENTIFICATION HAS CHANGED", "it is not the machine that it was: find out why, and then do as ssh says", False),
    ("Host key verification failed", "log in once with ssh, look at its key, and say yes: ssh {login}", False),
    ("Permission denied", "see that you can log in without Loads: ssh {login}", False),
    ("Too many authentication failures", "say which key: --ssh-option IdentityFile=~/.ssh/KEY", False),
    ("Bad configuration option", "see --ssh-option, and man ssh_config", False),
    ("Connection refused", "see that an SSH server runs there, and on which port: --ssh user@host:port", True),
    ("Could not resolve hostname", "see the name; those of ~/.ssh/config can be used, too", True),
    ("timed out", "see that the machine is up, and that its port can be reached from here", True),
    ("No route to host", "see that the machine is up, and that its port can be reached from here", True),
    ("Network is unreachable", "see the network of this machine", True),
)
_OTHER: Final = "see that you can log in without Loads: ssh {login}"


def explain(remote: Remote, status: int, said: Sequence[str]) -> NoTunnel:
    """Why ssh ended before there was a tunnel: its exit code, and its last words."""
    told = [line for line in said if line.strip()]
    if status == 255 or status < 0:
        text = "\n".join(told)
        hint, passes = next(((hint, passes) for cause, hint, passes in _CAUSES if cause in text), (_OTHER, True))
        return NoTunnel(_told(f"ssh to {remote} failed", told), hint.format(login=_login(remote)), passes=passes)
    if remote.socket is not None:
        return NoTunnel(_told(f"{remote} does not let us work there", told), _OTHER.format(login=_login(remote)))
    if status in (126, 127):
        hint = (
            "where Loads is in a virtual environment there, say so: --ssh-command /path/to/venv/bin/loads\n"
            "or give the path of the broker's socket there: --broker PATH"
        )
        return NoTunnel(_told(f"{remote} has no command {remote.command}", told), hint)
    hint = f"try it: ssh {_login(remote)} {shlex.quote(f'{remote.command} where')}\nor give the path: --broker PATH"
    return NoTunnel(_told(f"{remote} does not say where its broker is (exit code {status})", told), hint)


def explain_closed(remote: Remote, path: str) -> NoTunnel:
    """What connects to the socket there gets nowhere. An sshd that may not forward says no more than that, too."""
    hint = (
        "start one there with loads-broker, or say where its socket is: --broker PATH\n"
        "if one runs, its machine's sshd_config must allow it: AllowStreamLocalForwarding yes"
    )
    return NoTunnel(f"no broker runs at {remote}: nothing listens at {path} there", hint, passes=True)


def _told(what: str, said: Sequence[str]) -> str:
    if len(said) < 2:
        return ": ".join([what, *said])
    return "\n".join([f"{what}:", *(f"  {line}" for line in said)])


def _login(remote: Remote) -> str:
    """The words of a plain login there."""
    host = remote.host
    words = [] if host.port is None else ["-p", str(host.port)]
    for option in remote.options:
        words += ["-o", option]
    return shlex.join([*words, host.name if host.user is None else f"{host.user}@{host.name}"])


def _is_ipv6(text: str) -> bool:
    address, percent, zone = text.partition("%")
    try:
        IPv6Address(address)
    except ValueError:
        return False
    return not percent or bool(_ZONE.fullmatch(zone))
