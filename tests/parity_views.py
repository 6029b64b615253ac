"""What can be seen of an answer, an exception or a jar, as plain values; and where two such values differ."""

from __future__ import annotations

import http.cookiejar
import pickle
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar


def view(response: requests.Response, order: Sequence[str] | None = None) -> dict[str, Any]:
    """All that a caller can see of an answer, looked at in the `order` of these names."""
    return {name: attempt(lambda name=name: LOOKS[name](response)) for name in order or LOOKS}


def _history_view(response: requests.Response) -> list[Any]:
    return [(one.status_code, one.url, request_view(one.request), view(one, BRIEF)) for one in response.history]


def request_view(request: requests.PreparedRequest | None) -> Any:
    """A request, as a response shows it."""
    if request is None:
        return None
    body = request.body if isinstance(request.body, (str, bytes, type(None))) else type(request.body).__name__
    return type(request).__name__, request.method, request.url, list(request.headers.items()), body


def _raw_view(response: requests.Response) -> Any:
    raw = response.raw
    jar = RequestsCookieJar()
    extract_cookies_to_jar(jar, response.request, raw)
    return {
        "status": raw.status,
        "version": raw.version,
        "reason": raw.reason,
        "headers": list(raw.headers.items()),
        "values": [(name, raw.headers.getlist(name)) for name in raw.headers],
        "cookies": jar_view(jar),
        "kind": (raw.chunked, getattr(raw, "version_string", None), raw.getheader("content-type")),
        "info": raw.info().get("content-length"),
        "rest": raw.read(),
        "closed": raw.closed,
    }


def _pickle_view(response: requests.Response) -> Any:
    """What is left of it: not the connection, nor what requests makes of an answer that leads on."""
    again = pickle.loads(pickle.dumps(response))
    lost = ("raw", "pickled", "elapsed", "next", "types", "history")
    return view(again, [name for name in LOOKS if name not in lost]), [one.status_code for one in again.history]


def short(response: requests.Response) -> bool:
    """Whether its content may be looked at in ways that take quadratic time."""
    return len(response.content) < 5_000


LOOKS: Final[Mapping[str, Callable[[requests.Response], Any]]] = {
    "status": lambda response: response.status_code,
    "reason": lambda response: response.reason,
    "headers": lambda response: list(response.headers.items()),
    "content": lambda response: response.content,
    "text": lambda response: response.text,
    "encoding": lambda response: response.encoding,
    "json": lambda response: response.json(),
    "cookies": lambda response: jar_view(response.cookies),
    "url": lambda response: response.url,
    "request": lambda response: request_view(response.request),
    "history": _history_view,
    "redirect": lambda response: (response.is_redirect, response.is_permanent_redirect),
    "ok": lambda response: (response.ok, bool(response)),
    "raise_for_status": lambda response: response.raise_for_status(),
    "elapsed": lambda response: response.elapsed > timedelta(0),
    "links": lambda response: response.links,
    "next": lambda response: request_view(response.next),
    "raw": _raw_view,
    "lines": lambda response: short(response) and list(response.iter_lines())[:100],
    "apparent": lambda response: short(response) and response.apparent_encoding,
    "split": lambda response: short(response) and list(response.iter_lines(chunk_size=3, delimiter=b"a"))[:9],
    "texts": lambda response: short(response) and list(response.iter_content(7, decode_unicode=True))[:20],
    "parts": lambda response: list(response.iter_content(700))[:100],
    "repr": repr,
    "types": lambda response: [
        type(value).__name__
        for value in (
            *(response.status_code, response.headers, response.cookies, response.history, response.elapsed),
            *(response.request, response.url, response.content, response.reason, response.encoding),
            isinstance(response, requests.Response) and hasattr(response.connection, "send"),
        )
    ],
    "pickled": _pickle_view,
}
BRIEF: Final = ("reason", "headers", "content", "encoding", "cookies", "redirect", "next", "elapsed", "raw")


def attempt(call: Callable[[], Any]) -> Any:
    """What `call` returns, or the shape of what it raises."""
    try:
        return call()
    except Exception as error:
        return ("raised", *shape(error))


def is_raised(result: Any) -> bool:
    """Whether `attempt` came to an exception."""
    return isinstance(result, tuple) and result[:1] == ("raised",)


def shape(error: BaseException, depth: int = 4) -> tuple[Any, ...]:
    """The classes of an error and of those it was made from; of a requests exception also what it hangs on to."""
    made_from = [shape(part, depth - 1) for part in error.args if isinstance(part, BaseException) and depth]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException) and depth:
        made_from.append(shape(reason, depth - 1))
    if isinstance(error, requests.RequestException):
        response = error.response
        made_from.append((request_view(error.request), None if response is None else response.status_code))
    return f"{type(error).__module__}.{type(error).__qualname__}", *made_from


def wording(error: BaseException) -> str:
    """What an error says, without addresses in memory."""
    return re.sub(r"0x[0-9a-f]+", "0x", str(error))


def jar_view(jar: http.cookiejar.CookieJar) -> Any:
    """A jar's cookies in its own order; a time to come is as good as another."""
    now = time.time()
    return isinstance(jar, RequestsCookieJar), [
        (
            *(one.domain, one.path, one.name, one.value, one.secure, one.discard, one.port, one.version),
            *(one.domain_specified, one.domain_initial_dot, one.path_specified, one.port_specified),
            None if one.expires is None else "to come" if one.expires > now else "past",
            sorted(one._rest.items()),  # type: ignore[attr-defined]
        )
        for one in jar
    ]


def differences(stock: Any, ours: Any, at: str = "") -> list[str]:
    """Where two values differ, and how, one line each."""
    if type(stock) is type(ours):
        if isinstance(stock, dict) and stock.keys() == ours.keys():
            return [line for key in stock for line in differences(stock[key], ours[key], f"{at}.{key}")]
        if isinstance(stock, (list, tuple)) and len(stock) == len(ours):
            pairs = enumerate(zip(stock, ours, strict=True))
            return [line for number, (one, other) in pairs for line in differences(one, other, f"{at}[{number}]")]
        if stock == ours or stock != stock:
            return []
    return [f"{at}\n    stock: {_cut(stock)}\n    ours:  {_cut(ours)}"]


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 3000 else f"{text[:2000]} ... {text[-900:]} ({len(text)} characters)"
