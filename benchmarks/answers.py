"""What the server answers, and what it insists on: a tool that leaves out its part of a case gets an error for it.

Pure: texts for nginx.py's configuration and for the catalogue. The files in `cases/` run elsewhere (in a worker, in
Locust's environment) and repeat the few values that they send or assert; nginx refuses what differs.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final

BODY: Final = "Forty bytes that say that all went well."
"""The answer of nearly all cases: small, so that what is measured is the tool and not the copying."""

COOKIES: Final = {"session": "4f9c2a71d05b8e36", "basket": "17", "theme": "dark"}
"""Set by /login; /basket answers only who sends them all."""

ORDER: Final = {"customer": 1042, "article": "walnut desk", "quantity": 2, "express": True, "price": 349.5}
ORDER_TEXT: Final = json.dumps(ORDER)
"""What is posted to /orders, byte for byte as Python's json writes it."""

PAGE_BYTES: Final = 10_240
NEXT_PAGE: Final = "/orders.json?page=8"
"""Stands at the very end of the page of orders: who asserts it has parsed the whole."""

_ARTICLES = ("walnut desk", "reading lamp", "wool blanket", "tea kettle", "garden chair", "bread knife", "wall clock")
_TOWNS = ("Aachen", "Bergen", "Coimbra", "Dundee", "Eindhoven", "Ferrara", "Göteborg", "Heraklion", "Innsbruck")
_STATES = ("ordered", "paid", "packed", "sent", "delivered", "returned")


def page_of_orders() -> bytes:
    """A page of an order list, about `PAGE_BYTES` of JSON, whose records vary as real ones do; always the same."""
    chance = random.Random(7)
    page: dict[str, Any] = {"page": 7, "orders": []}
    while len(_as_json(page)) < PAGE_BYTES:
        page["orders"].append(_order(chance))
    return _as_json(page | {"next": NEXT_PAGE})


def cookie_header() -> str:
    """The three cookies as a client sends them."""
    return "; ".join(f"{name}={value}" for name, value in COOKIES.items())


def _order(chance: random.Random) -> dict[str, Any]:
    return {
        "number": chance.randrange(100_000, 1_000_000),
        "at": f"2025-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T{chance.randint(0, 23):02}:15:00Z",
        "state": chance.choice(_STATES),
        "ship_to": {"town": chance.choice(_TOWNS), "code": f"{chance.randrange(100_000):05}"},
        "lines": [
            {
                "article": chance.choice(_ARTICLES),
                "quantity": chance.randint(1, 9),
                "price": round(chance.uniform(4, 400), 2),
                "gift": chance.random() < 0.1,
                "note": None,
            }
            for _ in range(chance.randint(1, 3))
        ],
        "token": f"{chance.getrandbits(64):016x}",
    }


def _as_json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
