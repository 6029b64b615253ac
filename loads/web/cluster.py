"""The runs and agents of a broker, as pages have them: made of what `runner.observing` hears.

Types of the wire are behind that; here their values are turned into those of `report.page`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from loads.report.page import AgentRow, BrokerRow, ClusterFrame, Gone, Line, RunRow, Stage
from loads.report.view.whole import Seen
from loads.runner.observing import Observer, Watched
from loads.web.sources import told

if TYPE_CHECKING:
    from loads.metrics.result import Result
    from loads.wire import cluster as wire
    from loads.wire.cluster import AgentStatus, RunState, RunStatus, Status


class Cluster:
    """A source: see `sources.Source`. `read_only`: nobody stops anything here."""

    is_local = False
    run = None

    def __init__(self, observer: Observer, *, read_only: bool = False) -> None:
        self._observer = observer
        self.where = str(observer.endpoint)
        self.may_stop = observer.may_stop and not read_only

    def watch(self, run: str, changed: Callable[[], None]) -> ClusterRun:
        """Look at that run."""
        return ClusterRun(self._observer.watch(run, changed))

    def attend(self, *, closely: bool) -> None:
        """Whether somebody looks at the cluster."""
        self._observer.attend(closely=closely)

    def cluster(self) -> ClusterFrame:
        """As it was heard of last."""
        return cluster_frame(self._observer.status, self._observer.trouble)

    async def runs(self) -> Sequence[RunRow]:
        """All that the broker tells of."""
        return [run_row(run) for run in await self._observer.runs()]

    async def stop(self, run: str, *, now: bool) -> None:
        """The broker is asked to."""
        await self._observer.stop(run, now=now)


class ClusterRun:
    """See `sources.Run`."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._was_seen = False

    @property
    def gone(self) -> Gone | None:
        """A run that was refused is one that the broker has in its list; any other is none."""
        watched = self._watched
        if watched.refused is None or watched.following is not None or watched.listed is not None:
            return None
        return Gone(run=watched.run, message=watched.refused.message, hint=watched.refused.hint)

    @property
    def result(self) -> Result | None:
        return self._watched.result

    @property
    def is_whole(self) -> bool:
        return self._watched.is_whole

    @property
    def size_bytes(self) -> int:
        return self._watched.size_bytes

    @property
    def is_over(self) -> bool:
        return self._watched.is_over

    def close(self) -> None:
        self._watched.close()

    def seen(self) -> Seen | None:
        """None: nothing is known of it yet, and nothing is wrong."""
        watched, following = self._watched, self._watched.following
        stage = Stage.WAITING if watched.state is None else stage_of(watched.state)
        if stage is Stage.ENDED and not watched.is_over:
            if not self._was_seen:
                return None  # a moment, until all of it is here
            stage = Stage.ENDING
        if watched.state is None and not watched.trouble:
            return None
        self._was_seen = True
        trouble = watched.trouble if watched.refused is None else told(watched.refused)
        about = following or watched.listed
        seats = () if following is None else following.seats
        return Seen(
            stage=stage,
            elapsed_us=watched.elapsed_us,
            result=watched.result,
            trouble=trouble,
            who="" if about is None or about.who is None else f"{about.who.user}@{about.who.host}",
            label="" if about is None else about.name,
            tags={} if about is None else about.tags,
            targets=() if about is None else about.targets,
            machines={seat.agent: (seat.stage.value, seat.lost) for seat in seats},
            lines=() if following is None else lines_of(following.lines, watched.result),
            over=watched.is_over,
        )


def lines_of(lines: Sequence[wire.Line], result: Result | None) -> tuple[Line, ...]:
    """What was printed, each with the name of who did; an agent says its own in the line."""
    names: dict[int | None, str] = {None: ""}
    for worker in {line.worker for line in lines} - {None}:
        names[worker] = f"worker {worker}" if result is None or worker is None else result.name_of(worker)
    return tuple(Line(line.t_us, names[line.worker], line.text) for line in lines)


def stage_of(state: RunState) -> Stage:
    """A page makes no difference between loading tests and running fixtures."""
    return Stage.PREPARING if state.value == "fitting" else Stage(state.value)


def cluster_frame(status: Status | None, trouble: str) -> ClusterFrame:
    """All of it; the runs that came last stand first."""
    if status is None:
        return ClusterFrame(trouble=trouble, broker=None, agents=(), runs=())
    broker = BrokerRow(
        version=status.version,
        host=status.host,
        pid=status.pid,
        up_us=status.up_us,
        store=status.store,
        listens=status.listens,
        insecure=status.insecure,
    )
    runs = sorted(status.runs, key=lambda run: run.created_at, reverse=True)
    agents = sorted(status.agents, key=lambda agent: agent.name)
    return ClusterFrame(
        trouble=trouble,
        broker=broker,
        agents=tuple(agent_row(agent) for agent in agents),
        runs=tuple(run_row(run) for run in runs),
    )


def agent_row(agent: AgentStatus) -> AgentRow:
    """An agent, as the broker sees it."""
    return AgentRow(
        name=agent.name,
        host=agent.host,
        cores=agent.cores,
        version=agent.version,
        labels=agent.labels,
        cpu_share=agent.cpu_share,
        memory_used_bytes=agent.memory_used_bytes,
        memory_bytes=agent.memory_bytes,
        load=agent.load,
        run=agent.run,
        leaving=agent.leaving,
        max_users=agent.max_users,
        heard_us=agent.heard_us,
    )


def run_row(run: RunStatus) -> RunRow:
    """A run in a list."""
    brief = run.brief
    return RunRow(
        id=run.id,
        label=run.name,
        tags=run.tags,
        who=f"{run.who.user}@{run.who.host}",
        targets=run.targets,
        agents=run.agents,
        stage=stage_of(run.state),
        verdict=run.verdict,
        trouble=run.trouble or "",
        created_at=run.created_at,
        elapsed_us=run.elapsed_us,
        users=run.users,
        hits=None if brief is None else brief.hits,
        failed=None if brief is None else brief.failed,
        rps=None if brief is None else brief.rps,
        p95_us=None if brief is None else brief.p95_us,
    )
