"""A line plot as SVG, made by hand: two panels side by side are all that `broker.py` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

_WIDTH, _HEIGHT = 440, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 40, 86
_KEY = 150
"""Width of a name in the key, of which there are two in a row."""
_GREY = "#737b86"
"""Reads on white and on black alike, as the colours do."""
_COLOURS = ("#3b82f6", "#e0566a", "#2fa866", "#9a75e0")
_STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_FEW = 8
"""So many lines across a panel at most."""


@dataclass(frozen=True)
class Curve:
    """A name, and its points in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Curves over one axis; `limit` is drawn across, with its name."""

    title: str
    x_name: str
    y_name: str
    curves: Sequence[Curve]
    limit: tuple[str, float] | None = None


def draw(title: str, panels: Sequence[Panel], path: Path) -> None:
    """Write `panels`, from left to right, to `path`; `title` is for those who can't see them."""
    width = _WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}"',
        '     role="img" aria-labelledby="title" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12">',
        f'<title id="title">{escape(title)}</title>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * _WIDTH} 0)">', *_panel(panel), "</g>"]
    path.write_text("\n".join([*parts, "</svg>", ""]))


def _panel(panel: Panel) -> list[str]:
    points = [point for curve in panel.curves for point in curve.points]
    highest = max([y for _, y in points] + ([panel.limit[1]] if panel.limit else [])) or 1.0
    step = next((step for step in _STEPS if highest / step <= _FEW), highest)
    top = step * (int(highest / step) + 1)
    right = max(x for x, _ in points) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + x / right * (_WIDTH - _LEFT - _RIGHT)
        return round(across, 1), round(_HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [_text(_LEFT, 20, panel.title, weight="bold")]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - _BOTTOM + 36, panel.x_name, anchor="middle"))
    parts.append(_text(_LEFT, _TOP - 6, panel.y_name, colour=_GREY))
    for n in range(round(top / step) + 1):
        x, y = at(0, n * step)
        parts.append(_line(x, y, _WIDTH - _RIGHT, y, _GREY, faint=True))
        parts.append(_text(x - 6, y + 4, f"{n * step:g}", anchor="end"))
    for x in sorted({x for x, _ in points}):
        parts.append(_text(at(x, 0)[0], _HEIGHT - _BOTTOM + 16, f"{x:g}", anchor="middle"))
    if panel.limit is not None:
        name, value = panel.limit
        x, y = at(0, value)
        parts.append(_line(x, y, _WIDTH - _RIGHT, y, _GREY, dash="5 4"))
        parts.append(_text(x + 6, y - 5, name))
    for n, curve in enumerate(panel.curves):
        colour = _COLOURS[n % len(_COLOURS)]
        places = [at(x, y) for x, y in curve.points]
        way = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(_text(_LEFT + n % 2 * _KEY, _HEIGHT - 26 + n // 2 * 18, f"— {curve.name}", colour=colour))
    return parts


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: str | None = None, faint: bool = False
) -> str:
    look = ("" if dash is None else f' stroke-dasharray="{dash}"') + (' stroke-opacity="0.3"' if faint else "")
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}"{look}/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = _GREY) -> str:
    place = f'x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>"
