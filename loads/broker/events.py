"""What can happen to the broker, and what can follow from it: the vocabulary of `BrokerState`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loads.broker.record import RunRecord
from loads.broker.rights import NOBODY, Principal
from loads.wire.cluster import BundleRef, FromBroker, Status, ToBroker, Trouble

# Events.


@dataclass(frozen=True)
class Said:
    """Peer `peer`, behind which stands `who`, said `message`, which came as `data`."""

    peer: bytes
    message: ToBroker
    data: bytes = b""
    who: Principal = NOBODY


@dataclass(frozen=True)
class Admitted:
    """From now on these public keys are let in, each with the rights that it had, and no other is."""

    keys: frozenset[bytes]


@dataclass(frozen=True)
class Gone:
    """The connection of `peer` is closed."""

    peer: bytes


@dataclass(frozen=True)
class Unsent:
    """A message to `peer` could not be handed over: it is slow, or gone."""

    peer: bytes


@dataclass(frozen=True)
class Obtained:
    """The bundle of `run` is there."""

    run: str


@dataclass(frozen=True)
class NotObtained:
    """It is not, and will not be."""

    run: str
    trouble: Trouble


@dataclass(frozen=True)
class Spoiled:
    """The results of `run` can't be written down, whatever is tried."""

    run: str
    trouble: Trouble


@dataclass(frozen=True)
class Saved:
    """Version `version` of the record of `run` is on the disk, with all that was put before it."""

    run: str
    version: int


@dataclass(frozen=True)
class Kept:
    """Batches are on the disk: the highest by run and incarnation."""

    seqs: Mapping[tuple[str, int], int]


@dataclass(frozen=True)
class StoreTrouble:
    """The store can't write, and why; None: it can again."""

    text: str | None


@dataclass(frozen=True)
class Tick:
    """Time has passed: to be sent a few times a second."""


Event = Said | Admitted | Gone | Unsent | Obtained | NotObtained | Spoiled | Saved | Kept | StoreTrouble | Tick

# Effects.


@dataclass(frozen=True)
class Send:
    """Say `message` to `peer`, now or not at all (`Unsent`)."""

    peer: bytes
    message: FromBroker


@dataclass(frozen=True)
class ToSeat:
    """Say it to the agent `incarnation`, if it is there. `BrokerState` makes a `Send` of it."""

    incarnation: int
    message: FromBroker


@dataclass(frozen=True)
class ToFollowers:
    """Say it to all who follow `run`. Likewise."""

    run: str
    message: FromBroker


@dataclass(frozen=True)
class Kick:
    """Close the connection of `peer`."""

    peer: bytes


@dataclass(frozen=True)
class Dismiss:
    """The same, a moment later: what was said to it shall arrive."""

    peer: bytes


@dataclass(frozen=True)
class Audit:
    """For the audit log: what `who` did, or was refused."""

    event: str
    who: str
    details: Mapping[str, object]


@dataclass(frozen=True)
class Obtain:
    """Have the bundle of `run` ready; who lacks it may ask `peer` for it."""

    run: str
    bundle: BundleRef
    peer: bytes


@dataclass(frozen=True)
class Keep:
    """Add a batch to the journal; `Kept` follows."""

    run: str
    incarnation: int
    seq: int
    data: bytes


@dataclass(frozen=True)
class Save:
    """Write the record, as it is now; `Saved` follows. With `fold`, and in the same transaction, the folded results."""

    record: RunRecord
    fold: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """Write the folded results of `run`, in place of the batches that are in them."""

    run: str


@dataclass(frozen=True)
class Recall:
    """Tell `peer` of a run that has ended, from the store: the one whose name begins so, or the latest."""

    peer: bytes
    run: str | None


@dataclass(frozen=True)
class Recollection:
    """Answer the `Recollect` of `peer` from the store."""

    peer: bytes
    run: str
    before_us: int | None


@dataclass(frozen=True)
class Report:
    """Say `status` to `peer`, with at most `runs` ended ones from the store."""

    peer: bytes
    status: Status
    runs: int


@dataclass(frozen=True)
class Log:
    """For whoever reads the broker's log."""

    text: str


Effect = (
    Send
    | ToSeat
    | ToFollowers
    | Kick
    | Dismiss
    | Audit
    | Obtain
    | Keep
    | Save
    | Checkpoint
    | Recall
    | Recollection
    | Report
    | Log
)
