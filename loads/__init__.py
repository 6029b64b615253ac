"""Loads: distributed load testing with plain Python unittests.

Importing this package, or any module of it, has no side effects; the one exception is
``loads.worker.__main__``, which is only ever run as a process.
"""

__version__ = "1.0.0.dev0"
