"""What the audit log is told of runs and agents. Pure."""

from __future__ import annotations

from loads.broker.events import Audit
from loads.broker.rights import Principal
from loads.broker.run import LiveRun
from loads.wire.cluster import Enlist


def run_submitted(run: LiveRun, who: Principal) -> Audit:
    """Code is to be run: `says` is whom the runner claims to be; of variables only the names are told."""
    submit = run.record.submit
    return Audit(
        "run",
        who.name,
        {
            "run": run.id,
            "says": f"{submit.who.user} of {submit.who.host}",
            "targets": submit.spec.targets,
            "bundle": None if submit.bundle is None else submit.bundle.sha256,
            "requirements": () if submit.bundle is None else submit.bundle.requirements,
            "env": tuple(submit.spec.env),
        },
    )


def run_ended(run: LiveRun) -> Audit:
    """It is over, or was refused."""
    return Audit("run over", "broker", {"run": run.id, "state": run.record.state.value})


def runs_stopped(runs: tuple[str, ...], who: Principal, *, now: bool) -> Audit:
    """Somebody stopped `runs`."""
    return Audit("stop", who.name, {"runs": runs, "now": now})


def agent_joined(enlist: Enlist, who: Principal) -> Audit:
    """An agent offered itself."""
    return Audit("agent", who.name, {"agent": enlist.name, "host": enlist.host, "version": enlist.version})
