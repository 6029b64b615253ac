"""From settings to how requests find their way: what can only be known on this machine is checked here."""

from __future__ import annotations

import socket
from pathlib import Path

from loads.cli.layers import name_nearby
from loads.errors import UsageError
from loads.plan.config import Config
from loads.plan.http import DEFAULT_TIMEOUT_US, DnsPolicy, HttpOptions, find_bundle_problem, merge_resolves

_MOST_TOLD = 5


def http_options(config: Config, problems: list[UsageError], *, here: bool = True) -> HttpOptions:
    """What `config` says of requests; what is wrong with it is added to `problems`.

    `here`: requests come from this machine, whose addresses can be looked at.
    """
    insecure = bool(config["insecure-tls"])
    if insecure and "ca-bundle" in config.values:
        problems.append(
            UsageError(
                f"{config.origin('insecure-tls')} and {config.origin('ca-bundle')} exclude each other",
                "certificates are verified by the bundle, or not at all; --no-insecure-tls takes the one back",
            )
        )
    return HttpOptions(
        timeout_us=config["timeout"] or DEFAULT_TIMEOUT_US,
        insecure_tls=insecure,
        ca_bundle=_bundle(config, problems),
        keepalive=config["keepalive"] is not False,
        dns=config["dns"] or DnsPolicy.TTL,
        resolve=merge_resolves(config["resolve"] or ()),
        user_agent=config["user-agent"],
        source_addresses=_source_addresses(config, problems, here=here),
    )


def _bundle(config: Config, problems: list[UsageError]) -> str | None:
    """Absolute, for a test may change its working directory."""
    name = config["ca-bundle"]
    if name is None:
        return None
    named, path = f"{config.origin('ca-bundle')} {name}", Path(name)
    hint = "give a file of certificates, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
    try:
        name.encode()
        # Only a file can be read again by each worker; what a shell makes of <(command) can not.
        wrong = find_bundle_problem(path.read_bytes()) if path.is_file() or not path.exists() else "is not a file"
    except ValueError:
        wrong, hint = "is not the name of a file in UTF-8", "give it another name"
    except FileNotFoundError:
        wrong, hint = "is not there", name_nearby(name)
    except OSError as error:
        wrong, hint = f"can't be read: {error.strerror}", "give a file that you may read"
    if wrong is not None:
        problems.append(UsageError(f"{named} {wrong}", hint))
    return str(path.absolute())


def _source_addresses(config: Config, problems: list[UsageError], *, here: bool) -> tuple[str, ...]:
    """Each once; one problem for all those that a connection can't come from. Those of agents are theirs to know."""
    addresses = tuple(dict.fromkeys(config["source-address"] or ()))
    if not here:
        return addresses
    refused = [(address, reason) for address in addresses if (reason := _cannot_bind(address)) is not None]
    if refused:
        told = ", ".join(f"{address} ({reason})" for address, reason in refused[:_MOST_TOLD])
        more = f" and {len(refused) - _MOST_TOLD} more" if len(refused) > _MOST_TOLD else ""
        problems.append(
            UsageError(
                f"{config.origin('source-address')}: this machine can't connect from {told}{more}",
                "give addresses that `ip address` shows, or add these there first",
            )
        )
    return addresses


def _cannot_bind(address: str) -> str | None:
    """What the system says against a socket on `address`; None: nothing."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.strerror or str(error)
    return None
