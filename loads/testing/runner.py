"""A runner: submits a run until it is accepted, follows it to its end, whatever becomes of its connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loads.metrics.result import Result
from loads.runner.following import new_places
from loads.runner.recollecting import Recollecting
from loads.testing.wires import Net, Peer
from loads.testing.world import World
from loads.units import US_PER_S
from loads.wire.cluster import (
    Accepted,
    Ask,
    Beat,
    Cease,
    Ended,
    Follow,
    Hello,
    Recollected,
    Refused,
    Role,
    Snapshot,
    Status,
    Submit,
    ToBroker,
    Trouble,
    Update,
    Welcome,
    WhoAreYou,
)
from loads.wire.codec import decode_from_broker, encode
from loads.wire.fold import fold, note
from loads.wire.messages import PROTOCOL

SILENCE_US: Final = 5 * US_PER_S


class Runner(Peer):
    """Submits `submit`; None: only follows `run`.

    Attributes:
        result: as it was folded from what came.
        whole: nothing was missed in it.
        ended: what the broker said at last.
        last: what it had folded before that, if nothing was missing in it.
        complete: all that `ended` left out is there, too.
    """

    def __init__(
        self,
        world: World,
        net: Net,
        name: str,
        submit: Submit | None,
        run: str | None = None,
        check: Callable[[Runner], None] = lambda _: None,
    ) -> None:
        super().__init__(world, name, world.between(0, 10**12))
        self.submit = submit
        self.run = run
        self.result: Result | None = None
        self.whole = False
        self.ended: Ended | None = None
        self.last: Result | None = None
        self.complete = False
        self._recollecting = Recollecting(self._say)
        self.trouble: Trouble | None = None
        self.ceasing: bool | None = None
        """It wants its run to stop; True: at once."""
        self._check = check
        self._net = net
        net.join(self)
        self.later(US_PER_S, self._beat)

    @property
    def is_done(self) -> bool:
        """It knows how the run ended."""
        return self.complete or self.trouble is not None

    def linked(self, up: bool) -> None:
        """The connection stands, or does not any more."""
        self.whole = False
        if up:
            self._hello()

    def hear(self, data: bytes) -> None:
        """A message of the broker came."""
        message = decode_from_broker(data)
        match message:
            case WhoAreYou():
                self._hello()
            case Welcome():
                self._go_on()
            case Accepted(run):
                self.run = run
                self._say(Follow(run=run))
                self._cease()
            case Snapshot():
                self.result, self.whole = message.result, True
                self._recollecting.begin(message.run, message.result)
                self._recollecting.turn(self.time_us())
            case Update():
                self._update(message)
            case Recollected():
                self._recollecting.hear(message)
                self.complete = self.ended is not None and self._recollecting.is_whole
                if self.complete:
                    self._check(self)
                self._recollecting.turn(self.time_us())
            case Ended():
                self._end(message)
            case Refused(trouble=trouble):
                self.trouble = trouble
            case Status():
                repr(message)

    def stop(self, *, now: bool) -> None:
        """Have the run stop."""
        self.ceasing = now
        self._cease()

    def _hello(self) -> None:
        self._say(Hello(protocol=PROTOCOL, version="1", role=Role.RUNNER, session=self.world.random.getrandbits(64)))

    def _go_on(self) -> None:
        if self.is_done:
            return
        if self.run is not None:
            self._say(Follow(run=self.run))
            self._cease()
        elif self.submit is not None:
            self._say(self.submit)

    def _cease(self) -> None:
        if self.ceasing is not None and self.run is not None:
            self._say(Cease(run=self.run, now=self.ceasing))

    def _update(self, update: Update) -> None:
        if self.result is not None:
            self.result.places += new_places(self.result.places, update.seats or ())
            fold(self.result, update.spans, update.users, update.gone, update.losses, thresholds=update.thresholds)
            note(self.result, update.notices)

    def _end(self, ended: Ended) -> None:
        if self.ended is None:
            self.whole = self.whole and self.wire is not None and not self.wire.missed
            self.last = self.result if self.whole and self._recollecting.is_whole else None
        self.ended, self.complete = ended, False
        self._check(self)
        self._recollecting.begin(ended.run, ended.result)
        self._recollecting.turn(self.time_us())

    def _beat(self) -> None:
        self.later(US_PER_S, self._beat)
        self._say(Beat(sent_us=self.time_us()))
        self._recollecting.turn(self.time_us())
        if self.run is None and self.world.chance(0.3):
            self._go_on()  # the answer found no room
        if self.world.chance(0.05):
            self._say(Ask(runs=3))

    def _say(self, message: ToBroker) -> bool:
        self.send(encode(message))
        return True
