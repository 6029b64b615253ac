"""The way to a broker behind SSH, for all commands that speak to one.

    with opened(broker_of(config)) as endpoint:
        ...

The endpoint is then the near end of a tunnel. It is called after the machine at the far end: nobody must be shown a
path that is gone a moment later. Without --ssh the endpoint is handed on as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loads.cli.outcome import program
from loads.cli.terminal import say
from loads.errors import UsageError
from loads.plan.config import Config, Text, merge, read_environment, read_options
from loads.plan.settings import SETTINGS
from loads.runner.ssh import COMMAND, Remote, parse_host, parse_socket
from loads.wire.endpoint import Endpoint, state_directory

if TYPE_CHECKING:
    from loads.runner.tunnel import Tunnel

_FOR_SSH = ("ssh-option", "ssh-command")
WAY = frozenset({"broker", "ssh", *_FOR_SSH})
"""The settings that say where the broker is."""

Where = Endpoint | Remote


@dataclass(frozen=True)
class Through(Endpoint):
    """The near end of an open tunnel."""

    remote: Remote = field(kw_only=True)
    tunnel: Tunnel = field(kw_only=True, compare=False, repr=False)

    def __str__(self) -> str:
        return str(self.remote)


def remote_of(config: Config) -> Remote | None:
    """The broker behind SSH that is meant; None: no SSH is asked for.

    Raises:
        UsageError: it is no machine, or the broker's address is none there.
    """
    if config["ssh"] is None:
        problems = [
            UsageError(f"{SETTINGS[name].flag} is for --ssh", "say which machine: --ssh user@host")
            for name in _FOR_SSH
            if name in config.values and config.origin(name) == SETTINGS[name].flag  # a file may hold it for --ssh
        ]
        if problems:
            raise UsageError.of(problems)
        return None
    try:
        host = parse_host(config["ssh"])
    except UsageError as error:
        raise UsageError(f"{config.origin('ssh')}: {error.message}", error.hint) from None
    socket = config["broker"]
    if socket is not None:
        try:
            socket = parse_socket(socket)
        except UsageError as error:
            both = f"{config.origin('ssh')} and {config.origin('broker')}"
            raise UsageError(f"{both}: {error.message}", error.hint) from None
    return Remote(host, config["ssh-option"] or (), config["ssh-command"] or COMMAND, socket)


def read_way(typed: Mapping[str, Text | None]) -> Config:
    """Where the broker is, by the command line and the environment: for a command that knows nothing of files."""
    given = {name: text for name, text in typed.items() if text is not None and text != ()}
    variables = {SETTINGS[name].variable for name in WAY}
    environment = {name: text for name, text in os.environ.items() if name in variables}
    config = merge(read_options(given), read_environment(environment))
    if config.problems:
        raise UsageError.of(config.problems)
    return config


@contextmanager
def opened(where: Where, *, noticed: Callable[[str], None] | None = None, patient: bool = False) -> Iterator[Endpoint]:
    """What to connect to, as long as it is held.

    `noticed` takes what the user should know of a tunnel; else it is said on the standard error, see `told_to`.
    `patient`: a machine that can't be reached now may be later.

    Raises:
        UsageError: there is no way.
    """
    if isinstance(where, Endpoint):
        yield where
        return
    from loads.runner.tunnel import Tunnel

    name = program()
    tunnel = Tunnel(
        where,
        state_directory(os.environ) / "run",
        noticed=noticed or (lambda text: say(f"{name}: {text}")),
        patient=patient,
    )
    with tunnel:
        yield Through(f"ipc://{tunnel.socket}", tunnel.socket, remote=where, tunnel=tunnel)


@contextmanager
def told_to(endpoint: Endpoint, noticed: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile `noticed` takes what the user should know of the tunnel, if the endpoint is that of one."""
    if not isinstance(endpoint, Through):
        yield
        return
    before, endpoint.tunnel.noticed = endpoint.tunnel.noticed, noticed
    try:
        yield
    finally:
        endpoint.tunnel.noticed = before
