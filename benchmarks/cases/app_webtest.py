# ruff: noqa: E402 - gevent patches before anything else is imported
"""What app_loads.py does, with WebTest over stock requests and gevent alone: ``app_webtest.py URL USERS SECONDS``.

Prints how many pages it got in each second. WSGIProxy2 would make a session for each request, and with it a connection:
here each user has one of its own, as a person who cared for speed would do it.
"""

from gevent import monkey

monkey.patch_all()

import json
import sys
import time

import gevent
import requests
from webtest import TestApp
from wsgiproxy import HostProxy


def visit(url: str, begin_s: float, counts: list[int]) -> None:
    """One user, until the time is over."""
    app = TestApp(HostProxy(url, client="requests", session=requests.Session()))
    while (second := int(time.monotonic() - begin_s)) < len(counts):
        if "well" not in app.get("/"):
            raise AssertionError("the word is missing")
        counts[second] += 1


def main() -> None:
    url, users, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    counts = [0] * seconds
    begin_s = time.monotonic()
    gevent.joinall([gevent.spawn(visit, url, begin_s, counts) for _ in range(users)], raise_error=True)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
