"""What a runner says to the broker and what it makes of the answers, without a connection."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import LoadsError, NotStarted
from loads.metrics.events import Event, EventKind
from loads.metrics.machines import Load
from loads.metrics.result import Loss, Place, Result
from loads.metrics.summary import Summary, Totals
from loads.metrics.verdict import Stop
from loads.plan.load import LoadOptions
from loads.runner.following import EARLIER, SLOW_US, Detached, Following, _new_of
from loads.runner.spec import TestsRefused
from loads.units import US_PER_S
from loads.wire.cluster import (
    Accepted,
    BundleRef,
    Cease,
    Chunk,
    Ended,
    Fare,
    Fetch,
    Follow,
    FromBroker,
    Line,
    Lost,
    Notice,
    Recollect,
    Recollected,
    Refused,
    RunState,
    Seated,
    Slot,
    Snapshot,
    Span,
    Stage,
    Submit,
    ToBroker,
    Track,
    Trouble,
    Update,
    Welcome,
    Who,
)
from loads.wire.run import RunSpec
from tests.build import result_of

T = TypeVar("T")
WELCOME = Welcome(version="1", incarnation=7)
SPEC = RunSpec(
    targets=("shop.py",),
    search_path=(".",),
    load=LoadOptions(),
    workers=None,
    seed=1,
    server_url=None,
    fresh_session=False,
)
BUNDLE = BundleRef(sha256="ab", size_bytes=10, targets=("shop.py",), search_path=(".",))
SUBMIT = Submit(nonce=5, who=Who("ann", "box"), spec=SPEC, bundle=BUNDLE, agents=2)


class Shown:
    """A follower that remembers."""

    def __init__(self) -> None:
        self.plans = 0
        self.elapsed_us: list[int] = []
        self.lines: list[str] = []
        self.notices: list[str] = []

    def planned(self, result: Result) -> None:
        self.plans += 1

    def progress(self, result: Result, elapsed_us: int) -> None:
        self.result = result
        self.elapsed_us.append(elapsed_us)

    def printed(self, worker: int, line: str) -> None:
        self.lines.append(f"{worker}: {line}")

    def noticed(self, what: str) -> None:
        self.notices.append(what)

    def asked(self, question: str | None) -> None:
        raise AssertionError("nobody is there")


class Case:
    """A following whose messages are kept; `up` is whether they can be said."""

    def __init__(self, **options: Any) -> None:
        self.shown = Shown()
        self.said: list[ToBroker] = []
        self.up = True
        self.following = Following(self.shown, self._send, **options)

    def _send(self, message: ToBroker) -> bool:
        if self.up:
            self.said.append(message)
        return self.up

    def hear(self, *messages: FromBroker, now_us: int = 0) -> list[ToBroker]:
        """What is said to that."""
        self.said.clear()
        for message in messages:
            self.following.heard(message, now_us)
        return list(self.said)


def seat(agent: str, first: int, stage: Stage = Stage.RUNNING) -> Seated:
    return Seated(agent=agent, first=first, workers=1, stage=stage)


def snapshot(state: RunState = RunState.RUNNING, *, run: str = "red-fox", **fields: Any) -> Snapshot:
    known = state not in (RunState.WAITING, RunState.PREPARING)
    values: dict[str, Any] = {
        "result": result_of() if known else None,
        "elapsed_us": 0 if state is RunState.RUNNING else None,
        "seats": (seat("north", 0), seat("south", 1)),
        "lines": (),
        "notices": (),
        **fields,
    }
    return Snapshot(run=run, state=state, **values)


def update(state: RunState = RunState.RUNNING, *, run: str = "red-fox", **fields: Any) -> Update:
    return Update(run=run, state=state, **{"elapsed_us": None, **fields})


def notices(*texts: str) -> tuple[Notice, ...]:
    return tuple(Notice(text=text) for text in texts)


def submitted() -> Case:
    case = Case(submit=SUBMIT, read=lambda sha256, offset, most: (b"x" * min(most, 10 - offset), 10))
    case.hear(WELCOME, Accepted(run="red-fox"))
    return case


# What is said.


def test_a_run_is_submitted_until_it_is_accepted_and_then_followed() -> None:
    case = Case(submit=SUBMIT)
    assert case.hear(WELCOME) == [SUBMIT]
    assert case.hear(WELCOME) == [SUBMIT]
    assert case.hear(Accepted(run="red-fox")) == [Follow(run="red-fox")]
    assert case.hear(Accepted(run="red-fox")) == []
    assert case.shown.notices == ["run red-fox"]


def test_what_could_not_be_said_is_said_at_the_next_turn() -> None:
    case = Case(submit=SUBMIT)
    case.up = False
    assert case.hear(WELCOME) == []
    case.up = True
    case.following.turn()
    case.following.turn()
    assert case.said == [SUBMIT]


def test_a_new_connection_follows_by_the_name_and_never_submits_what_may_have_ended() -> None:
    case = submitted()
    case.hear(snapshot())
    assert case.hear(WELCOME) == [Follow(run="red-fox")]
    assert case.hear(snapshot()) == []


def test_a_run_that_waits_is_submitted_again_for_its_bundle() -> None:
    case = submitted()
    case.hear(snapshot(RunState.WAITING))
    assert case.hear(WELCOME) == [SUBMIT, Follow(run="red-fox")]


def test_the_bundle_is_given_in_pieces() -> None:
    case = submitted()
    assert case.hear(Fetch(sha256="ab", offset=4)) == [Chunk(sha256="ab", offset=4, total=10, data=b"x" * 6)]
    assert Case(run="red-fox").hear(Fetch(sha256="ab", offset=0)) == [
        Chunk(sha256="ab", offset=0, total=0, data=b""),
        Follow(run="red-fox"),
    ]


def test_the_latest_run_has_its_name_from_the_first_answer() -> None:
    case = Case(run=None)
    assert case.hear(WELCOME) == [Follow(run=None)]
    assert case.hear(snapshot()) == []
    assert case.hear(WELCOME) == [Follow(run="red-fox")]


def test_a_stop_is_said_over_each_connection_until_the_end() -> None:
    case = submitted()
    case.hear(snapshot())
    case.up = False
    case.following.stop(now=False)
    case.up = True
    assert case.hear(WELCOME) == [Follow(run="red-fox"), Cease(run="red-fox", now=False)]
    case.said.clear()
    case.following.stop(now=True)
    assert case.said == [Cease(run="red-fox", now=True)]


def test_a_stop_before_the_run_has_a_name_is_said_when_it_has_one() -> None:
    case = Case(submit=SUBMIT)
    case.hear(WELCOME)
    case.following.stop(now=False)
    assert case.hear(Accepted(run="red-fox")) == [Follow(run="red-fox"), Cease(run="red-fox", now=False)]


# What is shown.


def test_updates_are_folded_into_the_snapshot() -> None:
    case = submitted()
    case.hear(snapshot(), now_us=100)
    case.hear(
        update(
            spans=(Span(0, Summary(totals=Totals(started=3, success=3))),),
            users={0: 4},
            losses=(Lost(loss(), started=2, replaced=True, given_up=False),),
        )
    )
    case.following.progress(US_PER_S + 100)
    assert case.shown.plans == 1
    assert case.shown.elapsed_us == [US_PER_S]
    assert (case.shown.result.started, case.shown.result.users) == (5, {0: 4})


def loss() -> Loss:
    return Loss(worker=1, incarnation=9, reason="died", from_us=0, to_us=1, iterations=2, sent=0, unsent=0)


def test_the_clock_is_that_of_the_message_that_was_fastest() -> None:
    case = submitted()
    case.hear(snapshot(elapsed_us=0), now_us=50_000)
    case.hear(update(elapsed_us=US_PER_S), now_us=US_PER_S + 10_000)
    case.hear(update(elapsed_us=2 * US_PER_S), now_us=2 * US_PER_S + 90_000)
    case.following.progress(3 * US_PER_S + 10_000)
    assert case.shown.elapsed_us == [3 * US_PER_S]


def test_nothing_is_shown_twice_after_a_new_connection() -> None:
    case = submitted()
    lines = [Line(number, 0, f"line {number}") for number in range(4)]
    case.hear(snapshot(lines=(lines[0],), notices=notices("a")))
    case.hear(update(lines=(lines[1],), notices=notices("b")))
    case.hear(WELCOME)
    case.hear(update(lines=(lines[3],), notices=notices("d")))  # for the others: the snapshot behind it has it, too
    case.hear(snapshot(lines=tuple(lines), notices=notices("a", "b", "c", "d")))
    assert case.shown.lines == [f"0: line {number}" for number in range(4)]
    assert [notice for notice in case.shown.notices if len(notice) == 1] == ["a", "b", "c", "d"]
    assert case.shown.plans == 1


def test_lines_of_agents_are_notices() -> None:
    case = submitted()
    case.hear(snapshot(lines=(Line(0, None, "north: was parked"), Line(0, 1, "hello"))))
    assert "north: was parked" in case.shown.notices
    assert case.shown.lines == ["1: hello"]


def test_who_comes_late_sees_the_last_lines_only() -> None:
    case = Case(run="red-fox")
    case.hear(WELCOME, snapshot(lines=tuple(Line(0, 0, str(number)) for number in range(100))))
    assert case.shown.lines == [f"0: {number}" for number in range(100 - EARLIER, 100)]
    assert case.shown.notices == [f"the last {EARLIER} of 100 lines that were printed before:"]


def test_workers_of_an_agent_that_joins_have_its_name() -> None:
    case = submitted()
    whole = result_of()
    whole.places = [Place(agent="north", host="box", first=0, workers=1)]
    case.hear(snapshot(result=whole))
    case.hear(update(seats=(seat("north", 0), seat("late", 0, Stage.LOADED))))
    result = case.following.result
    assert result is not None
    assert [place.agent for place in result.places] == ["north"]
    case.hear(update(seats=(seat("north", 0), seat("late", 1, Stage.FITTING))))
    assert result.name_of(1) == "worker 0 of late"


def test_who_takes_long_to_get_ready_is_named_once() -> None:
    case = submitted()
    seats = (seat("north", 0, Stage.LOADED), seat("south", 0, Stage.PREPARING))
    case.hear(snapshot(RunState.PREPARING, seats=seats))
    for now_us in (0, SLOW_US - 1, SLOW_US, SLOW_US + 1):
        case.following.progress(now_us)
    assert case.shown.notices[1:] == [
        "getting ready on 2 agents: north, south",
        "waiting for south to get the bundle and load the tests",
    ]


def test_a_run_that_is_told_to_stop_shows_it() -> None:
    case = submitted()
    case.hear(snapshot())
    case.following.stop(now=False)
    case.following.progress(1)
    assert case.shown.result.stop is Stop.GRACEFUL


# How it ends.


def test_the_end_is_the_brokers_result() -> None:
    case = submitted()
    case.hear(snapshot(lines=(Line(0, 0, "one"),)))
    result = result_of()
    case.hear(Ended(run="red-fox", result=result, lines=(Line(0, 0, "one"), Line(0, 0, "two"))))
    assert case.following.outcome is result
    assert case.shown.lines == ["0: one", "0: two"]
    assert case.hear(WELCOME) == []


def test_a_run_that_ended_before_is_only_its_result() -> None:
    case = Case(run="red")
    case.hear(WELCOME, Ended(run="red-fox", result=result_of(), lines=(Line(0, 0, "one"),)))
    assert case.following.run == "red-fox"
    assert (case.shown.lines, case.shown.plans) == ([], 0)


def test_a_refusal_says_which_agent_and_has_its_traceback() -> None:
    case = submitted()
    trouble = Trouble(message="shop.py can't be imported", hint="mend it", traceback="Traceback ...", agent="north")
    with pytest.raises(TestsRefused) as caught:
        case.hear(Refused(run="red-fox", trouble=trouble))
    assert caught.value.message == "agent north: shop.py can't be imported"
    assert (caught.value.hint, caught.value.traceback) == ("mend it", "Traceback ...")


def test_a_run_that_was_stopped_early_was_not_started() -> None:
    with pytest.raises(NotStarted):
        submitted().hear(Refused(run="red-fox", trouble=Trouble(message="stopped before the first iteration")))


def test_a_refused_submission_has_no_run() -> None:
    with pytest.raises(LoadsError, match="2 agents are wanted and 1 free"):
        Case(submit=SUBMIT).hear(WELCOME, Refused(run=None, trouble=Trouble(message="2 agents are wanted and 1 free")))


def test_detached_it_is_left_as_soon_as_it_runs() -> None:
    case = Case(submit=SUBMIT, detach=True)
    case.hear(WELCOME, Accepted(run="red-fox"))
    for state in (RunState.WAITING, RunState.PREPARING, RunState.FITTING):
        case.hear(snapshot(state))
        assert case.following.outcome is None
    case.hear(update())
    assert case.following.outcome == Detached("red-fox")


def test_who_submitted_stays_until_the_bundle_is_surely_there() -> None:
    case = submitted()
    case.hear(snapshot(RunState.WAITING))
    assert not case.following.leave()
    case.hear(update(RunState.PREPARING))
    assert case.following.outcome == Detached("red-fox")


def test_who_only_looks_on_may_leave_at_any_time() -> None:
    case = Case(run="red-fox")
    case.hear(WELCOME, snapshot(RunState.WAITING))
    assert case.following.leave()


# Which part of a story is new.


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(1, 10), st.integers(1, 10))
def test_of_a_story_that_is_told_again_only_the_end_is_new(
    known: int, more: int, before: int, remembered: int, window: int
) -> None:
    """`known` was seen, of which the last `remembered` are remembered; then all of it, or its last part, is told."""
    story = list(range(known + more))
    memory = story[:known][-remembered:]
    told = story[max(0, min(before, len(story) - more - window)) :]
    fresh = list(_new_of(told, memory))
    if not memory:
        assert fresh == told
    elif set(told) & set(memory):
        assert fresh == story[known:]
    else:
        assert fresh == told


def test_what_was_submitted_is_known_before_the_plan_stands() -> None:
    case = Case(run="red-fox")
    facts: dict[str, Any] = {"who": Who("ann", "box"), "targets": ("shop.py",), "name": "checkout", "tags": {"a": "b"}}
    case.hear(WELCOME, snapshot(RunState.PREPARING, **facts))
    following = case.following
    assert (following.who, following.targets) == (facts["who"], facts["targets"])
    assert (following.name, following.tags) == ("checkout", {"a": "b"})


def test_who_wants_details_asks_for_them_and_the_outcome_waits() -> None:
    case = Case(run="red-fox", detailed=True)
    assert case.hear(WELCOME, snapshot())[-1] == Recollect(run="red-fox", before_us=None)
    case.hear(Recollected(run="red-fox", before_us=None, slots=(), more=False))
    assert case.following.outcome is None
    ended = result_of()
    assert case.hear(Ended(run="red-fox", result=ended)) == [Recollect(run="red-fox", before_us=None)]
    assert case.following.outcome is None
    slot = Slot(Track.MACHINES, 0, US_PER_S, b"x")
    [again] = case.hear(Recollected(run="red-fox", before_us=None, slots=(slot,), more=True))
    assert again == Recollect(run="red-fox", before_us=0)
    case.hear(Recollected(run="red-fox", before_us=0, slots=(), more=False))
    assert case.following.outcome is ended
    assert ended.machines.packed == {(0, US_PER_S): b"x"}


def test_a_notice_with_a_time_is_an_event_here_as_there() -> None:
    case = Case(run="red-fox")
    told = Notice(text="agent north joins", kind=EventKind.AGENT, t_us=7)
    case.hear(WELCOME, snapshot(), update(notices=(told, Notice(text="other"))))
    assert case.following.result is not None
    assert case.following.result.events == [Event(t_us=7, kind=EventKind.AGENT, text="agent north joins")]
    assert case.shown.notices[-2:] == ["agent north joins", "other"]


def test_workers_of_who_joined_are_its_own_from_the_first_update_on() -> None:
    """Also where its place and its first figures come together."""
    case = Case(run="red-fox")
    span = Span(0, Summary(totals=Totals(started=1)), (Fare(3, None, Load(2, 0, 5)),))
    joined = Seated(agent="east", first=2, workers=2, stage=Stage.RUNNING)
    case.hear(WELCOME, snapshot(), update(spans=(span,), seats=(joined,)))
    assert case.following.result is not None
    assert case.following.result.machines.known == {2}
