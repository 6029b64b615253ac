"""A run that never was, in frames: three agents begin 600 iterations a second, until one of them is lost.

That happens in the middle of what follows the first full frame. The others take over after a while and get slow, and a
threshold is crossed. The same seed gives the same frames. Counts add up; percentiles are only plausible.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Final

from sample_times import heat, quantiles, spread

from loads.metrics.events import EventKind
from loads.report import page

RUN: Final = "7c1e5a90b2d34f68"
US: Final = 1_000_000
AGENTS: Final = ("alpha", "beta", "gamma")
LOST: Final = 1
WORKERS: Final = 2
USERS: Final = 120
HITS_PER_S: Final = 1_500.0
TAKEOVER_S: Final = 4
STARTED_AT: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SCENARIO: Final = "loadtests.TestShop.test_shop"
VERBS: Final = ("GET", "GET", "GET", "POST", "PUT", "DELETE")
WHERE: Final = ("catalogue", "basket", "account", "orders", "search", "reviews", "stock", "images")
FAILURE: Final = 'Traceback (most recent call last):\n  File "loadtests.py", line 31, in test_shop\n    self.buy()\n'
GROUPS: Final = (
    (
        "failure",
        "AssertionError",
        "loadtests.py:31",
        "503 != 200",
        f"{FAILURE}    self.assertEqual(page.status, 200)\n",
    ),
    ("error", "ConnectionError", "loadtests.py:38", "Connection refused: shop.example:8080", FAILURE),
    ("error", "ValueError", "loadtests.py:44", "no price in '</script><!-- naïve & ünsafe -->'", FAILURE),
)


class Sample:
    """One run of `seconds`, as told from second `middle` on: each frame says what stands at the end of second `t`."""

    def __init__(self, series: int = 40, seconds: int = 300, middle: int = 180) -> None:
        self.seconds, self.middle = seconds, middle
        self.lost_at = (middle + seconds) // 2
        self.crossed_at = self.lost_at + 2
        self.merged_at = middle + 2
        self.merged = 10 * max(1, middle // 20)
        """Seconds from the start on that are told as points of ten once `merged_at` has come."""
        self._dice = random.Random(20_260_302)
        self._names = [self._name(number) for number in range(series)]
        self._typical_us = [2_000 * self._dice.lognormvariate(0.8, 0.9) for _ in range(series)]
        weights = [1 / (number + 1) ** 0.7 for number in range(series)]
        self._hits = [[self._drawn(weight / sum(weights), t) for t in range(seconds)] for weight in weights]
        self._failed = [
            [hits * self._failing(number, t) // 1000 for t, hits in enumerate(row)]
            for number, row in enumerate(self._hits)
        ]
        self._all_hits = [list(accumulate(row)) for row in self._hits]
        self._all_failed = [list(accumulate(row)) for row in self._failed]
        self._sum_hits = [sum(column) for column in zip(*self._hits, strict=True)]
        self._sum_failed = [sum(column) for column in zip(*self._failed, strict=True)]

    def run(self, t: int, *, full: bool) -> page.RunFrame:
        """The run after second `t`; the last frame of all says that it has ended."""
        over = t == self.seconds - 1
        since = -1 if full else t - 1
        changed = [n for n in range(len(self._names)) if full or self._hits[n][t]]
        span_s = self.seconds if over else 60
        crossed = (since < self.crossed_at <= t) or full
        return page.RunFrame(
            run=RUN,
            full=full,
            stage=page.Stage.ENDED if over else page.Stage.RUNNING,
            elapsed_us=(t + 1) * US,
            head=self._head() if full else None,
            totals=self._totals(t),
            standing=self._standing(t) if crossed or over else None,
            thresholds=self._thresholds(t),
            points=tuple(self._point(*span) for span in self._told(t, full=full)),
            gone=() if full else self._gone(t),
            names=tuple(self._names) if full else (),
            figures=tuple(self._figures(n, t) for n in changed),
            spark_us=span_s * US if full else 0,
            sparks=tuple(page.Spark(n, self._spark(n, t, span_s)) for n in changed) if full else (),
            errors=tuple(text for text in self._errors() if since < text.first_us // US <= t),
            error_figures=tuple(self._error_figures(t)),
            counters={"baskets": 7 * (t + 1), "coupons used": 2 * (t + 1), "(web sockets) messages": 31 * (t + 1)},
            machines=self._machines(t),
            machine_points={
                WORKERS * number: tuple(self._machine_point(number, *span) for span in self._told(t, full=full))
                for number in range(len(AGENTS))
            },
            machine_gone=() if full else self._gone(t),
            events=tuple(event for event in self._events() if since < event.t_us // US <= t),
            lines=tuple(self._line(n) for n in range(since + 1, t + 1) if n % 20 == 5),
            warnings=("worker 5 had no time for 2.1 s: it shares its processor",) if t >= self.lost_at + 5 else (),
        )

    def series(self, number: int, t: int, *, full: bool) -> page.SeriesFrame:
        """One series after second `t`."""
        hits, failed = self._all_hits[number][t], self._all_failed[number][t]
        typical = round(self._typical_us[number])
        return page.SeriesFrame(
            run=RUN,
            series=number,
            full=full,
            points=tuple(self._series_point(number, *span) for span in self._told(t, full=full)),
            gone=() if full else self._gone(t),
            statuses={"200": hits - failed, **({"503": failed - failed // 4} if failed else {})},
            kinds={"refused": failed // 4} if failed // 4 else {},
            phases=(
                page.Phase("connect", hits // 50, typical // 6, typical),
                page.Phase("wait", hits, typical * 4 // 5, typical * 9),
                page.Phase("receive", hits, typical // 5, typical * 2),
            ),
        )

    def report(self) -> page.Report:
        """The run after its end, with all series."""
        last = self.seconds - 1
        frames = tuple(self.series(number, last, full=True) for number in range(len(self._names)))
        return page.Report(run=self.run(last, full=True), series=frames)

    # What each second holds.

    def _name(self, number: int) -> page.SeriesName:
        if number == 1:
            return page.SeriesName(number, SCENARIO, "transaction", "check out")
        path = f"{WHERE[number % len(WHERE)]}/{{id}}/{number}"
        return page.SeriesName(number, SCENARIO, VERBS[number % len(VERBS)], f"http://shop.example:8080/{path}")

    def _drawn(self, share: float, t: int) -> int:
        expected = share * HITS_PER_S * min(1.0, (t + 1) / 20) * (0.8 if self._is_short(t) else 1.0)
        return max(0, round(self._dice.gauss(expected, expected**0.5)))

    def _is_short(self, t: int) -> bool:
        """Whether an agent is gone and nobody has taken over yet."""
        return self.lost_at <= t < self.lost_at + TAKEOVER_S

    def _failing(self, number: int, t: int) -> int:
        """How many of a thousand hits fail."""
        return (60 if t >= self.lost_at else 4) if number % 7 == 3 else 0

    def _slowness(self, t: int) -> float:
        return 1.0 + 0.15 * ((t * 37) % 11) / 11 + (1.4 if t >= self.lost_at else 0.0)

    def _users(self, t: int) -> int:
        return min(USERS, 6 * (t + 1)) - (USERS // len(AGENTS) if self._is_short(t) else 0)

    # Points.

    def _told(self, t: int, *, full: bool) -> list[tuple[int, int]]:
        """The spans of a frame after second `t`, as second and width."""
        merged = self.merged if t >= self.merged_at else 0
        wide = [(second, 10) for second in range(0, merged, 10)]
        if full:
            return [*wide, *((second, 1) for second in range(merged, t + 1))]
        return [*(wide if t == self.merged_at else ()), (t, 1)]

    def _gone(self, t: int) -> tuple[page.Span, ...]:
        seconds = range(self.merged) if t == self.merged_at else range(0)
        return tuple(page.Span(second * US, US) for second in seconds)

    def _point(self, t: int, width: int) -> page.Point:
        hits, failed = sum(self._sum_hits[t : t + width]), sum(self._sum_failed[t : t + width])
        service, response = 5_000 * self._slowness(t), 5_200 * self._slowness(t)
        lateness = 300.0 * self._slowness(t) ** 3
        return page.Point(
            t * US,
            width * US,
            self._users(t),
            hits * 2 // 5,
            hits,
            failed,
            failed // 2,
            failed // 4,
            *quantiles(service, 0.9),
            *quantiles(response, 1.0),
            lateness,
            lateness * 12,
            0.95 if self.lost_at <= t < self.lost_at + 12 else 0.4 + 0.02 * (t % 7),
            4_000 + 300 * (t % 13),
            heat(response, 1.0, hits),
        )

    def _series_point(self, number: int, t: int, width: int) -> page.SeriesPoint:
        hits, failed = sum(self._hits[number][t : t + width]), sum(self._failed[number][t : t + width])
        typical = self._typical_us[number] * self._slowness(t)
        if not hits:
            return page.SeriesPoint(t * US, width * US, 0, 0, None, None, None, None, None, None, ())
        times = (*quantiles(typical, 0.6), *quantiles(typical * 1.05, 0.7))
        return page.SeriesPoint(t * US, width * US, hits, failed, *times, heat(typical * 1.05, 0.7, hits))

    def _machine_point(self, number: int, t: int, width: int) -> page.MachinePoint:
        is_gone = number == LOST and t >= self.lost_at
        if is_gone:
            return page.MachinePoint(t * US, width * US, 0, 0, 0, None, None)
        parts = len(AGENTS) - (t >= self.lost_at)
        hits, failed = (sum(row[t : t + width]) // parts for row in (self._sum_hits, self._sum_failed))
        cpu_share, lag_us = 0.35 + 0.05 * number + 0.02 * (t % 7), 3_000 + 200 * (t % 13)
        return page.MachinePoint(t * US, width * US, self._users(t) // parts, hits, failed, cpu_share, lag_us)

    def _spark(self, number: int, t: int, span_s: int) -> tuple[int, ...]:
        """The whole run, or its last minute, which ends with the second that has just begun."""
        hits = self._hits[number][: t + 1]
        if len(hits) < self.seconds:
            return (*([0] * span_s + hits)[1 - span_s :], 0)
        many = min(60, span_s)
        edges = [round(part * span_s / many) for part in range(many + 1)]
        return tuple(sum(hits[begin:end]) for begin, end in pairwise(edges))

    # How it stands.

    def _head(self) -> page.Head:
        return page.Head(
            id=RUN,
            label="checkout before the sale",
            tags={"branch": "main", "host": "staging"},
            who="ana@laptop",
            targets=("loadtests.TestShop",),
            scenarios=(SCENARIO,),
            plan=f"600 iterations/s for {self.seconds} s, {USERS} users at most, on 3 agents with 2 workers each",
            started_at=STARTED_AT,
            server_url="http://shop.example:8080",
            seed=20_260_302,
            users=USERS,
            workers=WORKERS * len(AGENTS),
            due=600 * self.seconds,
            duration_us=self.seconds * US,
            is_open=True,
            has_starts=True,
            version="0.4.0",
        )

    def _totals(self, t: int) -> page.Totals:
        hits, failed = sum(self._sum_hits[: t + 1]), sum(self._sum_failed[: t + 1])
        recent = self._sum_hits[max(0, t - 4) : t + 1]
        failures, errors, lost = failed // 2, failed // 4, 40 if t >= self.lost_at else 0
        started = hits * 2 // 5
        running = 0 if t == self.seconds - 1 else self._users(t)
        ended = max(0, started - lost - running)
        rps_now = sum(recent) / len(recent)
        return page.Totals(
            users=running,
            due=600 * (t + 1),
            started=started,
            ended=ended,
            unstarted=max(0, 600 * (t + 1) - started),
            interrupted=0,
            lost_iterations=lost,
            success=max(0, ended - failures - errors),
            failures=failures,
            errors=errors,
            skipped=0,
            hits=hits,
            sent=hits - failed // 4,
            unsent=failed // 4,
            failed=failed,
            lost=lost // 10,
            bytes_sent=310 * hits,
            bytes_received=4_700 * hits,
            connections=USERS,
            rps=round(hits / (t + 1), 3),
            rps_now=rps_now,
            failed_now=sum(self._sum_failed[max(0, t - 4) : t + 1]) / len(recent),
            started_now=rps_now * 0.4,
            service=spread(5_000 * self._slowness(t), 0.9, hits),
            response=spread(5_200 * self._slowness(t), 1.0, hits),
            lateness=spread(300 * self._slowness(t), 1.4, started),
            iteration=spread(14_000 * self._slowness(t), 0.7, ended),
        )

    def _figures(self, number: int, t: int) -> page.SeriesFigures:
        hits, failed = self._all_hits[number][t], self._all_failed[number][t]
        typical = self._typical_us[number] * self._slowness(t)
        unsent = failed // 4
        spreads = spread(typical, 0.6, hits), spread(typical * 1.05, 0.7, hits)
        return page.SeriesFigures(number, hits, hits - unsent, unsent, failed, 0, 310 * hits, 4_700 * hits, 3, *spreads)

    def _standing(self, t: int) -> page.Standing:
        over, crossed = t == self.seconds - 1, t >= self.crossed_at
        outlook = page.Outlook.FAILED if over else page.Outlook.BAD if crossed else page.Outlook.GOOD
        reasons = ("threshold crossed: p95 < 40 ms",) if crossed else ()
        return page.Standing(outlook=outlook, reasons=reasons, exit_code=3 if over else None)

    def _thresholds(self, t: int) -> tuple[page.Threshold, ...]:
        over, crossed = t == self.seconds - 1, t >= self.crossed_at
        p95 = f"{4.4 * 5 * self._slowness(t):.1f} ms"
        good = "passed" if over else "pending"
        return (
            page.Threshold(
                text="p95 < 40 ms",
                state="crossed" if crossed else good,
                failed=crossed,
                holds=not crossed,
                shown=p95,
                crossed_us=self.crossed_at * US if crossed else None,
                aborted=False,
            ),
            page.Threshold(
                text="errors < 5%", state=good, failed=False, holds=True, shown="0.3 %", crossed_us=None, aborted=False
            ),
        )

    def _errors(self) -> list[page.ErrorText]:
        return [
            page.ErrorText(
                id=number,
                outcome=outcome,
                kind=kind,
                place=place,
                scenario=SCENARIO,
                message=message,
                traceback=f"{trace}{kind}: {message}\n",
                first_us=self._first(number) * US + 250_000,
            )
            for number, (outcome, kind, place, message, trace) in enumerate(GROUPS)
        ]

    def _first(self, group: int) -> int:
        return (self.middle // 3, self.lost_at, self.lost_at + 3)[group]

    def _error_figures(self, t: int) -> list[page.ErrorFigures]:
        figures = []
        for group, (first, each) in enumerate(zip(map(self._first, range(3)), (3, 5, 1), strict=True)):
            if first <= t:
                points = tuple((second, each + second % 3) for second in range(first, t + 1))
                count = sum(point[1] for point in points)
                series = {f"GET http://shop.example:8080/{WHERE[group]}/{{id}}/{group}": count}
                figures.append(
                    page.ErrorFigures(id=group, count=count, last_us=t * US + 900_000, points=points, series=series)
                )
        return figures

    def _machines(self, t: int) -> tuple[page.Machine, ...]:
        over = t == self.seconds - 1
        return tuple(
            page.Machine(
                id=WORKERS * number,
                name=name,
                host=f"{name}.example",
                workers=WORKERS,
                stage="" if number == LOST and t >= self.lost_at else "done" if over else "running",
                lost=number == LOST and t >= self.lost_at,
                users=0 if over else self._machine_point(number, t, 1).users,
                cpu_share=0.5 + 0.05 * number,
                lag_us=5_600,
                waited_share=0.02 * number,
                trouble="",
            )
            for number, name in enumerate(AGENTS)
        )

    def _events(self) -> list[page.Event]:
        back = (self.lost_at + TAKEOVER_S) * US
        lost = f"agent {AGENTS[LOST]} is lost: 40 iterations and 4 hits of it are not known"
        told = (
            (self.middle // 2, None, EventKind.WARNING, "agent gamma answers slowly"),
            (self.lost_at, back, EventKind.LOST, lost),
            (self.crossed_at, None, EventKind.THRESHOLD, "threshold crossed: p95 < 40 ms"),
            (self.lost_at + TAKEOVER_S, None, EventKind.AGENT, "agents alpha and gamma take over 40 users"),
            (self.seconds - 1, None, EventKind.STOP, "the time is over"),
        )
        return [
            page.Event(id=number, t_us=t * US, until_us=until, kind=kind, text=text)
            for number, (t, until, kind, text) in enumerate(told)
        ]

    def _line(self, t: int) -> page.Line:
        return page.Line(t * US, f"alpha/{t % WORKERS}", f"basket {t} emptied")
