"""What the user says a run is judged by. Values only; `verdict` weighs, `threshold` reads the expressions."""

from __future__ import annotations

import msgspec


class Rules(msgspec.Struct, frozen=True):
    """Of one run.

    Attributes:
        thresholds: expressions, as `expressions.parse_thresholds` takes them; with any, they decide.
        warm_up_us: what was measured before is left out of them.
        max_lost: part of the requests or iterations, 0..1, beyond which a run that lost them is invalid.
        allow_invalid: reasons to call a run invalid are warnings only.
    """

    thresholds: tuple[str, ...] = ()
    warm_up_us: int = 0
    max_lost: float = 0.01
    allow_invalid: bool = False
