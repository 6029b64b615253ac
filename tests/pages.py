"""The examples of the documentation, for tests that run them."""

from __future__ import annotations

import textwrap
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def example(page: str, heading: str) -> str:
    """The first block of Python under `heading`."""
    _, found, rest = (DOCS / page).read_text().partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading}"
    code = rest.partition(".. code-block:: python\n\n")[2].splitlines()
    block = code[: next(at for at, line in enumerate(code) if line and line[0] != " ")]
    return textwrap.dedent("\n".join(block))
