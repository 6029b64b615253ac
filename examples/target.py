"""A small web site to aim load tests at: ``python examples/target.py --port 8000``.

Pages: ``/`` (has an island on it), ``/json``, ``/sleep?s=0.1``, ``/status/404``, ``/login`` (POST, sets a cookie that
``/`` greets by), ``/ws`` (a web socket that echoes). ``--delay`` and ``--error-rate`` make all of it slower or less
reliable.

It prints its address when it listens, and stops on SIGTERM or Ctrl-C. Loopback only, unless --address says otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
from html import escape
from typing import Any

import tornado.web
import tornado.websocket
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

MAX_SLEEP_S = 60.0


class Page(tornado.web.RequestHandler):
    """What all pages share: they take their time, and now and then they fail."""

    def initialize(self, delay_s: float, error_rate: float) -> None:
        self._delay_s = delay_s
        self._error_rate = error_rate

    async def prepare(self) -> None:
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        if random.random() < self._error_rate:
            raise tornado.web.HTTPError(500, "an error, as asked for")

    def compute_etag(self) -> None:
        return None

    def log_exception(self, *_: Any) -> None:
        """Errors are what this site is for."""


class Home(Page):
    def get(self) -> None:
        name = self.get_cookie("name")
        greeting = f"<p>Hello {escape(name)}.</p>" if name else ""
        self.write(f"<!doctype html><title>Target</title>{greeting}<p>There is an island in the sea.</p>\n")


class Json(Page):
    def get(self) -> None:
        self.write({"island": True, "palms": [1, 2, 3]})

    def post(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(self.request.body or b"null")


class Sleep(Page):
    async def get(self) -> None:
        try:
            seconds = float(self.get_argument("s", "0.1"))
        except ValueError:
            raise tornado.web.HTTPError(400) from None
        await asyncio.sleep(min(max(seconds, 0.0), MAX_SLEEP_S))
        self.write("slept\n")


class Status(Page):
    def get(self, status: str) -> None:
        self.set_status(int(status), "As Asked")
        if int(status) not in (204, 304) and int(status) >= 200:
            self.write(f"{status}\n")


class Login(Page):
    def get(self) -> None:
        self.write(
            '<!doctype html><title>Log in</title><form method="post">'
            '<input name="name"><button>Log in</button></form>\n'
        )

    def post(self) -> None:
        self.set_cookie("name", self.get_body_argument("name", "stranger"))
        self.redirect("/")


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


def make_app(delay_s: float = 0.0, error_rate: float = 0.0) -> tornado.web.Application:
    """The site. `delay_s`: before every answer; `error_rate`: the part of answers that are a 500 (0..1)."""
    settings = {"delay_s": delay_s, "error_rate": error_rate}
    return tornado.web.Application(
        [
            (r"/", Home, settings),
            (r"/json", Json, settings),
            (r"/sleep", Sleep, settings),
            (r"/status/([2-5]\d\d)", Status, settings),
            (r"/login", Login, settings),
            (r"/ws", Echo),
        ],
        log_function=lambda handler: None,
    )


async def serve(address: str, port: int, app: tornado.web.Application) -> None:
    """Listen until SIGTERM or SIGINT; port 0 takes a free one."""
    server = HTTPServer(app)
    try:
        sockets = bind_sockets(port, address, backlog=1024)
    except OSError as error:
        raise SystemExit(f"can't listen on {address}:{port} ({error.strerror}): give --port 0 for a free one") from None
    server.add_sockets(sockets)
    print(f"http://{address}:{sockets[0].getsockname()[1]}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default): a free one, printed")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="wait so long before every answer")
    parser.add_argument(
        "--error-rate", type=float, default=0.0, metavar="0..1", help="answer so many requests with a 500"
    )
    options = parser.parse_args()
    if not 0 <= options.error_rate <= 1 or not 0 <= options.delay <= MAX_SLEEP_S:
        parser.error(f"--error-rate goes from 0 to 1, --delay from 0 to {MAX_SLEEP_S:.0f}")
    asyncio.run(serve(options.address, options.port, make_app(options.delay, options.error_rate)))


if __name__ == "__main__":
    main()
