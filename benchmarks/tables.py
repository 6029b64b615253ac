"""Tables as the benchmarks show them: aligned on a console, or as `list-table` to be pasted into the docs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Table:
    """A title, a head, rows of ready texts, and what a reader must know beside them."""

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_text(self) -> str:
        """For a console: the first column to the left, figures to the right."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        aligned = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([self.title, "", aligned[0], rule, *aligned[1:], *(f"  {note}" for note in self.notes)])

    def as_rst(self) -> str:
        """For the docs: a `list-table`, with the notes as paragraphs below it."""
        lines = [f".. list-table:: {self.title}", "   :header-rows: 1", ""]
        for row in (self.head, *self.rows):
            lines += [f"   {'* -' if column == 0 else '  -'} {cell}".rstrip() for column, cell in enumerate(row)]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines)


def show(table: Table, *, rst: bool) -> None:
    """Print `table` on the standard output."""
    print(table.as_rst() if rst else table.as_text(), end="\n\n", flush=True)


def middle_and_range(values: Sequence[float], form: str) -> tuple[str, str]:
    """The median, and from where to where the values go, both in format `form`."""
    return format(median(values), form), f"{min(values):{form}} - {max(values):{form}}"
