"""Fakes that ship: a clock that jumps, and a whole cluster in memory, by seeded chance.

    from loads.testing import Cluster, FakeClock, simulate

`simulate(seed)` runs a random cluster through random faults and checks the laws of a cluster all the time;
`python -m loads.testing SEED` replays one and prints what happened. Nothing in here is a mock: broker, agents and pools
are the real states, every message is encoded and decoded, the store is SQLite. Made up are time, the network,
processes, and the requests of the workers.
"""

from __future__ import annotations

from loads.testing.chaos import simulate
from loads.testing.clock import FakeClock
from loads.testing.cluster import Cluster
from loads.testing.world import Broken

__all__ = ["Broken", "Cluster", "FakeClock", "simulate"]
