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
from loads.wire.keys import Join, joined, parse_join

JOIN_VARIABLE: Final = "LOADS_JOIN"
CLIENT: Final = (Role.RUNNER, Role.OBSERVER)
"""For runners and tools: a runner's key first, for it may do more."""
AGENT: Final = (Role.AGENT,)


def usual_endpoint(
    roles: Sequence[Role], environ: Mapping[str, str] = os.environ, state: Path | None = None
) -> Endpoint:
    """The broker that was joined with one of `roles`, or this user's own on this machine.

    `state` is the state directory in which joins are kept, if it is not the usual one.

    Raises:
        UsageError: several brokers were joined, or what was stored is no good.
    """
    joins = _joins(roles, environ, state)
    endpoints = list(dict.fromkeys(join.endpoint for join in joins))
    if not endpoints:
        return default_endpoint(environ)
    if len(endpoints) > 1:
        raise UsageError(
            f"{len(endpoints)} brokers were joined: {', '.join(endpoints)}", "say which one with --broker ENDPOINT"
        )
    return replace(parse_endpoint(endpoints[0]), keys=_best(joins, roles))


def with_key(
    endpoint: Endpoint, roles: Sequence[Role], environ: Mapping[str, str] = os.environ, state: Path | None = None
) -> Endpoint:
    """`endpoint` with the key that was joined for it, if there is one; LOADS_JOIN is for whatever address is given.

    Raises:
        UsageError: what was stored is no good.
    """
    if endpoint.is_local:
        return endpoint
    joins = [
        join
        for join in _joins(roles, environ, state)
        if JOIN_VARIABLE in environ or parse_endpoint(join.endpoint) == endpoint
    ]
    return replace(endpoint, keys=_best(joins, roles)) if joins else endpoint


def _joins(roles: Sequence[Role], environ: Mapping[str, str], state: Path | None) -> list[Join]:
    line = environ.get(JOIN_VARIABLE)
    if line is None:
        kept = joined(state_directory(environ) if state is None else state)
        return [join for join in kept if join.role in roles]
    try:
        join = parse_join(line)
    except UsageError as error:
        raise UsageError(f"{JOIN_VARIABLE}: {error.message}", error.hint) from None
    if join.role not in roles:
        wanted = " or ".join(role.value for role in roles)
        raise UsageError(
            f"{JOIN_VARIABLE} holds the key of a peer of the role {join.role.value}",
            f"here one of the role {wanted} is needed: loads keys add NAME --role {roles[0].value}",
        )
    return [join]


def _best(joins: Sequence[Join], roles: Sequence[Role]) -> Join:
    return min(joins, key=lambda join: roles.index(join.role))
