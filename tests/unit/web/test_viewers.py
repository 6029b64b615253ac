"""A page's connection: in order, one at a time, and never more than one change ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loads.web.viewers import Viewer


class Counter:
    """A subject whose whole is a number, and whose changes say from which number to which they lead."""

    def __init__(self, name: str = "a") -> None:
        self.viewers: set[Viewer] = set()
        self.name, self.now = name, 0

    def whole(self) -> bytes | None:
        return f"{self.name} = {self.now}".encode()

    def turn(self, viewer: Viewer) -> None:
        self.now += 1
        viewer.tell(self, f"{self.name} {self.now - 1} -> {self.now}".encode())


class Reader:
    """Takes messages when it is let; keeps what they add up to."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.numbers: dict[str, int] = {}
        self.open = asyncio.Event()
        self.open.set()
        self.dropped = False

    async def send(self, message: bytes) -> None:
        await self.open.wait()
        text = message.decode()
        self.said.append(text)
        name, first, *rest = text.split()
        if first == "=":
            self.numbers[name] = int(rest[0])
        else:
            assert self.numbers[name] == int(first), f"{text!r} does not follow {self.numbers[name]}"
            self.numbers[name] = int(rest[1])

    def drop(self) -> None:
        self.dropped = True


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def test_one_who_reads_gets_every_change() -> None:
    async def test() -> None:
        reader, subject = Reader(), Counter()
        viewer = Viewer(reader.send, reader.drop)
        viewer.tell_whole(subject)
        for _ in range(3):
            await settle()
            subject.turn(viewer)
        await settle()
        assert reader.said == ["a = 0", "a 0 -> 1", "a 1 -> 2", "a 2 -> 3"]
        assert viewer.is_idle
        assert not viewer.behind
        viewer.close()

    run(test)


def test_one_who_is_slow_gets_the_whole_instead_of_what_he_missed() -> None:
    async def test() -> None:
        reader, subject = Reader(), Counter()
        viewer = Viewer(reader.send, reader.drop)
        viewer.tell_whole(subject)
        await settle()
        reader.open.clear()
        for _ in range(50):
            subject.turn(viewer)
            await settle()
        reader.open.set()
        await settle()
        assert reader.said == ["a = 0", "a 0 -> 1", "a = 50"]
        assert viewer.behind == 1
        viewer.close()

    run(test)


def test_one_who_does_not_read_is_dropped() -> None:
    async def test() -> None:
        reader, subject = Reader(), Counter()
        reader.open.clear()
        viewer = Viewer(reader.send, reader.drop, patience_s=0.02)
        viewer.tell_whole(subject)
        await until(lambda: reader.dropped)
        viewer.close()

    run(test)


def test_a_subject_that_fails_costs_its_viewer_the_connection() -> None:
    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        reader = Reader()

        class Broken(Counter):
            def whole(self) -> bytes | None:
                raise ValueError("a fault")

        viewer = Viewer(reader.send, reader.drop)
        viewer.tell_whole(Broken())
        await until(lambda: reader.dropped)
        viewer.close()

    run(test)


def test_what_is_forgotten_is_not_told() -> None:
    async def test() -> None:
        reader, subject = Reader(), Counter()
        viewer = Viewer(reader.send, reader.drop)
        viewer.tell_whole(subject)
        viewer.forget(subject)
        viewer.tell_once(b"a = 7")
        await settle()
        assert reader.said == ["a = 7"]
        viewer.close()
        assert not reader.dropped

    run(test)


STEPS = st.lists(st.sampled_from(["a", "b", "look a", "stop", "go", "wait"]), max_size=60)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_the_pace_changes_follow_on_each_other_and_lead_to_the_end(steps: list[str]) -> None:
    async def test() -> None:
        reader, subjects = Reader(), {"a": Counter("a"), "b": Counter("b")}
        viewer = Viewer(reader.send, reader.drop)
        for subject in subjects.values():
            viewer.tell_whole(subject)
        acts: dict[str, Callable[[], Awaitable[None] | None]] = {
            "look a": lambda: viewer.tell_whole(subjects["a"]),
            "stop": reader.open.clear,
            "go": reader.open.set,
            "wait": settle,
        }
        for step in steps:
            if step in subjects:
                subjects[step].turn(viewer)
            elif (waited := acts[step]()) is not None:
                await waited
        reader.open.set()
        await until(lambda: viewer.is_idle)
        assert reader.numbers == {name: subject.now for name, subject in subjects.items()}
        viewer.close()

    run(test)
