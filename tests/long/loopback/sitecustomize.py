"""On the Python path of a public test suite: whatever goes to another machine is refused, and written to a file.

An audit hook sees every connect and every look-up of a name, through gevent, too.
"""

import ipaddress
import os
import sys

_LOG = os.environ["LOOPBACK_ONLY_LOG"]
_NAMES = (None, "", "localhost")
_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname")


def _stays_here(event: str, host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in _NAMES:
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return event in _LOOK_UPS or address.is_loopback or address.is_unspecified


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in _LOOK_UPS:
        host = arguments[0]
    else:
        return
    if not _stays_here(event, host):
        with open(_LOG, "a") as log:  # noqa: PTH123 - as early as this, the less is imported the better
            log.write(f"{event} {host}\n")
        raise PermissionError(f"{host} is not this machine")


sys.addaudithook(_guard)
