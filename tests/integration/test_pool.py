"""A pool of real workers, as an agent has it: portions that come and go, leases that end, spares that wait."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loads.metrics.counters import Counts
from loads.plan.share import WHOLE, cut
from loads.plan.spec import Phase
from loads.pool import nursery as nursery_module
from loads.pool.events import AllLoaded, Go, Lease, Lost, Measured, PhaseOver, Refused, Resumed, Share, Shared, Took
from loads.pool.nursery import Nursery
from loads.units import US_PER_S
from loads.wire.codec import from_worker
from loads.wire.messages import Hello, Load
from tests.integration.test_counts import HOME
from tests.pools import Owner, now_us, timed
from tests.servers import DEADLINE_S, Nginx, wait_until

FIRST, SECOND = cut(WHOLE, 2)
SLOW = HOME.replace("200)", "200)\n        __import__('time').sleep(0.02)")
NUMBERS = HOME.replace("def test_home", "def test_who").replace(
    "self.server_url)", "self.server_url, headers={'User-Agent': f'{self.user.user}/{self.user.worker}'})"
)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "home.py").write_text(SLOW)
    return tmp_path


def check(owner: Owner, nginx: Nginx) -> None:
    """Nothing is missing, and nothing is told that was not."""
    totals, counts = owner.summary.totals, owner.summary.counts
    assert totals.started == totals.ended + totals.interrupted
    assert owner.lost == Counts()
    assert counts.sent == nginx.count()


def test_portions_come_and_go_on_a_live_pool(house: Path, nginx: Nginx) -> None:
    async def live() -> Owner:
        owner = Owner(house, 2)
        async with owner.pool:
            await owner.begin(nginx.url, timed(8, 60), portions=(FIRST,))
            await owner.wait_until(lambda: owner.users() == 4)
            owner.pool.handle(Share((FIRST, SECOND), 0))
            assert owner.all(Shared) == [Shared((FIRST, SECOND))]
            await owner.wait_until(lambda: owner.users() == 8)
            owner.pool.handle(Share((SECOND,), 0))
            await owner.wait_for(Shared, 2)
            await owner.wait_until(lambda: owner.users() == 4)
            owner.pool.handle(Share((), 0))
            await owner.wait_for(Shared, 3)
            await owner.wait_for(PhaseOver)
            assert owner.all(PhaseOver)[0].ended_us < 60 * US_PER_S
            sent = nginx.count()
            owner.pool.handle(Share((WHOLE,), 0))
            await owner.wait_for(Resumed)
            await owner.wait_until(lambda: owner.users() == 8)
            assert nginx.count() > sent
            owner.pool.handle(Share((), 0))
            await owner.wait_for(PhaseOver, 2)
            await owner.end()
        return owner

    check(asyncio.run(live()), nginx)


def test_with_hits_each_slot_runs_its_own_wherever_it_is(house: Path, nginx: Nginx) -> None:
    """What was yielded is not run here to its end, what is taken is run from its beginning."""
    third = cut(WHOLE, 3)

    async def live() -> Owner:
        owner = Owner(house, 2)
        async with owner.pool:
            await owner.begin(nginx.url, Phase(6, hits=100), Phase(6, hits=10), portions=(third[0],))
            owner.pool.handle(Share((third[0], third[1]), 0))
            owner.pool.handle(Share((third[0], third[1], third[2]), 1))
            await owner.wait_for(PhaseOver)
            assert owner.summary.totals.ended == 400
            owner.pool.handle(Go(1, *[now_us()] * 2))
            await owner.wait_for(PhaseOver, 2)
            await owner.end()
        return owner

    owner = asyncio.run(live())
    check(owner, nginx)
    assert owner.summary.totals.ended == 460


def test_no_iteration_starts_after_the_lease_and_a_shorter_one_counts(house: Path, nginx: Nginx) -> None:
    async def live() -> Owner:
        owner = Owner(house, 2, own_lease=False)
        async with owner.pool:
            owner.pool.handle(Lease(0))
            await owner.begin(nginx.url, timed(4, 60))
            assert nginx.count() == 0
            owner.pool.handle(Lease(now_us() + 60 * US_PER_S))
            await owner.wait_until(lambda: owner.summary.totals.ended > 20)
            owner.pool.handle(Lease(now_us()))
            before = nginx.count()
            assert nginx.count() == before
            owner.pool.handle(Lease(now_us() + 60 * US_PER_S))
            await owner.wait_until(lambda: owner.summary.totals.ended > before)
            owner.pool.handle(Share((), 0))
            await owner.wait_for(PhaseOver)
            await owner.end()
        return owner

    check(asyncio.run(live()), nginx)


def test_a_replacement_runs_what_is_held_when_it_comes(house: Path, nginx: Nginx) -> None:
    async def live() -> Owner:
        owner = Owner(house, 2)
        async with owner.pool:
            await owner.begin(nginx.url, timed(8, 60), portions=(FIRST,))
            await owner.wait_until(lambda: owner.users() == 4)
            os.kill(owner.pool._workers[0].child.pid, signal.SIGKILL)
            owner.pool.handle(Share((FIRST, SECOND), 0))
            lost = await owner.wait_for(Lost)
            again = await owner.wait_for(Took, 3)
            assert (lost.loss.incarnation, again.worker) == (owner.all(Took)[0].incarnation, 0)
            await owner.wait_until(
                lambda: any(m.incarnation == again.incarnation and m.delta.users == 4 for m in owner.all(Measured))
            )
            owner.pool.handle(Share((), 0))
            await owner.wait_for(PhaseOver)
            await owner.end()
        return owner

    owner = asyncio.run(live())
    assert abs(owner.summary.counts.sent + owner.lost.sent - nginx.count()) <= 1


def test_each_process_is_named_before_all_else_and_its_page_is_there(house: Path) -> None:
    async def live() -> None:
        owner = Owner(house, 2)
        async with owner.pool:
            await owner.wait_for(AllLoaded)
            first, second, *_ = owner.reports
            assert isinstance(first, Took)
            assert isinstance(second, Took)
            assert first.page != second.page
            assert first.page.exists()

    asyncio.run(live())


def test_tests_are_imported_from_the_directory_that_the_load_names(house: Path) -> None:
    (house / "inner").mkdir()
    (house / "inner" / "site_test.py").write_text(
        HOME + "\nimport os, sys\nassert os.path.isabs(sys.path[0]), sys.path\n"
    )

    async def live(load: Load) -> Owner:
        owner = Owner(house, 1)
        owner.pool._state._load = load
        async with owner.pool:
            await owner.wait_until(lambda: bool(owner.all(AllLoaded) or owner.all(Refused)))
        return owner

    load = Load(targets=("site_test.TestHome",), search_path=("inner",), directory=str(house))
    [loaded] = asyncio.run(live(load)).all(AllLoaded)
    assert [scenario.name for scenario in loaded.loaded.scenarios] == ["site_test.TestHome.test_home"]
    gone = Load(targets=("site_test",), search_path=(), directory=str(house / "gone"))
    [refused] = asyncio.run(live(gone)).all(Refused)
    assert "No such file or directory" in refused.failure.message


# Spares.


@contextmanager
def quick_to_replace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(nursery_module, "AFTER_DEATH_S", 0.05)
    yield


async def until(nursery: Nursery, count: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while len(nursery) != count:
            await asyncio.sleep(0.01)


def test_a_pool_takes_spares_and_more_come(house: Path, nginx: Nginx) -> None:
    async def live() -> Owner:
        async with Nursery(house, 2) as nursery:
            await until(nursery, 2)
            spares = [spare.incarnation for spare in nursery._spares]
            nursery.pause()
            owner = Owner(house, 3, nursery)
            async with owner.pool:
                await owner.begin(nginx.url, Phase(6, hits=5))
                took = [took.incarnation for took in owner.all(Took)]
                assert took[:2] == spares
                assert len(set(took)) == 3
                assert repr(nursery) == "<Nursery 0/2 paused>"
                nursery.resume()
                await owner.wait_for(PhaseOver)
                await owner.end()
            await until(nursery, 2)
        return owner

    check(asyncio.run(live()), nginx)
    assert len(list(house.glob("*.page"))) == 3


def test_a_spare_that_died_is_given_to_nobody_and_replaced(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def live() -> None:
        async with Nursery(house, 1) as nursery:
            await until(nursery, 1)
            victim = nursery._spares[0]
            os.kill(victim.pid, signal.SIGKILL)
            await until(nursery, 0)
            await until(nursery, 1)
            child = await nursery.take()
            assert child.incarnation != victim.incarnation
            [hello] = from_worker().feed(await child.reader.read(1000))
            assert isinstance(hello, Hello)
            assert hello.incarnation == child.incarnation
            assert not victim.path.exists()
            child.kill()
            await child.process.wait()
            child.close()

    with quick_to_replace(monkeypatch):
        asyncio.run(live())


def test_leaving_ends_all_spares_and_leaves_nothing(house: Path) -> None:
    async def live() -> list[int]:
        async with Nursery(house, 2) as nursery:
            await until(nursery, 2)
            return [spare.pid for spare in nursery._spares]

    for pid in asyncio.run(live()):
        wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "the spare to end")
    assert not list(house.glob("*.page*"))


def test_without_spares_one_is_started(house: Path) -> None:
    async def live() -> None:
        async with Nursery(house, 0) as nursery:
            child = await nursery.take()
            assert child.process.returncode is None
            child.kill()
            await child.process.wait()
            child.close()

    asyncio.run(live())
