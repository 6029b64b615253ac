"""Which broker is meant when nobody says, and with which key: what ``loads keys join`` stored, or LOADS_JOIN holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from loads.errors import UsageError
from loads.wire.cluster import Role
from loads.wire.endpoint import Endpoint, default_endpoint, parse_endpoint, state_directory
from loads.wire.keys import Join, joined, joined_directory, parse_join

JOIN_VARIABLE: Final = "LOADS_JOIN"
CLIENT: Final = (Role.RUNNER, Role.OBSERVER)
"""For runners and tools: a runner's key first, for it may do more."""
AGENT: Final = (Role.AGENT,)


def usual_endpoint(
    roles: Sequence[Role], environ: Mapping[str, str] = os.environ, state: Path | None = None
) -> Endpoint:
    """The broker that was joined with one of `roles`, or this user's own on this machine.

    `state` is a state directory in which joins may be kept, too, and which then counts before the usual one.

    Raises:
        UsageError: several brokers were joined, or what was stored is no good.
    """
    joins = _joins(roles, environ, state)
    endpoints = list(dict.fromkeys(join.endpoint for join in joins))
    if not endpoints:
        return default_endpoint(environ)
    if len(endpoints) > 1:
        raise UsageError(
            f"{len(endpoints)} brokers were joined: {', '.join(endpoints)}",
            "say which one with --broker ENDPOINT, or remove the files of those that are gone from "
            f"{joined_directory(state_directory(environ) if state is None else state)}",
        )
    return replace(parse_endpoint(endpoints[0]), keys=_best(joins, roles))


def passed_over(
    roles: Sequence[Role], environ: Mapping[str, str] = os.environ, state: Path | None = None
) -> UsageError | None:
    """What to tell who is surprised that `usual_endpoint` is this machine's broker: others were joined as something
    else. None: they were not.
    """
    kept = [] if environ.get(JOIN_VARIABLE) else _kept(environ, state)
    return _not_for(roles, kept[0]) if kept and all(join.role not in roles for join in kept) else None


def with_key(
    endpoint: Endpoint, roles: Sequence[Role], environ: Mapping[str, str] = os.environ, state: Path | None = None
) -> Endpoint:
    """`endpoint` with the key that was joined for it, if there is one; LOADS_JOIN is for whatever address is given.

    Raises:
        UsageError: it was joined with keys of other roles alone, or what was stored is no good.
    """
    if endpoint.is_local:
        return endpoint
    if environ.get(JOIN_VARIABLE):
        return replace(endpoint, keys=_best(_joins(roles, environ, state), roles))
    kept = [join for join in _kept(environ, state) if parse_endpoint(join.endpoint) == endpoint]
    joins = [join for join in kept if join.role in roles]
    if kept and not joins:
        raise _not_for(roles, kept[0])
    return replace(endpoint, keys=_best(joins, roles)) if joins else endpoint


def _joins(roles: Sequence[Role], environ: Mapping[str, str], state: Path | None) -> list[Join]:
    line = environ.get(JOIN_VARIABLE)
    if not line:  # empty is as good as not set, as with every variable of ours
        return [join for join in _kept(environ, state) if join.role in roles]
    try:
        join = parse_join(line)
    except UsageError as error:
        raise UsageError(f"{JOIN_VARIABLE}: {error.message}", f"{error.hint}; or unset {JOIN_VARIABLE}") from None
    if join.role not in roles:
        raise UsageError(
            f"{JOIN_VARIABLE} holds the key of {_article(join.role)}, and that of {_wanted(roles)} is needed here",
            f"on the broker's machine: loads keys add NAME --role {roles[0].value}; or unset {JOIN_VARIABLE}",
        )
    return [join]


def _kept(environ: Mapping[str, str], state: Path | None) -> list[Join]:
    """What was joined in `state`; if that is nothing, in the usual directory: only there `loads keys join` needs no
    option.
    """
    own = [] if state is None else list(joined(state))
    return own or list(joined(state_directory(environ)))


def _not_for(roles: Sequence[Role], join: Join) -> UsageError:
    return UsageError(
        f"{join.endpoint} was joined as {_article(join.role)}, and the key of {_wanted(roles)} is needed here",
        f"on its machine, loads keys add NAME --role {roles[0].value} prints a line; here, loads keys join LINE",
    )


def _wanted(roles: Sequence[Role]) -> str:
    return " or ".join(_article(role) for role in roles)


def _article(role: Role) -> str:
    return f"{'a' if role is Role.RUNNER else 'an'} {role.value}"


def _best(joins: Sequence[Join], roles: Sequence[Role]) -> Join:
    return min(joins, key=lambda join: roles.index(join.role))
