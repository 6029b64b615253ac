"""Names of runs: short, readable, said over a telephone."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_HOW: Final = _words("""
    able amber bold brave bright brisk calm clear cool deep early eager fair fast fine firm fresh glad gold grand green
    happy high keen kind large late lean light lively long loud low lucky mild neat new nimble noble plain proud quick
    quiet rapid rare red ripe round sharp short shy silver slow small smart soft solid steady still strong sunny sure
    swift tall tame tidy true vast vivid warm white wide wild wise young
""")
_WHAT: Final = _words("""
    acorn alder anchor apple arrow aspen badger bay beacon beech birch boat bridge brook canyon cedar cliff cloud clover
    comet coral crane creek dawn delta dune eagle ember falcon fern field finch fjord forest fox garden glade grove gull
    harbor hawk hazel heron hill holly island ivy jay kite lagoon lake lantern lark linden lynx maple marsh meadow mesa
    moon moss oak ocean olive orchard osprey otter owl peak pebble pine plum pond poplar rain raven reef ridge river
    robin rock rose sail sand shore sky snow spring star stone storm stream swan thistle tide tiger trail valley wave
    willow wind wolf wren
""")


def new_name(random: Random, taken: Callable[[str], bool]) -> str:
    """``quiet-harbor``, or with a number behind it when names grow scarce."""
    for turn in range(20):
        name = f"{random.choice(_HOW)}-{random.choice(_WHAT)}"
        if turn >= 10:
            name += f"-{random.randrange(2, 1_000 * (turn - 8))}"
        if not taken(name):
            return name
    return f"run-{random.getrandbits(48):012x}"
