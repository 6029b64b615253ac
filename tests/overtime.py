"""A result over time: what its document tells of each second adds up to what it tells of the whole."""

from __future__ import annotations

from typing import Any


def assert_adds_up(document: dict[str, Any]) -> None:
    """In total, by series, and by agent."""
    totals = document["totals"]
    assert sum(point["hits"] for point in document["timeline"]) == totals["hits"] > 0
    for series in document["series"]:
        assert sum(point["hits"] for point in series["timeline"]) == series["hits"], series["name"]
    assert sum(point["hits"] for machine in document["machines"] for point in machine["timeline"]) == totals["hits"]
    agents = {agent["name"] for agent in document["run"]["agents"]}
    assert {machine["agent"] for machine in document["machines"]} <= agents


def kinds(document: dict[str, Any]) -> set[str]:
    """Of the events on its time axis, each of which is within the run, or a moment after it."""
    assert all(0 <= event["t_s"] <= document["run"]["duration_s"] + 60 for event in document["events"])
    return {event["kind"] for event in document["events"]}
