"""A certificate for 127.0.0.1 and the authority behind it, made anew for each server and gone with its directory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from loads.errors import UsageError


class Certificates(NamedTuple):
    """Two files: what clients are to trust, and the server's own key and certificate."""

    authority: Path
    server: Path


def issue(directory: Path) -> Certificates:
    """Make both in `directory`; the keys are of P-256, as those of most sites today.

    Raises:
        UsageError: trustme is not installed.
    """
    try:
        import trustme
    except ImportError:
        raise UsageError("trustme is not installed", "it makes the certificate: pip install trustme") from None
    made = Certificates(directory / "authority.pem", directory / "server.pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(made.authority)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(made.server)
    return made
