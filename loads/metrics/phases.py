"""Where the time of requests went.

A request that is answered over a connection of its own passes five phases, one after the other:

    |- dns -|- connect -|- tls -|- first byte -|- body -|
    start                       handed to      answer   end
                                the socket     begins

Over a connection that stands already there are the last two only, so the counts differ: 1,000 requests over 20
connections have 20 of `connect` and 1,000 of `first_byte`. A phase that failed is not counted. Only sums and the
longest are kept, no histogram: three integers a phase are cheap enough for the hot path, and they merge in any order.

Filled by the recorder, one `Phases` for each series of a `Summary`; shown by the reports.
"""

from __future__ import annotations

import msgspec


class Span(msgspec.Struct, array_like=True):
    """One phase: how often it was passed, how long that took in all, and at most. Empty: the identity of `merge`."""

    count: int = 0
    total_us: int = 0
    longest_us: int = 0

    @property
    def mean_us(self) -> float | None:
        """Exact mean; None when empty."""
        return self.total_us / self.count if self.count else None

    def add(self, duration_us: int) -> None:
        """Record that it was passed once; a negative duration (a clock's jitter) counts as 0."""
        self.count += 1
        if duration_us > 0:
            self.total_us += duration_us
            if duration_us > self.longest_us:
                self.longest_us = duration_us

    def merge(self, other: Span) -> None:
        """Take in `other`, which stays as it is. Most are empty: a connection is opened once, transactions have none.

        Passing those by makes merging the five of a series 0.2 to 0.4 us instead of 0.9 to 1.0.
        """
        if other.count:
            self.count += other.count
            self.total_us += other.total_us
            if other.longest_us > self.longest_us:
                self.longest_us = other.longest_us


class Phases(msgspec.Struct, array_like=True):
    """The phases of requests, in the order in which one passes them. Empty: the identity of `merge`.

    Attributes:
        dns: looking up the server's name, where it was looked up: an answer from the cache is none.
        connect: the TCP handshake.
        tls: the TLS handshake.
        first_byte: from the moment when the request is handed to the socket to the first bytes of the answer.
        body: from there to the end of the answer; counted with each `first_byte`: 0 where all came at once,
            and as long as it went on where it broke off.
    """

    dns: Span = msgspec.field(default_factory=Span)
    connect: Span = msgspec.field(default_factory=Span)
    tls: Span = msgspec.field(default_factory=Span)
    first_byte: Span = msgspec.field(default_factory=Span)
    body: Span = msgspec.field(default_factory=Span)

    def by_name(self) -> dict[str, Span]:
        """All five, in their order."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def merge(self, other: Phases) -> None:
        """Take in `other`, which stays as it is."""
        self.dns.merge(other.dns)
        self.connect.merge(other.connect)
        self.tls.merge(other.tls)
        self.first_byte.merge(other.first_byte)
        self.body.merge(other.body)
