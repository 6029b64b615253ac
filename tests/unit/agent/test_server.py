from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from loads.agent.events import ClosePool, Drop, Obtain, Send
from loads.agent.server import AgentServer
from loads.agent.state import Agent
from loads.bundle.pack import pack
from loads.errors import LoadsError
from loads.pool.confine import Confinement
from loads.wire.cluster import BundleRef
from loads.wire.codec import MAX_MESSAGE_BYTES
from loads.wire.endpoint import parse_endpoint
from tests.servers import wait_until

AGENT = Agent(name="ada", identity=1, incarnation=5, host="here", cores=1, limit=1, version="test")


class Shell:
    """The shell alone: no broker, and effects that nobody's state asked for."""

    def __init__(self, directory: Path) -> None:
        self.log: list[str] = []
        endpoint = parse_endpoint(str(directory / "none.sock"))
        self.server = AgentServer(AGENT, endpoint, directory, self.log.append, Confinement())
        self.perform = self.server._perform

    async def close(self) -> None:
        await self.server._end()
        self.server._pages.close()


def test_a_batch_that_is_too_large_is_told_once_and_does_not_end_the_agent(tmp_path: Path) -> None:
    async def main() -> None:
        shell = Shell(tmp_path)
        for _ in range(2):
            shell.perform(Send(bytes(MAX_MESSAGE_BYTES + 1)))
        assert len(shell.log) == 1
        assert "too large to send" in shell.log[0]
        await shell.close()

    asyncio.run(main())


def test_that_no_broker_answers_is_told_once_and_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loads.agent.server.QUIET_S", 0.0)

    async def main() -> None:
        shell = Shell(tmp_path)
        for _ in range(3):
            shell.server._tell_trouble()
        assert len(shell.log) == 1
        first, hint = shell.log[0].split("\n")
        assert first == f"no broker answers at {tmp_path}/none.sock; it is tried again"
        assert "loads-broker" in hint
        assert "loads keys join LINE" in hint
        await shell.close()

    asyncio.run(main())


def test_a_broker_that_is_there_again_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        shell = Shell(tmp_path)
        shell.server._dealer.trouble = LoadsError("the broker is strange", "look at it\nand again")
        shell.server._tell_trouble()
        shell.server._dealer.connected = True
        for _ in range(2):
            shell.server._tell_trouble()
        assert shell.log == [
            "the broker is strange; it is tried again\n  look at it\n  and again",
            f"the broker at {tmp_path}/none.sock is there",
        ]
        shell.server._dealer.connected = False
        await shell.close()

    asyncio.run(main())


def test_a_run_that_ends_while_its_files_are_copied_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that copies can't be stopped, so the directory goes once it is through."""
    copying, go_on = threading.Event(), threading.Event()

    def copy_slowly(source: Path, target: Path, **options: Any) -> Path:
        copying.set()
        assert go_on.wait(10)
        return really(source, target, **options)

    really = shutil.copytree
    bundle = bundle_in(tmp_path)
    monkeypatch.setattr(shutil, "copytree", copy_slowly)

    async def main() -> None:
        shell = Shell(tmp_path)
        place = shell.server._spool.place("a1", AGENT.incarnation)
        shell.perform(Obtain("a1", bundle, None))
        assert await asyncio.to_thread(copying.wait, 10)
        shell.perform(ClosePool("a1"))
        shell.perform(Drop("a1", AGENT.incarnation, ()))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.to_thread(wait_until, lambda: not shell.server._tasks, "the end of all that was to be done")
        assert not place.exists()
        await shell.close()

    asyncio.run(main())


def bundle_in(directory: Path) -> BundleRef:
    """A bundle that the agent has already."""
    home = directory / "home"
    home.mkdir()
    (home / "site.py").write_text("")
    (directory / "bundles").mkdir()
    packed = pack(["site.py"], directory=home, archive=directory / "packed")
    packed.archive.rename(directory / "bundles" / f"{packed.sha256}.tar.gz")
    return BundleRef(sha256=packed.sha256, size_bytes=packed.size_bytes, targets=("site.py",), search_path=(".",))
