from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.worker import ports as module
from loads.worker.ports import count_ports, port_range, taken_ports

PORTS = range(32_768, 61_000)
LISTEN, ESTABLISHED, TIME_WAIT = "0A", "01", "06"
HERE, THERE = "0100007F", "0200007F"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(local: str, port: int, remote: str, remote_port: int, state: str) -> str:
    rest = "00000000:00000000 00:00000000 00000000     0        0 114357 1 000000001aba2c44 100 0 0 10 0"
    return f"   0: {local}:{port:04X} {remote}:{remote_port:04X} {state} {rest}\n"


TABLE = HEAD + "".join(
    [
        line(HERE, 80, "00000000", 0, LISTEN),
        line(HERE, 40_000, "00000000", 0, LISTEN),
        line(HERE, 40_001, THERE, 80, ESTABLISHED),
        line(HERE, 40_002, THERE, 80, TIME_WAIT),
        line(HERE, 40_003, THERE, 81, ESTABLISHED),
        line(THERE, 80, HERE, 40_001, ESTABLISHED),
        line(HERE, 1_023, THERE, 80, ESTABLISHED),
        line("0" * 24 + "01000000", 40_004, "0" * 24 + "01000000", 80, TIME_WAIT),
    ]
)


def test_ports_are_counted_by_where_they_lead() -> None:
    """Neither those that listen, nor the server's own side, nor ports that the kernel doesn't give out."""
    taken = taken_ports([TABLE.encode()], PORTS)
    assert sorted(taken.values()) == [1, 1, 2]
    assert taken[b"0100007F", b"0200007F:0050"] == 2


@given(st.lists(st.integers(0, len(TABLE)), max_size=8))
def test_the_table_may_be_cut_anywhere(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(TABLE)]
    pieces = [TABLE[begin:end].encode() for begin, end in pairwise(edges)]
    assert taken_ports(pieces, PORTS) == taken_ports([TABLE.encode()], PORTS)


def test_the_fullest_address_is_what_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(TABLE)
    monkeypatch.setattr(module, "_TABLES", (str(tmp_path / "tcp"), str(tmp_path / "tcp6")))
    assert count_ports(PORTS) == 2
    (tmp_path / "tcp").write_text(HEAD)
    assert count_ports(PORTS) == 0


def test_without_a_table_nothing_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_TABLES", (str(tmp_path / "tcp"),))
    assert count_ports(PORTS) is None


@pytest.mark.parametrize(("text", "expected"), [("32768\t60999\n", PORTS), ("", None), ("a b", None)])
def test_the_range_is_the_kernels(
    text: str, expected: range | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "range"
    monkeypatch.setattr(module, "_RANGE", path)
    assert port_range() is None
    path.write_text(text)
    assert port_range() == expected
