"""Everything is said in pyproject.toml; this is where building the front end will hook in."""

from setuptools import setup

setup()
