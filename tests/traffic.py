"""What a target saw of a run over time, from nginx's own log: whether the load ever doubled, dipped, or stayed away.

    traffic = Traffic(nginx, calm_until_s=killed_s)
    traffic.never_doubles(); traffic.is_back(killed_s + 5)

Times are the wall clock's, as `time.time()` tells it to the test. The load of `PACED` is set by its users' think time
and not by how fast the machine is, so the rate of any second is that of the users who run in it. The think time is
random: users that began together would come in waves, and a second would have one wave more or less.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from statistics import median

from tests.servers import Nginx, wait_until

PACED = """
import random, time
from loads.case import TestCase

class TestPaced(TestCase):
    def test_it(self):
        self.assertEqual(self.session.get(self.server_url).status_code, 200)
        time.sleep(random.uniform(0.05, 0.15))
"""
USERS = 60
"""Some 590 requests a second, 1 % more or less in any second."""
PLANNED = USERS / 0.1
"""Requests a second if nothing but their think time kept these users; a busy machine makes fewer of them calm."""
DOUBLED = 1.15
"""Of the calm rate in a second: no third of the users runs twice."""
BACK = 0.95
"""Of the calm rate, over two seconds: nobody is missing."""
SLACK = 0.10
"""Of the calm rate: what a machine that others use, too, takes away. A missing agent takes a third."""
STEP_S = 0.1
WIDTH_S = 2.0


class Traffic:
    """All requests of a finished run; its rate was undisturbed until `calm_until_s`."""

    def __init__(self, nginx: Nginx, calm_until_s: float) -> None:
        self.times = nginx.times()
        self.stalls = nginx.stalls
        seconds = [rate for _, rate in self.rates(self.times[0] + 1, calm_until_s, 1.0)]
        assert seconds, "the run was not calm for two seconds before the fault"
        self.calm = median(seconds)

    def __repr__(self) -> str:
        seconds = range(int(self.times[-1] - self.times[0]) + 1)
        counts = " ".join(str(self.count(self.times[0] + second, self.times[0] + second + 1)) for second in seconds)
        return f"<Traffic calm={self.calm:.0f}/s by second: {counts} {self.stalls}>"

    def count(self, from_s: float, to_s: float) -> int:
        """Requests in that time."""
        return bisect_left(self.times, to_s) - bisect_left(self.times, from_s)

    def rates(self, from_s: float, to_s: float, width_s: float) -> Iterator[tuple[float, float]]:
        """The start and the rate of every stretch of `width_s` in that time."""
        for step in range(int((to_s - from_s - width_s) / STEP_S) + 1):
            start_s = from_s + step * STEP_S
            yield start_s, self.count(start_s, start_s + width_s) / width_s

    def never_doubles(self) -> None:
        """In no second of the run were there more requests than its users make."""
        most = DOUBLED * max(self.calm, PLANNED)
        for start_s, rate in self.rates(self.times[0], self.times[-1], 1.0):
            assert rate <= most, f"{rate:.0f}/s at {start_s - self.times[0]:.1f} s of {self}"

    def is_back(self, from_s: float, until_s: float | None = None) -> None:
        """From then on all users run, until the end, of which the last half second does not count."""
        self.stays_above(BACK - SLACK, from_s, until_s)

    def stays_above(self, part: float, from_s: float, until_s: float | None = None) -> None:
        """In any two seconds there was that part of the calm rate, in as much of them as the machine did not stall."""
        until_s = self.times[-1] - 0.5 if until_s is None else until_s
        rates = list(self.rates(from_s, until_s, WIDTH_S))
        assert rates, f"the run ended too soon after the fault: {self}"
        for start_s, rate in rates:
            ran = 1 - self.stalls.within(start_s, start_s + WIDTH_S) / WIDTH_S
            assert rate >= part * ran * self.calm, f"{rate:.0f}/s at {start_s - self.times[0]:.1f} s of {self}"


def wait_for_calm(nginx: Nginx, seconds: float = 3.0) -> None:
    """Until the run has sent requests for so long."""

    def look() -> bool:
        if not nginx.access_log.exists():
            return False
        times = nginx.times()
        return bool(times) and times[-1] - times[0] >= seconds

    wait_until(look, "the load")
