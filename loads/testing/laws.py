"""What must be so in every cluster, at every moment and at the end of every run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from loads.agent.leaving import AWAY_US
from loads.agent.state import LEASE_US
from loads.broker.fold import Fold
from loads.broker.keeping import restored
from loads.broker.liveness import RETURN_US
from loads.broker.record import RunRecord, Seat, Tally
from loads.broker.seating import takers
from loads.metrics.counters import Counts
from loads.metrics.result import Loss, Result
from loads.metrics.threshold import State
from loads.metrics.verdict import Stop
from loads.plan.share import most_slots, slots_of
from loads.testing.iteration import SLOWEST_US
from loads.testing.target import Seen
from loads.testing.world import Broken
from loads.units import US_PER_S
from loads.wire.cluster import RunState

if TYPE_CHECKING:
    from loads.broker.run import LiveRun
    from loads.testing.cluster import Cluster
    from loads.testing.machine import AgentProcess
    from loads.testing.runner import Runner

MAX_CLOCK_ERROR_US: Final = US_PER_S // 4
BACK_WITHIN_US: Final = 5 * US_PER_S
"""So soon all users run again after an agent was lost."""


class Laws:
    """Of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def check_outboxes(self, agent: AgentProcess) -> None:
        """last_seq = stored + in flight or spooled; what is acknowledged is on the broker's disk."""
        state = agent.state
        outboxes = [estate.outbox for estate in state.estates.values()]
        if state.part is not None:
            outboxes.append(state.part.outbox)
        for outbox in outboxes:
            if outbox.last_seq != outbox.acked + len(outbox.sealed):
                raise Broken(f"{agent}: {outbox!r} holds {len(outbox.sealed)} batches")
            kept = self._cluster.disk.kept.get((outbox.run, outbox.incarnation), 0)
            if outbox.acked > kept:
                raise Broken(f"{agent}: {outbox!r}, but only {kept} are on the broker's disk")

    def check_departure(self, agent: AgentProcess) -> None:
        """Who was told once to go has nothing left to do, unless there is no broker to do it for."""
        state = agent.state
        away_us = self._cluster.now_us - agent.heard_us
        if agent.told_to_leave < 2 and state.part is not None and away_us <= AWAY_US:
            raise Broken(f"{agent} leaves in the middle of {state.part!r}")

    def check_coverage(self) -> None:
        """All users of a phase that goes on are run by somebody, unless something happened just now."""
        cluster = self._cluster
        broker = cluster.broker
        if broker is None or not broker.awake:
            cluster.disturb(RETURN_US)
        if broker is None or cluster.world.now_us < cluster.disturbed_until_us:
            return
        for run in broker.state.runs.values():
            if run.record.state is RunState.RUNNING and run.record.stop is None and run.saved == run.record.version:
                self._check_coverage_of(run, broker.time_us())

    def _check_coverage_of(self, run: LiveRun, now_us: int) -> None:
        record = run.record
        assert record.plan is not None
        phase = record.plan.phases[record.phase]
        into_us = now_us - record.phase_at_us
        if phase.duration_us is None or into_us < BACK_WITHIN_US:
            return
        unheld = {slot for portion in record.unheld for slot in slots_of(portion, phase.users)}
        self._check_unheld(record, unheld)
        for slot in set(range(phase.users)) - unheld:
            windows = phase.windows(slot) if phase.arrivals is None else [(0, phase.duration_us)]
            runs_now = any(begin + US_PER_S < into_us < (end or 0) - US_PER_S // 2 for begin, end in windows)
            key = (run.id, record.phase, slot)
            if runs_now and not self._cluster.target.is_run(key):
                who = self._cluster.target.describe(key)
                raise Broken(f"nobody runs slot {key} for {BACK_WITHIN_US / US_PER_S} s: {who}; {record.seats}")

    def _check_unheld(self, record: RunRecord, unheld: set[int]) -> None:
        """Nobody runs what nobody has room for, and only that."""
        assert record.plan is not None
        for seat in takers(record).values() if unheld else ():
            users = max(most_slots(seat.portions, [phase.users]) for phase in record.plan.phases[record.phase :])
            if seat.max_users is None or users < seat.max_users:
                raise Broken(f"{record.id}: nobody runs {sorted(unheld)}, and {seat} has room")

    def check_follower(self, runner: Runner) -> None:
        """What a follower folded is what the broker has."""
        ended, folded = runner.ended, runner.result
        if ended is None or folded is None or not runner.whole:
            return
        result = ended.result
        ends = any(loss.worker is None for loss in result.losses)  # those are declared at the end, with what they took
        for name in ("summary", "health", "given_up", *(() if ends else ("started_lost",))):
            mine, theirs = getattr(folded, name), getattr(result, name)
            if mine != theirs:
                raise Broken(f"{runner} folded another {name} of {ended.run} than the broker:\n{mine}\n{theirs}")
        if folded.timeline.rows() != result.timeline.rows():
            raise Broken(f"{runner} folded another timeline of {ended.run} than the broker")
        declared = len(result.events) - sum(loss.worker is None for loss in result.losses)
        if folded.events != result.events[:declared]:
            raise Broken(f"{runner} knows of {folded.events} in {ended.run}, and the broker of {result.events}")
        if runner.complete and runner.last is not None:
            self._check_spans(runner.last, result, f"what {runner} folded of {ended.run}, and what it was told")

    def _check_spans(self, one: Result, other: Result, what: str) -> None:
        """Both have the same of each series and machine at each time, and as much as in total."""
        keys = {*one.details.keys, *other.details.keys}
        if any(one.details.rows(key) != other.details.rows(key) for key in keys):
            raise Broken(f"{what} are not the same by series:\n{one.details}\n{other.details}")
        if any(
            one.machines.rows(each) != other.machines.rows(each)
            for each in {*one.machines.known, *other.machines.known}
        ):
            raise Broken(f"{what} are not the same by machine:\n{one.machines}\n{other.machines}")

    def _check_told(self, runner: Runner, result: Result) -> None:
        """What a runner was told at last is what is in the store."""
        assert runner.ended is not None
        what = f"what {runner} was told of {runner.ended.run}, and what is in the store"
        told = runner.ended.result
        for name in ("summary", "events", "losses"):
            mine, theirs = getattr(told, name), getattr(result, name)
            if mine != theirs:
                raise Broken(f"{what} have not the same {name}:\n{mine}\n{theirs}")
        if told.timeline.rows() != result.timeline.rows():
            raise Broken(f"{what} have not the same timeline")
        self._check_spans(told, result, what)

    def check_end(self) -> None:
        """All runs that are in the store, and each that a runner was told of is."""
        rows = self._cluster.disk.store.runs(1_000)
        if len({row.nonce for row in rows}) < len(rows):
            raise Broken("something was submitted once and ran twice")
        for runner in self._cluster.runners:
            if runner.run is not None and runner.run not in {row.id for row in rows}:
                raise Broken(f"{runner} was told of {runner.run}, which is not in the store")
        for row in rows:
            stored = self._cluster.disk.store.load(row.id)
            assert stored is not None
            record, fold = restored(stored)
            if record.state not in (RunState.ENDED, RunState.REFUSED):
                raise Broken(f"{row.id} is still {record.state.value}")
            if record.state is RunState.REFUSED and self._cluster.target.started[row.id]:
                raise Broken(f"{row.id} was refused and had load: {record.trouble}")
            if record.state is RunState.ENDED:
                self._check_run(record, fold)
                assert fold.result is not None
                for runner in self._cluster.runners:
                    if runner.complete and runner.ended is not None and runner.ended.run == row.id:
                        self._check_told(runner, fold.result)

    def _check_run(self, record: RunRecord, fold: Fold) -> None:
        result = fold.result
        assert result is not None
        broken = [*result.imbalances(), *_unlike_in_time(result)]
        if broken:
            raise Broken(f"{record.id}: {'; '.join(broken)}")
        sums = [sum(column) for column in zip(*(tally.counts for tally in fold.tallies.values()), strict=True)]
        told = Counts(*sums) if sums else Counts()
        self._check_sums(record, result, told, fold)
        self._check_once(record)
        self._check_thresholds(record, result)
        lost = {loss.incarnation: loss for loss in result.losses if loss.worker is None}
        for seat in record.seats:
            tally = fold.tallies.get(seat.incarnation) or Tally()
            self._check_seat(record, seat, tally, lost.get(seat.incarnation))

    def _check_once(self, record: RunRecord) -> None:
        """What was set up is torn down, unless it was cut off or somebody died."""
        target = self._cluster.target
        quiet = record.stop is not Stop.HARD and not any(seat.lost for seat in record.seats)
        deaths = self._cluster.deaths
        if quiet and not deaths and record.id in target.run_data and record.id not in target.torn_down:
            raise Broken(f"{record.id} was set up and not torn down: {record.seats}")

    def _check_thresholds(self, record: RunRecord, result: Result) -> None:
        """All are decided, and one that aborts was crossed where it ended the run."""
        if len(result.thresholds) != len(record.submit.spec.rules.thresholds):
            raise Broken(f"{record.id} has {result.thresholds} of {record.submit.spec.rules}")
        if any(standing.state is State.PENDING for standing in result.thresholds):
            raise Broken(f"{record.id}: not all thresholds are decided: {result.thresholds}")
        if record.stop is Stop.THRESHOLD and not any(standing.aborted for standing in result.thresholds):
            raise Broken(f"{record.id} was stopped by none of {result.thresholds}")

    def _untold(self, record: RunRecord, result: Result, fold: Fold) -> int:
        """Iterations of a phase at a rate that agents which never came back may have begun."""
        if not result.info.is_open:
            return 0
        lost = sum(loss.iterations for loss in result.losses if loss.worker is None)
        gone = {loss.incarnation for loss in result.losses if loss.worker is None}
        in_flight = [fold.tallies[name].counts for name in gone if name in fold.tallies]
        return lost - sum(max(0, counts.started - counts.ended) for counts in in_flight)

    def _check_sums(self, record: RunRecord, result: Result, told: Counts, fold: Fold) -> None:
        hits = result.summary.hits
        started = result.started - self._untold(record, result, fold)
        sums = Counts(started, told.ended, hits.sent + result.lost_sent, hits.unsent + result.lost_unsent)
        if sums != told:
            raise Broken(f"{record.id}: its result has {sums}, its batches {told}")
        unstarted_why = record.stop or result.losses or any(seat.lost for seat in record.seats)
        if result.info.due is not None and not result.info.is_open and result.unstarted and not unstarted_why:
            raise Broken(f"{record.id}: {result.unstarted} iterations never started, and nobody knows why")

    def _check_seat(self, record: RunRecord, seat: Seat, tally: Tally, loss: Loss | None) -> None:
        target = self._cluster.target
        for name, seen, told in (
            ("iterations", target.started[record.id], tally.counts.started),
            ("requests", target.sent[record.id], tally.counts.sent),
            ("unsent requests", target.unsent[record.id], tally.counts.unsent),
        ):
            there = [each for each in seen if each.agent == seat.incarnation]
            missing = len(there) - told
            where = f"{record.id}: {seat.agent} {seat.incarnation:016x}: {len(there)} {name} were seen, {told} told"
            if missing < 0 or (missing and loss is None):
                raise Broken(f"{where}; {loss}; {seat}")
            if missing and loss is not None:
                self._check_declared(record, there, missing, loss, where)

    def _check_declared(self, record: RunRecord, there: list[Seen], missing: int, loss: Loss, where: str) -> None:
        """What is missing was done in the interval that was declared."""
        assert record.run_at_us is not None
        cluster = self._cluster
        began_us = record.run_at_us - cluster.skews[record.clock]
        grace_us = cluster.machines[loss.agent or ""].grace_us
        flight_us = MAX_CLOCK_ERROR_US if "iterations" in where else MAX_CLOCK_ERROR_US + SLOWEST_US
        from_us = began_us + loss.from_us - US_PER_S - flight_us
        to_us = began_us + loss.to_us + LEASE_US + max(grace_us, LEASE_US)
        within = sum(from_us <= each.at_us for each in there)
        if missing > within:
            raise Broken(f"{where}; only {within} of them in the interval of {loss}")
        if "iterations" in where and any(each.at_us > to_us for each in there):
            raise Broken(f"{where}; some began after the interval of {loss}")


def _unlike_in_time(result: Result) -> Iterator[str]:
    """Where what is kept of each second does not come to what is kept of the whole, in words."""
    for key, series in result.summary.series.items():
        hits = sum(row.cell.hits for row in result.series_rows(key))
        if hits != series.hits:
            yield f"{key} has {series.hits} hits, and {hits} of them over time"
    by_machine = sum(row.point.hits for each in result.machines.known for row in result.machines.rows(each))
    if by_machine != result.summary.hits.hits:
        yield f"{result.summary.hits.hits} hits, and {by_machine} of them by machine"
