"""What a row of jobs comes to, table by table, so that hundreds of batches are one statement. Pure.

Jobs of different kinds touch different tables or, like a batch and the checkpoint behind it, give the same in any
order once the watermarks are respected. So they are gathered by kind; only `Forget` parts what comes before it from
what comes after.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loads.broker.records import AddBatch, AddLines, Checkpoint, Forget, Job, LineRow, RunRow, SaveRun

Marks = dict[str, dict[int, int]]
"""The last batch taken, by run and incarnation. A run that is not in it is not in the store."""


@dataclass
class Changes:
    """What to write, in this order; then all of `forgotten` goes.

    Attributes:
        marks: watermarks that rose, by run and incarnation.
        lines: by run and number.
    """

    runs: dict[str, RunRow] = field(default_factory=dict)
    journal: list[AddBatch] = field(default_factory=list)
    marks: dict[tuple[str, int], int] = field(default_factory=dict)
    lines: dict[str, dict[int, LineRow]] = field(default_factory=dict)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    forgotten: str | None = None

    def _raise_mark(self, marks: Marks, run: str, incarnation: int, seq: int) -> bool:
        """Whether `seq` is above the watermark; then it is the new one."""
        known = marks[run]
        if seq <= known.get(incarnation, 0):
            return False
        known[incarnation] = seq
        self.marks[run, incarnation] = seq
        return True

    def take(self, job: Job, marks: Marks) -> None:
        """Add `job`; `marks` is kept as it will be then."""
        if isinstance(job, SaveRun):
            self.runs[job.run] = job.row
            marks.setdefault(job.run, {})
        elif job.run not in marks:
            return
        elif isinstance(job, AddBatch):
            if self._raise_mark(marks, job.run, job.incarnation, job.seq):
                self.journal.append(job)
        elif isinstance(job, AddLines):
            self.lines.setdefault(job.run, {}).update({line.number: line for line in job.lines})
        elif isinstance(job, Checkpoint):
            self.checkpoints.append(job)
            for incarnation, seq in job.through.items():
                self._raise_mark(marks, job.run, incarnation, seq)
        else:
            self.forgotten = job.run
            del marks[job.run]


def fold(jobs: Iterable[Job], marks: Marks) -> list[Changes]:
    """The changes that `jobs` make, one after the other. `marks`: of all their runs; it is used up."""
    all_changes = [Changes()]
    for job in jobs:
        all_changes[-1].take(job, marks)
        if isinstance(job, Forget):
            all_changes.append(Changes())
    return all_changes
