"""``python -m loads.testing SEED [SEED ...]``, or ``FIRST-LAST``: simulate, and tell the story of what breaks."""

from __future__ import annotations

import sys
import traceback

from loads.testing.chaos import FAULTS_UNTIL_US, Chaos
from loads.testing.cluster import Cluster


def replay(seed: int, *, tell: bool) -> bool:
    """Whether all laws hold for `seed`; if not, or to `tell`, what happened is printed."""
    with Cluster(seed) as cluster:
        try:
            Chaos(cluster).prepare()
            cluster.run_until(FAULTS_UNTIL_US)
            cluster.settle()
        except Exception:
            if tell:
                print(cluster.world.story())
            traceback.print_exc(limit=-4, file=sys.stdout)
            print(f"seed {seed} breaks at {cluster.now_us / 1e6:.3f} s")
            return False
        if tell:
            print(cluster.world.story())
    return True


def main() -> None:
    """Exit code 1 if a law broke."""
    broken = []
    for argument in sys.argv[1:]:
        first, dash, last = argument.partition("-")
        seeds = range(int(first), int(last or first) + 1)
        broken += [seed for seed in seeds if not replay(seed, tell=not dash)]
    if broken:
        print("broken:", *broken)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
