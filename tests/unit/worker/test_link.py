from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import pytest
from gevent import socket as gevent_socket

from loads.metrics.summary import Summary
from loads.pool.estate import is_alive, read_estate
from loads.wire.codec import frame
from loads.wire.messages import Alive, Bye, Delta, Kept, Ready, Up
from loads.worker.link import LAST_WORDS_SUFFIX, Link, open_page
from tests.servers import wait_until


@dataclass
class Ends:
    """A link, its parent's end of the socket, and where its last words go."""

    link: Link
    parent: socket.socket
    page: Path

    def last_words(self) -> list[Up]:
        return read_estate(self.page)[2]


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    """A live pair."""
    parent, theirs = socket.socketpair()
    page = tmp_path / "worker.page"
    worker = gevent_socket.socket(fileno=theirs.detach())
    link = Link(worker, page.with_name(page.name + LAST_WORDS_SUFFIX))
    yield Ends(link, parent, page)
    parent.close()
    link.close()


def delta_of(seq: int) -> Delta:
    return Delta(seq=seq, t_us=0, users=1, summary=Summary(counters={"c": seq}))


def test_what_the_parent_did_not_confirm_outlives_it(ends: Ends) -> None:
    for seq in (1, 2, 3):
        ends.link.send(delta_of(seq))
    ends.link.kept(1)
    ends.parent.close()
    assert list(ends.link) == []
    ends.link.send(delta_of(4))
    ends.link.send(Bye(last_seq=4))
    assert ends.last_words() == [delta_of(2), delta_of(3), delta_of(4), Bye(last_seq=4)]


def test_who_finds_the_parent_gone_while_it_speaks_writes_everything_once(ends: Ends) -> None:
    ends.link.send(delta_of(1))
    ends.parent.close()
    ends.link.send(delta_of(2))
    ends.link.send(Bye(last_seq=2))
    assert list(ends.link) == []
    assert ends.last_words() == [delta_of(1), delta_of(2), Bye(last_seq=2)]


def test_only_deltas_are_kept(ends: Ends) -> None:
    ends.link.send(Ready(runnable=1))
    ends.parent.close()
    assert list(ends.link) == []
    assert ends.last_words() == []


def test_what_the_parent_said_before_it_went_is_heard(ends: Ends) -> None:
    ends.parent.sendall(frame(Kept(seq=7)) + frame(Alive(until_us=5)))
    ends.parent.close()
    assert list(ends.link) == [Kept(seq=7), Alive(until_us=5)]


def test_who_speaks_waits_while_the_parent_does_not_listen(ends: Ends) -> None:
    """So that no more is kept than fits into the socket."""
    sent: list[int] = []

    def speak() -> None:
        for seq in range(1, 100_000):
            ends.link.send(delta_of(seq))
            sent.append(seq)

    speaking = gevent.spawn(speak)
    gevent.sleep(0.1)
    stuck = len(sent)
    gevent.sleep(0.05)
    assert len(sent) == stuck < 99_999
    ends.parent.close()
    gevent.sleep(0.01)
    speaking.kill()
    told = [word.seq for word in ends.last_words() if isinstance(word, Delta)]
    assert told[: stuck + 1] == list(range(1, stuck + 2))
    assert len(told) == len(set(told))


def test_a_child_that_a_test_forked_says_nothing(ends: Ends) -> None:
    ends.link.disown()
    ends.link.send(delta_of(1))
    ends.link.lose_parent()
    assert ends.last_words() == []


def test_another_thread_may_leave_the_last_words(ends: Ends) -> None:
    ends.link.send(delta_of(1))
    thread = threading.Thread(target=ends.link.lose_parent)
    thread.start()
    thread.join()
    ends.link.lose_parent()
    assert ends.last_words() == [delta_of(1)]


def test_where_nothing_can_be_written_nothing_is_raised(tmp_path: Path) -> None:
    parent, theirs = socket.socketpair()
    link = Link(theirs, tmp_path / "gone" / "last")
    link.send(delta_of(1))
    parent.close()
    assert list(link) == []
    link.close()


def test_a_page_is_locked_as_long_as_its_process_lives(tmp_path: Path) -> None:
    """A child that it forked has no part in that, and can't take it away."""
    page = tmp_path / "worker.page"
    read, write = os.pipe()
    stay, leave = os.pipe()
    worker = os.fork()
    if worker == 0:
        counters = open_page(str(page))
        counters[0] = 7
        if os.fork() == 0:
            os.closerange(3, write)
            os._exit(0)
        os.wait()
        os.write(write, b"x")
        os.close(leave)
        os.read(stay, 1)
        os._exit(0)
    os.read(read, 1)
    assert is_alive(page)
    assert is_alive(page)
    os.kill(worker, 9)
    os.waitpid(worker, 0)
    wait_until(lambda: not is_alive(page), "the lock to be gone")
    counts, note, words = read_estate(page)
    assert (counts.started, note, words) == (7, "", [])
    for descriptor in (read, write, stay, leave):
        os.close(descriptor)
