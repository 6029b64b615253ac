"""httpbin under waitress on a free loopback port, until it is told to stop: python serve_httpbin.py COUNTER

Prints its URL; the file COUNTER grows by one byte with each request.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from httpbin import app
from waitress.server import create_server


def main(counter: str) -> None:
    descriptor = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def counting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        os.write(descriptor, b".")
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    server = create_server(counting, host="127.0.0.1", port=0, threads=16)
    print(f"http://127.0.0.1:{server.effective_port}/", flush=True)
    server.run()


if __name__ == "__main__":
    main(sys.argv[1])
