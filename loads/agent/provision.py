"""What a run needs before its tests can be loaded: the bundle, a working directory, the dependencies.

Bundles and environments stay for the next run that wants the same. A working directory is a run's own copy of the
bundle, so that nothing that tests write is found by another run; one that was named is used again.

Where workers are another user's, so is the working directory. One that is new is filled before that user can enter it.
One that he had before is his ground: he may have put links anywhere, so what is to be written there is written by a
process of his own, which can do no more than he can.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from loads.bundle.builder import Account
from loads.bundle.cache import BundleCache
from loads.bundle.environment import EnvironmentFailed, prepare
from loads.errors import LoadsError
from loads.pool.confine import Confinement, WorkerUser, hand_over, make_place
from loads.wire.cluster import BundleRef, Chunk, Fetch, Trouble
from loads.wire.pull import Pull

MAX_BUNDLES = 8
_FRESH: Final = ".fresh-"
_COPY: Final = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"
_COPY_S: Final = 600.0
P = ParamSpec("P")
T = TypeVar("T")


class NotProvided(Exception):
    """Why a run can't have what it needs."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


class Provision:
    """Of one agent, below `directory`, for workers with that `confinement`.

    `send` asks the broker for a piece of a bundle.
    """

    def __init__(self, directory: Path, send: Callable[[Fetch], bool], confinement: Confinement) -> None:
        self._directory = directory
        self._send = send
        self._confinement = confinement
        self._user = confinement.user
        self._named = directory / "work"
        for place in (self._named, directory / "environments"):
            make_place(place, passable=self._user is not None)
        for left in self._named.glob(f"{_FRESH}*"):
            shutil.rmtree(left, ignore_errors=True)
        self._bundles = BundleCache(directory / "bundles", most=MAX_BUNDLES)
        self._pulls: dict[str, tuple[Pull, asyncio.Future[None]]] = {}

    def named(self, name: str) -> Path:
        """The working directory that stays, and is used again by its name."""
        return self._named / name

    async def obtain(self, bundle: BundleRef | None, work: Path) -> tuple[str, ...]:
        """Fill the working directory `work`; what to import from besides, relative to it or absolute.

        Raises:
            NotProvided: it can't be.

        Cancelled, it ends once nothing is written to `work` any more.
        """
        try:
            if bundle is None:
                await _in_thread(self._fill, None, work)
                return (".",)
            with self._bundles.using(bundle.sha256):
                if self._bundles.archive(bundle.sha256) is None:
                    await self._fetch(bundle)
                tree = await _in_thread(self._bundles.unpacked, bundle.sha256)
                await _in_thread(self._fill, tree, work)
            if not bundle.requirements:
                return bundle.search_path
            site = await prepare(
                bundle.requirements,
                self._directory / "environments",
                search=work,
                variables=self._confinement.variables,
                account=None if self._user is None else Account(self._user.uid, self._user.gid, self._user.groups),
            )
            return (*bundle.search_path, str(site))
        except EnvironmentFailed as error:
            raise NotProvided(Trouble.of(error.message, error.hint, error.output)) from error
        except LoadsError as error:
            raise NotProvided(Trouble.of(error.message, error.hint)) from error
        except OSError as error:
            raise NotProvided(
                Trouble(message=f"the working directory can't be made: {error}", hint="see the agent's disk")
            ) from error

    def take(self, chunk: Chunk) -> None:
        """A piece came."""
        if chunk.sha256 not in self._pulls:
            return
        pull, whole = self._pulls[chunk.sha256]
        if whole.done():
            return
        try:
            if not chunk.total:
                raise LoadsError("the broker does not have the files of the run any more", "run it again")
            if pull.take(chunk, _now_us()):
                whole.set_result(None)
        except LoadsError as error:
            whole.set_exception(error)
        else:
            self.tick()

    def tick(self) -> None:
        """Ask for what is due; to be called a few times a second."""
        for pull, whole in self._pulls.values():
            if not whole.done():
                for fetch in pull.ask(_now_us()):
                    self._send(fetch)

    def _fill(self, tree: Path | None, work: Path) -> None:
        """Let `work` be there, with what is in `tree`. Blocks.

        Raises:
            LoadsError, OSError: it can't be.
        """
        owner, name = (os.geteuid(), "its agent") if self._user is None else (self._user.uid, self._user.name)
        if work.exists() and work.stat().st_uid != owner:
            raise LoadsError(
                f"the working directory {work.name} belongs to another user than {name}",
                f"give another --test-dir, or remove {work} there",
            )
        if self._user is None:
            work.mkdir(mode=0o700, exist_ok=True)
            if tree is not None:
                shutil.copytree(tree, work, dirs_exist_ok=True)
        elif not work.exists():
            _make(tree, work, self._user)
        elif tree is not None:
            fresh = work.with_name(f"{_FRESH}{secrets.token_hex(8)}")
            try:
                _make(tree, fresh, self._user)
                _copy_as(self._user, fresh, work)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    async def _fetch(self, bundle: BundleRef) -> None:
        sink = self._bundles.writer(bundle.sha256, bundle.size_bytes)
        pull = Pull(bundle.sha256, bundle.size_bytes, sink)
        whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pulls[bundle.sha256] = pull, whole
        try:
            self.tick()
            await whole
        finally:
            del self._pulls[bundle.sha256]
            pull.close()


def _make(tree: Path | None, work: Path, user: WorkerUser) -> None:
    """A new directory `work` with what is in `tree`, which becomes `user`'s at last."""
    work.mkdir(mode=0o700)
    if tree is not None:
        shutil.copytree(tree, work, dirs_exist_ok=True)
    work.chmod(0o700)
    hand_over(work, user)


def _copy_as(user: WorkerUser, source: Path, target: Path) -> None:
    """Have a process of `user` copy what is in `source` over what is in `target`."""
    command = [sys.executable, "-I", "-c", _COPY, str(source), str(target)]
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
            cwd="/",
            timeout=_COPY_S,
            **user.as_started,
        )
    except subprocess.TimeoutExpired:
        raise LoadsError(
            f"the files can't be copied to {target} within {_COPY_S:.0f} s", "see what lies there"
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:1_000]
        raise LoadsError(
            f"the files can't be copied to {target}: {said}", "give another --test-dir, or remove it there"
        )


async def _in_thread(job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `job` returns. A thread can't be cancelled: that is put off until it is through."""
    working = asyncio.create_task(asyncio.to_thread(job, *args, **kwargs))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise


def _now_us() -> int:
    return time.monotonic_ns() // 1_000
