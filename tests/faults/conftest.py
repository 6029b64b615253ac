"""The cluster that faults are done to."""

from __future__ import annotations

from tests.cluster import cluster

__all__ = ["cluster"]
