"""Who stands behind each connection, by the keys that are admitted now; and the audit log of what they do.

The shell's part of security: it knows files and users of the machine. What somebody may say is `rights`' business, and
what follows when a key is taken away the state's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loads.broker.audit import Audit
from loads.broker.doorman import Caller
from loads.broker.keyring import Admitted, Keyring
from loads.broker.rights import ANYBODY, EVERYTHING, LOCAL, NOBODY, Principal
from loads.wire.endpoint import user_name
from loads.wire.keys import KeyPair

_SHOWN_KEY: Final = 12
"""So many digits of an unknown key are told: enough to know it again."""


class Gate:
    """Of the broker whose keys are in `keyring`. `say` takes lines for its log."""

    def __init__(self, keyring: Keyring, audit: Audit, say: Callable[[str], None]) -> None:
        self._keyring = keyring
        self._audit = audit
        self._say = say
        self._admitted: dict[bytes, Admitted] = {}
        self._principals: dict[bytes, Principal] = {}
        self._troubles: list[str] = []
        self._changed = False
        self._altered: set[bytes] = set()
        """Keys that are let in as something else than before: who came in as that has to come in again."""
        self._look()

    def __repr__(self) -> str:
        return f"<Gate admitted={len(self._admitted)} inside={len(self._principals)}>"

    def pair(self) -> KeyPair:
        """The broker's own.

        Raises:
            UsageError: it has none, or others can read it.
        """
        return self._keyring.own().pair

    def changes(self) -> frozenset[bytes] | None:
        """The keys that are let in as before, if some changed since this was asked last; to be asked often."""
        self._look()
        changed, self._changed = self._changed, False
        altered, self._altered = self._altered, set()
        return frozenset(self._admitted) - altered if changed else None

    def _look(self) -> None:
        admitted, troubles = self._keyring.look()
        for trouble in troubles:
            if trouble not in self._troubles:
                self._say(f"lets in nobody with a key that is not kept well: {trouble}")
        self._troubles = troubles or self._troubles
        before, self._admitted = self._admitted, admitted
        if before is admitted or before == admitted:
            return
        self._changed = True
        for key, gone in before.items():
            if admitted.get(key) != gone:
                self._altered.add(key)
                self._say(
                    f"lets in the key {gone.name} no more" + (f" as {gone.role.value}" if key in admitted else "")
                )
        for peer, principal in self._principals.items():
            if principal.key is not None:
                self._principals[peer] = self._of_key(principal.key)

    def admits(self, key: bytes) -> bool:
        """Whether a key may come in."""
        self._look()
        return key in self._admitted

    def turned_away(self, key: bytes | None, detail: str) -> None:
        """Somebody was not let in: `detail` is his address, or what came of his handshake."""
        if key is None:
            self._audit.refused("a stranger", why=detail)
        else:
            self._audit.refused("a stranger", why="an unknown key", key=key.hex()[:_SHOWN_KEY], address=detail)

    def met(self, peer: bytes, caller: Caller) -> None:
        """A connection is about to be heard."""
        if caller.key is not None:
            self._principals[peer] = self._of_key(caller.key)
        elif caller.address is not None:
            self._principals[peer] = Principal(f"anybody at {caller.address}", ANYBODY.roles)
        elif caller.uid is not None:
            self._principals[peer] = Principal(f"user {user_name(caller.uid)}", EVERYTHING)
        else:
            self._principals[peer] = LOCAL

    def who(self, peer: bytes) -> Principal:
        """Who speaks."""
        return self._principals.get(peer, NOBODY)

    def gone(self, peer: bytes) -> None:
        """It speaks no more."""
        self._principals.pop(peer, None)

    def note(self, event: str, who: str, details: dict[str, object]) -> None:
        """For the audit log."""
        if event == "refused":
            self._audit.refused(who, **details)
        else:
            self._audit.note(event, who, **details)

    def _of_key(self, key: bytes) -> Principal:
        admitted = self._admitted.get(key)
        if admitted is None:
            return Principal("a key that was taken away", frozenset(), key)
        return Principal(f"key {admitted.name}", frozenset({admitted.role}), key)


def audit_path(directory: Path) -> Path:
    """Where the audit log of the broker in the state directory `directory` is."""
    return directory / "broker" / "audit.log"


def this_user() -> str:
    """Who changes keys, for the audit log."""
    return f"user {user_name(os.getuid())}"
