"""Where an agent's records lie: ``runs/RUN-INCARNATION/`` in its state directory.

    records     what `Outbox` is made of, only ever added to
    *.page      counters of the workers, and beside them their last words
    work/       the working directory, where the run has one of its own

Writing is handing the bytes to the kernel: that survives the death of any process, but not of the machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loads.agent.records import Base, Format, Record, encode_record, read_spool
from loads.errors import LoadsError
from loads.pool.confine import make_place

_RECORDS: Final = "records"


class Spool:
    """All the files of runs of an agent, below `directory`. `passable`: another user works in the ``work`` of a run."""

    def __init__(self, directory: Path, *, passable: bool = False) -> None:
        self._directory = directory
        self._passable = passable
        self._open: dict[tuple[str, int], int] = {}
        make_place(directory, passable=passable)

    def place(self, run: str, incarnation: int) -> Path:
        """The directory of that part of a run; made when missing."""
        path = self._directory / f"{run}-{incarnation:016x}"
        make_place(path, passable=self._passable)
        return path

    def append(self, run: str, incarnation: int, record: Record) -> None:
        """Add `record`: once this returns, it outlives this process."""
        descriptor = self._open.get((run, incarnation))
        if descriptor is None:
            path = self.place(run, incarnation) / _RECORDS
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._open[run, incarnation] = descriptor
            if not os.fstat(descriptor).st_size:
                _write(descriptor, encode_record(Format()))
        _write(descriptor, encode_record(record))

    def rewrite(self, run: str, incarnation: int, base: Base) -> None:
        """Let the records begin anew with `base`; at no moment are there none."""
        path = self.place(run, incarnation) / _RECORDS
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, encode_record(Format()) + encode_record(base))
        finally:
            os.close(descriptor)
        self._close(run, incarnation)
        fresh.replace(path)

    def drop(self, run: str, incarnation: int) -> None:
        """Remove all of it."""
        self._close(run, incarnation)
        shutil.rmtree(self.place(run, incarnation), ignore_errors=True)  # it goes after no link, whoever swaps one in

    def found(self) -> Iterator[tuple[str, int, tuple[Record, ...]]]:
        """What earlier processes left: run, incarnation, records.

        Raises:
            LoadsError: another version of Loads left it. It stays as it is.
        """
        for path in sorted(self._directory.iterdir()):
            run, dash, name = path.name.rpartition("-")
            try:
                incarnation = int(name, 16)
            except ValueError:
                continue
            if not dash or not run:
                continue
            records = path / _RECORDS
            data = records.read_bytes() if records.exists() else b""
            try:
                whole, length = read_spool(data)
            except LoadsError as error:
                raise LoadsError(
                    f"what was measured and lies in {path} can't be read: {error.message}",
                    "start the agent of that version once more, so that it delivers this;\n"
                    f"or remove {path}, and it is lost",
                ) from None
            if length < len(data):  # a torn record must not stand before whole ones
                os.truncate(records, length)
            yield run, incarnation, whole

    def _close(self, run: str, incarnation: int) -> None:
        descriptor = self._open.pop((run, incarnation), None)
        if descriptor is not None:
            os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
