"""How a worker's requests find their way: names, certificates, connections, patience. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_TIMEOUT_S = 60.0


class Lookup(StrEnum):
    """How long the addresses of a name are believed: for a minute, for good, or for one connection."""

    TTL = "ttl"
    ONCE = "once"
    ALWAYS = "always"


@dataclass(frozen=True)
class NetSettings:
    """What the user set for all requests of a run.

    Attributes:
        timeout_s: to wait for a connection, and for each next piece of an answer, where the test says nothing.
        insecure: certificates are not verified.
        ca_bundle: path of the certificates that are trusted, instead of the default.
        keepalive: False: every request has a connection of its own.
        resolve: addresses, used in turn, that stand for (host, port) instead of what the resolver says.
        user_agent: instead of that of requests.
        source_addresses: local addresses that connections are made from, in turn.
    """

    timeout_s: float | None = DEFAULT_TIMEOUT_S
    insecure: bool = False
    ca_bundle: str | None = None
    keepalive: bool = True
    lookup: Lookup = Lookup.TTL
    resolve: Mapping[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    user_agent: str | None = None
    source_addresses: tuple[str, ...] = ()
