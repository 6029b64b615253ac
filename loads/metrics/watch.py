"""Thresholds held against a run, second by second, while it goes on.

What was measured comes in by the second, in any order, in several parts, and late. Each second waits until all of it is
there (`look` says so); then it joins what each threshold is judged by: the whole run so far, or a sliding window, out
of which the oldest second goes. So the same data gives the same standings, however it was split and in whichever order
it came, as long as it came before its second was judged. What comes later still counts for what is judged later.

            warm-up |       judged        | waits
    seconds  0  1   |  2  3  4 [5  6  7]  |  8  9      a window of 3 s
                                          `judged_s`

Kept is no more than the thresholds look at: a sum each (thresholds with the same measure and tags share it), and each
second of a window, packed. All of it is `Watch.memory`, a plain value: encode it, and go on elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from loads.metrics.lens import Extremes, Lens, Piece, Sight
from loads.metrics.summary import Summary
from loads.metrics.tags import Tags
from loads.metrics.threshold import Kind, Measure, Standing, State, Threshold
from loads.units import US_PER_S

MAX_AHEAD: Final = 3_600
"""Seconds that may wait to be judged. With more, somebody's data has been missing for an hour: the oldest ones are not
judged by themselves any more, and count only for what is judged later."""
SLIPPED_S: Final = 3
"""So long a threshold that the end decides must not have held to be told of: one slow request is no news."""
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Piece)


class Slot(msgspec.Struct, array_like=True):
    """One second, packed. The extremes are read without unpacking.

    An hour of them, with 2,000 hits a second of lognormal times, is 10 MB; unpacked it would be 215 MB.
    """

    packed: bytes
    extremes: Extremes


class Track(msgspec.Struct, array_like=True):
    """What is kept for thresholds that look at the same, over the same span.

    Attributes:
        window_s: None: the whole run.
        sum: of the judged seconds, or those of them in the window.
        slots: by second: those that wait, and those in the window.
        touched: what is looked at was there in some judged second: the counter, hits of that name.
        closed: all that it is kept for is decided.
    """

    sight: Sight
    window_s: int | None
    sum: Piece = msgspec.field(default_factory=Piece)
    slots: dict[int, Slot] = {}
    touched: bool = False
    closed: bool = False

    def add(self, second: int, judged_s: int, piece: Piece) -> None:
        """Take in `piece` of `second`; those before `judged_s` were judged already."""
        late = second < judged_s
        if late:
            self.touched = self.touched or _touches(piece)
            if self.window_s is not None and second < judged_s - self.window_s:
                return
            self.sum.merge(piece)
            if self.window_s is None:
                return
        slot = self.slots.get(second)
        if slot is not None:
            held = _decoder.decode(slot.packed)
            held.merge(piece)
            piece = held
        self.slots[second] = Slot(_encoder.encode(piece), piece.extremes)

    def turn(self, judged_s: int, until_s: int) -> None:
        """The seconds from `judged_s` up to `until_s` are judged: they join the sum, and what left the window goes."""
        joining = [judged_s] if until_s == judged_s + 1 else sorted(s for s in self.slots if judged_s <= s < until_s)
        for second in joining:
            slot = self.slots.get(second)
            if slot is not None:
                piece = _decoder.decode(slot.packed)
                self.sum.merge(piece)
                self.touched = self.touched or _touches(piece)
            if self.window_s is None:
                self.slots.pop(second, None)
        if self.window_s is not None:
            self._let_go(judged_s - self.window_s, until_s - self.window_s, until_s)

    def _let_go(self, from_s: int, until_s: int, judged_s: int) -> None:
        leaving = [from_s] if until_s == from_s + 1 else [s for s in self.slots if from_s <= s < until_s]
        slots = [self.slots.pop(second) for second in leaving if second in self.slots]
        for slot in slots:
            self.sum.take_out(_decoder.decode(slot.packed))
        if slots and self.sight.measure.kind is Kind.TIME:
            self.sum.set_extremes(slot.extremes for second, slot in self.slots.items() if second < judged_s)

    def close(self) -> None:
        """Nothing of it is needed any more."""
        self.closed = True
        self.sum = Piece()
        self.slots.clear()


class Course(msgspec.Struct, array_like=True):
    """How one threshold fared so far.

    Attributes:
        state: PENDING until it is decided, and then for good.
        value: the latest of a window; the deciding one.
        streak: seconds in a row in which it was violated, until now.
        judged: a whole window was.
        held: of one that the end of the run decides: it was seen to hold.
        slipping_us: since when it has not held any more.
        slipped_us: the same, once that has gone on for `SLIPPED_S`.
    """

    track: int
    state: State = State.PENDING
    value: float | None = None
    streak: int = 0
    judged: bool = False
    crossed_us: int | None = None
    aborted: bool = False
    held: bool = False
    slipping_us: int | None = None
    slipped_us: int | None = None


class Memory(msgspec.Struct):
    """All that a `Watch` knows.

    Attributes:
        first_s: the first second after the warm-up.
        judged_s: seconds before it are judged.
        measured_s: the first second in which anything came to an end; None: there is none yet.
    """

    thresholds: tuple[Threshold, ...]
    first_s: int
    judged_s: int
    tracks: list[Track]
    courses: list[Course]
    measured_s: int | None = None
    concluded: bool = False


class Watch:
    """Judges `thresholds`; what was measured before `warm_up_us` is left out, in whole seconds."""

    def __init__(self, thresholds: Sequence[Threshold], warm_up_us: int = 0) -> None:
        places: dict[tuple[Sight, int | None], int] = {}
        courses = []
        for threshold in thresholds:
            window_s = None if threshold.window_us is None else threshold.window_us // US_PER_S
            courses.append(Course(places.setdefault((Sight.of(threshold), window_s), len(places))))
        tracks = [Track(sight, window_s) for sight, window_s in places]
        first_s = -(-warm_up_us // US_PER_S)
        self._remember(Memory(tuple(thresholds), first_s, first_s, tracks, courses))

    @classmethod
    def resumed(cls, memory: Memory) -> Watch:
        """One that goes on where `memory` was taken; it is its own from now on."""
        watch = cls(())
        watch._remember(memory)
        return watch

    def _remember(self, memory: Memory) -> None:
        self.memory = memory
        self._lenses = {track.sight: Lens(track.sight) for track in memory.tracks}

    def __repr__(self) -> str:
        shown = ", ".join(f"{standing.text}: {standing.state.value}" for standing in self.standings())
        return f"<Watch judged={self.memory.judged_s}s {shown}>"

    def add(self, t_us: int, summary: Summary) -> None:
        """Take in what was measured in the second from `t_us` of the run on. After the end it is ignored."""
        memory = self.memory
        second = t_us // US_PER_S
        if second < memory.first_s or memory.concluded:
            return
        if _has_measured(summary):
            memory.measured_s = second if memory.measured_s is None else min(memory.measured_s, second)
        pieces: dict[Sight, Piece] = {}
        for track in memory.tracks:
            if track.closed:
                continue
            piece = pieces.get(track.sight)
            if piece is None:
                piece = pieces[track.sight] = self._lenses[track.sight].look(summary)
            if not piece.is_empty:
                track.add(second, memory.judged_s, piece)
                if len(track.slots) > MAX_AHEAD + (track.window_s or 0):
                    self._skip(min(s for s in track.slots if s >= memory.judged_s) + 1)

    def _skip(self, until_s: int) -> None:
        for track in self.memory.tracks:
            track.turn(self.memory.judged_s, until_s)
        for course in self.memory.courses:
            course.streak = 0
        self.memory.judged_s = until_s

    def look(self, complete_us: int, elapsed_us: int) -> bool:
        """Judge each second that is complete, all before `complete_us` being there; `elapsed_us` of the run are over.

        True: a threshold says that the run is to end now. It stays so.
        """
        memory = self.memory
        if not memory.concluded:
            for second in range(memory.judged_s, complete_us // US_PER_S):
                self._judge(second + 1, may_abort=True)
            for threshold, course in zip(memory.thresholds, memory.courses, strict=True):
                crossed = course.state in (State.CROSSED, State.NO_DATA)
                if crossed and threshold.abort and elapsed_us >= threshold.abort_after_us:
                    course.aborted = True
        return any(course.aborted for course in memory.courses)

    def standings(self) -> tuple[Standing, ...]:
        """How each threshold stands, in their order."""
        memory = self.memory
        standings = []
        for threshold, course in zip(memory.thresholds, memory.courses, strict=True):
            value = course.value
            if course.state is State.PENDING and threshold.window_us is None:
                span_us = (memory.judged_s - memory.first_s) * US_PER_S
                value = self._value(threshold, memory.tracks[course.track], span_us)
            standings.append(
                Standing(
                    text=threshold.text,
                    state=course.state,
                    value=value,
                    shown=threshold.show(value),
                    crossed_us=course.crossed_us,
                    aborted=course.aborted,
                    slipped_us=course.slipped_us if course.state is State.PENDING else None,
                )
            )
        return tuple(standings)

    def conclude(self, duration_us: int, unstarted: int, lost: int, *, load_us: int | None = None) -> None:
        """The run is over after `duration_us`, and all that was measured is there: decide what is not decided yet.

        The load was to end at `load_us`: later seconds are not judged by themselves.

        `unstarted` iterations were due and never began, `lost` ones began and nobody knows how they ended.
        """
        memory = self.memory
        if memory.concluded:
            return
        until_us = duration_us if load_us is None else min(duration_us, load_us)
        for second in range(memory.judged_s, until_us // US_PER_S):
            self._judge(second + 1, may_abort=False)
        for track in memory.tracks:
            if track.window_s is None or memory.judged_s - memory.first_s < track.window_s:
                for second in sorted(second for second in track.slots if second >= memory.judged_s):
                    track.sum.merge(_decoder.decode(track.slots[second].packed))
            track.touched = track.touched or any(
                _touches(_decoder.decode(slot.packed))
                for second, slot in track.slots.items()
                if second >= memory.judged_s
            )
        memory.concluded = True
        span_us = duration_us - memory.first_s * US_PER_S
        for threshold, course in zip(memory.thresholds, memory.courses, strict=True):
            if course.state is State.PENDING:
                self._decide(threshold, course, span_us, {Measure.UNSTARTED: unstarted, Measure.LOST: lost})
        for track in memory.tracks:
            track.close()

    def _judge(self, until_s: int, *, may_abort: bool) -> None:
        """The second before `until_s`, the next one, is complete."""
        memory = self.memory
        for track in memory.tracks:
            if not track.closed:
                track.turn(memory.judged_s, until_s)
        memory.judged_s = until_s
        settled = False
        for threshold, course in zip(memory.thresholds, memory.courses, strict=True):
            if course.state is State.PENDING and (threshold.is_sticky or (threshold.abort and may_abort)):
                self._judge_one(threshold, course)
                settled = settled or course.state is not State.PENDING
            if course.state is State.PENDING and not threshold.is_sticky:
                self._glance(threshold, course)
        if settled:
            waiting = {course.track for course in memory.courses if course.state is State.PENDING}
            for index, track in enumerate(memory.tracks):
                if index not in waiting and not track.closed:
                    track.close()

    def _judge_one(self, threshold: Threshold, course: Course) -> None:
        memory = self.memory
        track = memory.tracks[course.track]
        seconds = memory.judged_s - memory.first_s
        if track.window_s is not None:
            if seconds < track.window_s:
                return
            seconds = track.window_s
            course.judged = True
        value = self._value(threshold, track, seconds * US_PER_S)
        if threshold.is_sticky:
            course.value = value
        if value is None:
            never_yet = threshold.measure.is_counter and not track.touched
            violated = track.window_s is not None and not threshold.or_no_data and not never_yet
        else:
            violated = not threshold.comparison.holds(value, threshold.bound)
        course.streak = course.streak + 1 if violated else 0
        now_us = memory.judged_s * US_PER_S
        if threshold.is_sticky:
            crossed = violated and course.streak * US_PER_S >= (threshold.for_us or 0)
        else:
            crossed = violated and now_us >= threshold.abort_after_us
        if crossed:
            course.state = State.NO_DATA if value is None else State.CROSSED
            course.value, course.crossed_us = value, now_us

    def _glance(self, threshold: Threshold, course: Course) -> None:
        """Whether what the end of the run decides would hold if it ended now; nothing follows but that it is told."""
        memory = self.memory
        span_us = (memory.judged_s - memory.first_s) * US_PER_S
        value = self._value(threshold, memory.tracks[course.track], span_us)
        if value is None:
            return
        if threshold.comparison.holds(value, threshold.bound):
            course.held, course.slipping_us, course.slipped_us = True, None, None
        elif course.held:
            if course.slipping_us is None:
                course.slipping_us = memory.judged_s * US_PER_S
            if memory.judged_s * US_PER_S - course.slipping_us >= SLIPPED_S * US_PER_S:
                course.slipped_us = course.slipping_us

    def _decide(self, threshold: Threshold, course: Course, span_us: int, final: dict[Measure, int]) -> None:
        """The end of the run decides."""
        track = self.memory.tracks[course.track]
        if threshold.measure.is_final:
            course.value = float(final[threshold.measure])
        elif not course.judged:
            course.value = self._value(threshold, track, span_us, ended=True)
        never = threshold.measure.is_counter and not track.touched
        if course.judged:
            course.state = State.NO_DATA if never and not threshold.or_no_data else State.PASSED
        elif course.value is None:
            course.state = State.PASSED if threshold.or_no_data else State.NO_DATA
        elif threshold.for_us is not None and (track.window_s is None or threshold.for_us > US_PER_S):
            course.state = State.PASSED
        else:
            held = threshold.comparison.holds(course.value, threshold.bound)
            course.state = State.PASSED if held else State.CROSSED

    def _value(self, threshold: Threshold, track: Track, span_us: int, *, ended: bool = False) -> float | None:
        """Of the sum of `track`, which is over `span_us`; None: there is no data."""
        piece, kind = track.sum, threshold.measure.kind
        if span_us <= 0 or threshold.measure.is_final:
            return None
        if kind is Kind.TIME:
            return threshold.statistic_us(piece.times if track.touched else piece.blocks)
        if kind is Kind.PART:
            return piece.amount / piece.seen if piece.seen else None
        measured_s = self.memory.measured_s
        if threshold.measure.is_counter:
            has_data = track.touched
        elif threshold.tags != Tags():
            has_data = piece.seen > 0
        else:
            has_data = measured_s is not None and (ended or measured_s < self.memory.judged_s)
        if not has_data:
            return None
        return piece.amount * US_PER_S / span_us if kind is Kind.PER_SECOND else float(piece.amount)


def _touches(piece: Piece) -> bool:
    """Whether what is looked at was there: hits of the name, if it is times, not just transactions."""
    return piece.seen > 0 or bool(piece.times.counts)


def _has_measured(summary: Summary) -> bool:
    """Whether anything came to an end in it: that users ran, or began, is not a measurement."""
    totals = summary.totals
    return bool(
        summary.series
        or summary.counters
        or summary.errors
        or totals.ended
        or totals.failures
        or totals.errors
        or totals.skipped
    )
