"""Questions to a broker: how it stands, what came of a run, whether its agents work; and that runs be stopped."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from loads.bundle.pack import Packed, pack
from loads.errors import LoadsError, UsageError
from loads.metrics.result import Result
from loads.metrics.verdict import Verdict
from loads.plan.load import LoadOptions
from loads.runner.contact import Contact
from loads.runner.following import refusal
from loads.runner.remote import Session
from loads.wire.cluster import (
    Ask,
    BundleRef,
    Cease,
    Ceased,
    Ended,
    Follow,
    FromBroker,
    Refused,
    Snapshot,
    Status,
    Submit,
    ToBroker,
    Trouble,
    Welcome,
    Who,
)
from loads.wire.endpoint import Endpoint
from loads.wire.run import RunSpec

ANSWER_S: Final = 15.0
CHECK_S: Final = 60.0
_NOTHING: Final = """\
from loads.case import TestCase


class TestNothing(TestCase):
    def test_nothing(self):
        pass
"""
T = TypeVar("T")


@dataclass(frozen=True)
class Checked:
    """How an agent did with an empty test; `busy` names the run that kept it from being asked."""

    agent: str
    host: str
    trouble: Trouble | None = None
    busy: str | None = None


async def ask_status(endpoint: Endpoint, runs: int = 0) -> Status:
    """How the cluster is, with the last `runs` that ended."""
    return await _ask(endpoint, Ask(runs=runs), Status)


async def cease(endpoint: Endpoint, run: str | None, *, now: bool) -> tuple[str, ...]:
    """Stop `run` (None: all); the names of those that were told to."""
    return (await _ask(endpoint, Cease(run=run, now=now), Ceased)).runs


async def recall(endpoint: Endpoint, run: str | None, *, detailed: bool = False) -> Result:
    """The result of a run that has ended; with `detailed`, all series and machines over time are in it.

    Raises:
        UsageError: it goes on, was refused, or is not known.
    """
    answer: Ended | Snapshot = await _ask(endpoint, Follow(run=run), Ended, Snapshot)
    if isinstance(answer, Snapshot):
        raise UsageError(f"{answer.run} goes on", f"loads attach {answer.run} follows it to its end")
    if not detailed:
        return answer.result
    outcome = await Session(endpoint, _Nobody(), run=answer.run, detailed=True).run()
    assert isinstance(outcome, Result)  # nobody detaches it
    return outcome


async def check_agents(endpoint: Endpoint, who: Who) -> list[Checked]:
    """Run an empty test on each free agent, all at once, and on each alone."""
    status = await ask_status(endpoint)
    with tempfile.TemporaryDirectory(prefix="loads-check-") as directory:
        here = Path(directory)
        (here / "loads_check.py").write_text(_NOTHING)
        packed = pack(["loads_check.py"], directory=here, archive=here / "bundle.tar.gz")
        return list(
            await asyncio.gather(
                *(
                    _check(endpoint, who, packed, agent.name, agent.host)
                    if agent.run is None
                    else _busy(agent.name, agent.host, agent.run)
                    for agent in status.agents
                )
            )
        )


def bundle_ref(packed: Packed, requirements: Sequence[str] = (), ca_bundle: str | None = None) -> BundleRef:
    """What a submission says of its files."""
    return BundleRef(
        sha256=packed.sha256,
        size_bytes=packed.size_bytes,
        targets=packed.targets,
        search_path=packed.search_path,
        ca_bundle=ca_bundle,
        requirements=tuple(requirements),
    )


async def _check(endpoint: Endpoint, who: Who, packed: Packed, agent: str, host: str) -> Checked:
    spec = RunSpec(
        targets=packed.targets,
        search_path=packed.search_path,
        load=LoadOptions(),
        workers=1,
        seed=0,
        server_url=None,
        fresh_session=False,
    )
    submit = Submit(nonce=secrets.randbits(64), who=who, spec=spec, bundle=bundle_ref(packed), agents=1, names=(agent,))
    session = Session(endpoint, _Nobody(), submit=submit, packed=packed)
    try:
        async with asyncio.timeout(CHECK_S):
            result = await session.run()
    except TimeoutError:
        if session.following.run is not None:  # else its agent stays busy with it
            with suppress(LoadsError):
                await cease(endpoint, session.following.run, now=True)
        return Checked(agent, host, Trouble(message=f"nothing came of it in {CHECK_S:.0f} s", hint="see its log"))
    except LoadsError as error:
        trace = getattr(error, "traceback", "")
        return Checked(agent, host, Trouble(message=error.message, hint=error.hint, traceback=trace))
    assert isinstance(result, Result)
    judgement = result.judge()
    if judgement.verdict is not Verdict.PASSED:
        told = "; ".join(judgement.reasons) or judgement.verdict.value
        return Checked(agent, host, Trouble(message=f"the empty test did not pass: {told}", hint="see its log"))
    return Checked(agent, host)


async def _busy(agent: str, host: str, run: str) -> Checked:
    return Checked(agent, host, busy=run)


class _Nobody:
    """A follower that looks away."""

    def planned(self, result: Result) -> None:
        """Nothing."""

    def progress(self, result: Result, elapsed_us: int) -> None:
        """Nothing."""

    def printed(self, worker: int, line: str) -> None:
        """Nothing."""

    def noticed(self, what: str) -> None:
        """Nothing."""

    def asked(self, question: str | None) -> None:
        """Nothing."""


async def _ask(endpoint: Endpoint, question: ToBroker, *kinds: type[T]) -> T:
    """The broker's answer, which is of one of these `kinds`.

    Raises:
        LoadsError: it has none, or does not answer.
    """
    answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def heard(message: FromBroker) -> None:
        if isinstance(message, Welcome):
            contact.send(question)
        elif isinstance(message, Refused):
            raise refusal(message.trouble)
        elif isinstance(message, kinds) and not answer.done():
            answer.set_result(message)

    contact = Contact(endpoint, heard=heard)
    async with contact:
        ends: list[asyncio.Future[Any]] = [answer, contact.failed]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=ANSWER_S)
    if contact.failed.done():
        contact.failed.result()
    if not answer.done():
        raise LoadsError(f"the broker at {endpoint} does not answer", "see its log")
    return answer.result()
