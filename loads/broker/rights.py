"""Who speaks, and what it may say. Pure.

A peer's rights come with its connection: whoever reaches the unix socket is this user and may do everything, a key has
the rights of its role. They are checked for each message, whatever the peer called itself in its Hello.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loads.wire.cluster import (
    Ask,
    Batch,
    Beat,
    Cease,
    Chunk,
    Complete,
    Enlist,
    Fetch,
    Follow,
    Hello,
    Recollect,
    Role,
    Standing,
    Submit,
    ToBroker,
)

_ALL: Final = (Hello, Beat)
_LOOKS: Final = (*_ALL, Follow, Recollect, Ask)
RIGHTS: Final[dict[Role, tuple[type[ToBroker], ...]]] = {
    Role.AGENT: (*_ALL, Standing, Enlist, Batch, Complete, Fetch),
    Role.RUNNER: (*_LOOKS, Submit, Cease, Chunk),
    Role.OBSERVER: _LOOKS,
}
_DOES: Final = {
    Role.AGENT: "work in runs",
    Role.RUNNER: "start, follow and stop runs",
    Role.OBSERVER: "look at the cluster and its runs",
}


@dataclass(frozen=True)
class Principal:
    """Who speaks over a connection.

    Attributes:
        name: for logs, like ``user ana`` or ``key ci``.
        roles: what it may act as; none: it is let in for nothing.
        key: its public key; None: it has none, and needs none.
    """

    name: str
    roles: frozenset[Role]
    key: bytes | None = None

    def may(self, message: ToBroker) -> bool:
        """Whether it has the right to say that."""
        return any(isinstance(message, RIGHTS[role]) for role in self.roles)

    @property
    def rights(self) -> str:
        """``may only look at the cluster and its runs``."""
        if not self.roles:
            return "may do nothing here"
        return f"may only {' and '.join(_DOES[role] for role in Role if role in self.roles)}"


EVERYTHING: Final = frozenset(Role)
LOCAL: Final = Principal("this user", EVERYTHING)
"""Over the unix socket."""
ANYBODY: Final = Principal("anybody", EVERYTHING)
"""Over a TCP address that was opened with --insecure."""
NOBODY: Final = Principal("nobody", frozenset())
"""Whose key was taken away."""


def role_for(message: ToBroker) -> Role:
    """The least role that may say `message`: to tell people which key they need."""
    return next(role for role in (Role.OBSERVER, Role.RUNNER, Role.AGENT) if isinstance(message, RIGHTS[role]))
