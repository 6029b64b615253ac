from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.plan.http import DnsPolicy, HttpOptions, Resolve
from loads.plan.profile import Stage
from loads.plan.spec import Phase, Plan
from loads.wire import messages
from loads.wire.messages import (
    MOST_RUN_DATA,
    Alive,
    Assign,
    Bye,
    Delta,
    Down,
    Finish,
    Hello,
    Kept,
    Load,
    Loaded,
    LoadFailed,
    Message,
    Misused,
    PhaseDone,
    Ready,
    ScenarioInfo,
    SetUp,
    SetUpDone,
    Start,
    Stop,
    Take,
    Up,
    Yield,
    Yielded,
)
from tests.build import summaries

KINDS: list[type[Any]] = list(get_args(Message))
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
texts = st.lists(text, max_size=3).map(tuple)
counts = st.integers(0, 2**63)
flags = st.booleans()
portions = st.lists(st.lists(st.tuples(counts, counts), max_size=3).map(tuple), max_size=3).map(tuple)
phases = st.one_of(
    st.builds(Phase, counts, hits=counts, ramp_up_us=counts),
    st.builds(Phase, counts, stages=st.lists(st.builds(Stage, counts, counts), max_size=3).map(tuple)),
)
http_options = st.builds(
    HttpOptions,
    timeout_us=counts,
    insecure_tls=flags,
    ca_bundle=st.one_of(st.none(), text),
    keepalive=flags,
    dns=st.sampled_from(DnsPolicy),
    resolve=st.lists(st.builds(Resolve, text, counts, texts), max_size=3).map(tuple),
    user_agent=st.one_of(st.none(), text),
    source_addresses=texts,
)
plans = st.builds(Plan, st.lists(phases, max_size=3).map(tuple), counts, flags)
MESSAGES: dict[type[Any], st.SearchStrategy[Any]] = {
    Hello: st.builds(Hello, protocol=counts, incarnation=st.integers(0, 2**64 - 1)),
    Load: st.builds(Load, targets=texts, search_path=texts, directory=st.one_of(st.none(), text)),
    Loaded: st.builds(
        Loaded, scenarios=st.lists(st.builds(ScenarioInfo, name=text, weight=counts)).map(tuple), hooks=texts
    ),
    LoadFailed: st.builds(LoadFailed, message=text, hint=text, traceback=text),
    Assign: st.builds(
        Assign,
        worker=counts,
        portions=portions,
        plan=plans,
        seed=counts,
        server_url=st.one_of(st.none(), text),
        fresh_session=flags,
        http=http_options,
        run_data=st.binary(max_size=8),
    ),
    SetUp: st.builds(SetUp, server_url=st.one_of(st.none(), text), http=http_options),
    SetUpDone: st.builds(SetUpDone, data=st.binary(max_size=8)),
    Ready: st.builds(Ready, runnable=counts),
    Start: st.builds(Start, phase=counts, run_at_us=counts, phase_at_us=counts),
    Delta: st.builds(Delta, seq=counts, t_us=counts, users=counts, summary=summaries()),
    Misused: st.builds(Misused, message=text, hint=text),
    PhaseDone: st.builds(PhaseDone, phase=counts, ended_us=counts),
    Alive: st.builds(Alive, until_us=counts),
    Kept: st.builds(Kept, seq=counts),
    Take: st.builds(Take, portions=portions, from_phase=counts),
    Yield: st.builds(Yield, portions=portions),
    Yielded: st.builds(Yielded, portions=portions),
    Stop: st.builds(Stop, now=flags),
    Finish: st.builds(Finish, tear_down_run=flags),
    Bye: st.builds(Bye, last_seq=counts),
}


def test_every_message_of_the_protocol_is_tried_here() -> None:
    assert set(MESSAGES) == set(KINDS)


def test_more_than_the_megabyte_of_what_is_set_up_is_not_read() -> None:
    data = msgspec.msgpack.encode(SetUpDone(data=bytes(MOST_RUN_DATA)))
    assert isinstance(msgspec.msgpack.decode(data, type=Message), SetUpDone)
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(SetUpDone(data=bytes(MOST_RUN_DATA + 1))), type=Message)


def test_every_message_goes_in_one_direction() -> None:
    assert not set(get_args(Up)) & set(get_args(Down))


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_arrives_as_it_was_sent(kind: type[Any]) -> None:
    @given(MESSAGES[kind])
    def check(message: Any) -> None:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=Message) == message

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_can_not_change_once_it_is_made(kind: type[Any]) -> None:
    assert kind.__struct_config__.frozen


def _told() -> Iterator[str]:
    """The words of the conversation that the module draws."""
    drawing = ast.get_docstring(ast.parse(inspect.getsource(messages))) or ""
    for line in drawing.splitlines():
        if "->" in line or "<-" in line:
            yield from (word.strip(" .,|") for word in line.replace("|", " ").split())


@pytest.mark.parametrize("kind", KINDS)
def test_the_drawn_conversation_has_every_message(kind: type[Any]) -> None:
    assert kind.__name__ in set(_told())
