"""On the Python path of a public test suite: whatever goes to another machine is refused, and written to a file.

An audit hook sees every connect and every look-up of a name, through gevent, too.
"""

import ipaddress
import os
import sys

_LOG = os.environ["LOOPBACK_ONLY_LOG"]
_NAMES = (None, "", "localhost")


def _is_here(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in _NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _is_here(host):
        with open(_LOG, "a") as log:  # noqa: PTH123 - as early as this, the less is imported the better
            log.write(f"{event} {host}\n")
        raise PermissionError(f"{host} is not this machine")


sys.addaudithook(_guard)
