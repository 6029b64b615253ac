"""What is kept of a run by series and by machine over time, for whoever asks for it.

It can be a hundred times as large as the rest of a result, so nobody is sent it unasked, and who asks gets it in
pieces, the latest first: a screen can show something at once. Of a run that goes on a piece comes from memory, and
behind all updates that were said before, so that it tells just what those left; of one that has ended it comes from the
store. Pure, but for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from loads.broker.events import Effect, Recollection, Send
from loads.errors import LoadsError
from loads.metrics.result import Result
from loads.wire.cluster import Recollect, Recollected, Slot, Track

if TYPE_CHECKING:
    from loads.broker.run import LiveRun
    from loads.broker.store import Store

PIECE_BYTES: Final = 256 * 1024
"""Of one answer: heartbeats must not wait long behind it."""
_TRACKS: Final = (Track.SERIES, Track.MACHINES)


def recollect(runs: Mapping[str, LiveRun], peer: bytes, message: Recollect, most_bytes: int) -> list[Effect]:
    """What follows when `peer` asks. `most_bytes`: about so much is told at once."""
    run = runs.get(message.run)
    if run is None or run.fold.result is None:
        return [Recollection(peer, message.run, message.before_us)]
    return [Send(peer, recollected(run.id, run.fold.result, message.before_us, most_bytes))]


def recollected(run: str, result: Result, before_us: int | None, most_bytes: int) -> Recollected:
    """A piece of `result`: all slots that begin at one time, and then those before, until it is `most_bytes`."""
    held = {Track.SERIES: result.details.packed, Track.MACHINES: result.machines.packed}
    keys = [
        (t_us, width_us, track)
        for track, packed in held.items()
        for t_us, width_us in packed
        if before_us is None or t_us < before_us
    ]
    slots: list[Slot] = []
    size = 0
    for t_us, width_us, track in sorted(keys, key=lambda key: key[:2], reverse=True):
        if size >= most_bytes and t_us < slots[-1].t_us:
            return Recollected(run=run, before_us=before_us, slots=tuple(slots), more=True)
        slots.append(Slot(track, t_us, width_us, held[track][t_us, width_us]))
        size += len(slots[-1].data)
    return Recollected(run=run, before_us=before_us, slots=tuple(slots), more=False)


def unearthed(store: Store, run: str, before_us: int | None, most_bytes: int = PIECE_BYTES) -> Recollected:
    """The same of a run in the store; nothing if it can't be read, or is not there. For a thread."""
    try:
        points, more = store.points(run, _TRACKS, before_us, most_bytes)
    except LoadsError:
        points, more = [], False  # whoever asks has the result, and shows what there is of it
    slots = tuple(Slot(track, t_us, width_us, data) for (track, t_us, width_us), data in points)
    return Recollected(run=run, before_us=before_us, slots=slots, more=more)
