"""What it means when a handshake with the broker fails, in words that say what to do. Pure."""

from __future__ import annotations

from typing import Final

import zmq

from loads.errors import LoadsError, UsageError
from loads.wire.endpoint import Endpoint

FAILURES: Final = (
    zmq.Event.HANDSHAKE_FAILED_AUTH | zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
)
"""The socket's monitor tells one of these, and then of the end of the connection."""


def why_not(event: int, endpoint: Endpoint) -> LoadsError:
    """What the monitor's `event` means at `endpoint`; a `UsageError` where trying again changes nothing."""
    if event == zmq.Event.HANDSHAKE_FAILED_AUTH and endpoint.keys is not None:
        return UsageError(
            f"the broker at {endpoint} does not let in the key {endpoint.keys.name}",
            "it was revoked, or is another broker's; on the broker's machine, loads keys list shows who is let in,\n"
            f"and loads keys add NAME --role {endpoint.keys.role.value} makes a line for loads keys join",
        )
    if event == zmq.Event.HANDSHAKE_FAILED_PROTOCOL and endpoint.keys is None:
        return UsageError(
            f"the broker at {endpoint} lets in only who has a key",
            "on its machine, loads keys add NAME --role ROLE prints a line; here, loads keys join LINE",
        )
    if event == zmq.Event.HANDSHAKE_FAILED_PROTOCOL:
        return UsageError(
            f"what listens at {endpoint} has no key of its own, and is not the broker that was joined",
            "look at the address; a broker started with --insecure has none",
        )
    if endpoint.keys is not None:
        return LoadsError(
            f"what listens at {endpoint} breaks off the handshake: it has not the key of the broker that was joined",
            "if its key was made anew, join again: loads keys add there, loads keys join here",
        )
    return LoadsError(
        f"what listens at {endpoint} breaks off the handshake, as one does that lets in only who has a key",
        "on its machine, loads keys add NAME --role ROLE prints a line; here, loads keys join LINE",
    )
