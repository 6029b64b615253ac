"""A worker's conversation with its parent: listens all the time, and does what takes its time one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from gevent.queue import Queue

from loads.wire.messages import PROTOCOL, Down, Finish, Hello, Kept
from loads.worker.forks import disown_children

if TYPE_CHECKING:
    from loads.worker.link import Link
    from loads.worker.process import Worker


def serve(worker: Worker, link: Link, incarnation: int) -> None:
    """Say Hello and do what the parent says, until Finish; without a parent, stop and leave the last words."""
    worker.watch_parent(link.lose_parent)
    disown_children(worker.disown, link.disown)
    link.send(Hello(protocol=PROTOCOL, incarnation=incarnation))
    orders: Queue[Down] = Queue()

    def listen() -> None:
        for message in link:
            if isinstance(message, Kept):
                link.kept(message.seq)
            elif worker.heed(message):
                orders.put(message)
        orders.put(Finish())
        worker.lose_parent()

    gevent.spawn(listen)
    while True:
        order = orders.get()
        worker.act(order)
        if isinstance(order, Finish):
            break
    link.close()
