"""The contract that holds the package to its table of rooms, for import-linter.

A table is what the design is written as, so it is kept as one, rather than as a list of forbidden pairs for each room.
A room that is not in the table breaks the contract, too. Rooms of the table that are not built yet are doors left open.
"""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

ROOT = "loads"
FOR_ALL = {"errors", "units"}


class RoomsContract(Contract):
    """`table`: lines of ``room: allowed, allowed``; ``*`` allows all."""

    type_name = "rooms"
    table = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        allowed = {}
        for line in self.table:
            room, _, names = line.partition(":")
            allowed[room.strip()] = {name.strip() for name in names.split(",") if name.strip()}
        problems = []
        for importer in sorted(graph.modules):
            room = _room(importer)
            if room is None:
                continue
            if room not in allowed:
                problems.append(f"{importer}: there is no room {room!r} in the table")
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                target = _room(imported)
                if target is None or target == room or target in FOR_ALL | allowed[room] or "*" in allowed[room]:
                    continue
                problems.append(f"{importer} imports {imported}: {room} may not import {target}")
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in check.metadata["problems"]:
            output.print_error(problem)


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == ROOT and len(parts) > 1 else None
