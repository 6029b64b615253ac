from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from loads.pool.output import LINES_PER_S, MAX_LINE_BYTES, Printed, _Budget, pass_on


def passed_on(chunks: Iterable[bytes]) -> list[str]:
    """The lines that come of a worker that printed `chunks` and ended."""
    printed: list[Printed] = []

    async def run() -> None:
        stream = asyncio.StreamReader()
        task = asyncio.create_task(pass_on(stream, 3, printed.append))
        for chunk in chunks:
            stream.feed_data(chunk)
            await asyncio.sleep(0)
        stream.feed_eof()
        await task

    asyncio.run(run())
    assert all(line.worker == 3 for line in printed)
    return [line.line for line in printed]


def test_each_line_is_passed_on_as_it_was_printed() -> None:
    assert passed_on([b"hello\n\n  two\r\n"]) == ["hello", "", "  two"]


def test_the_last_line_needs_no_end() -> None:
    assert passed_on([b"one\ntwo"]) == ["one", "two"]


def test_what_was_never_printed_is_no_line() -> None:
    assert passed_on([]) == passed_on([b""]) == []


@given(st.lists(st.text("ab \té", max_size=5), max_size=8), st.data())
def test_lines_do_not_depend_on_how_they_come(lines: list[str], data: st.DataObject) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert passed_on(chunk for chunk in chunks if chunk) == lines


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert passed_on([b"caf\xe9\n"]) == ["caf\N{REPLACEMENT CHARACTER}"]


def test_a_line_without_end_is_cut() -> None:
    lines = passed_on([b"x" * 10_000 + b"\nnext\n"])
    assert lines[0] == "x" * MAX_LINE_BYTES
    assert lines[-1] == "next"
    assert all(len(line) <= MAX_LINE_BYTES for line in passed_on([b"x" * 5_000] * 20))


def test_a_flood_is_dropped_and_counted() -> None:
    *lines, told = passed_on([b"flood\n" * 10_000])
    dropped = int(told.removeprefix("(").removesuffix(" lines dropped)").replace(",", ""))
    passed = sum(line == "flood" for line in lines)
    between = sum(int(line.split()[0].strip("(").replace(",", "")) for line in lines if line != "flood")
    assert passed + between + dropped == 10_000
    assert 2 * LINES_PER_S <= passed < 1_000


def test_the_budget_fills_again_with_time_and_says_what_it_dropped() -> None:
    now_s = 100.0
    budget = _Budget(lambda: now_s)
    first = [budget.spend() for _ in range(2 * LINES_PER_S + 5)]
    assert first == [0] * (2 * LINES_PER_S) + [None] * 5
    now_s += 1.5 / LINES_PER_S
    assert [budget.spend(), budget.spend()] == [5, None]
    now_s += 1_000
    assert [budget.spend() for _ in range(2 * LINES_PER_S + 1)] == [1, *[0] * (2 * LINES_PER_S - 1), None]
