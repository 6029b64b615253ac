"""What of the requests can only be known on this machine: the bundle of certificates and the addresses."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import trustme

from loads.cli.http import http_options
from loads.errors import UsageError
from loads.plan.config import merge, read_environment, read_options
from loads.plan.http import DnsPolicy, HttpOptions, Resolve

BUNDLE = trustme.CA().cert_pem.bytes()
NOBODYS = [f"198.51.100.{number}" for number in range(1, 8)]
"""Set aside for documentation (RFC 5737)."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_bytes(BUNDLE)
    return tmp_path


def found(**said: str | tuple[str, ...] | bool) -> tuple[HttpOptions, list[UsageError]]:
    config = merge(read_options({name.replace("_", "-"): text for name, text in said.items()}))
    problems = list(config.problems)
    return http_options(config, problems), problems


def test_when_nothing_is_said_the_defaults_hold() -> None:
    assert found() == (HttpOptions(), [])


def test_all_that_can_be_said(here: Path) -> None:
    options, problems = found(
        timeout="2.5s",
        ca_bundle="ca.pem",
        keepalive=False,
        dns="once",
        resolve=("shop:443:10.0.0.7", "other:80:10.0.0.9", "Shop:443:10.0.0.8"),
        user_agent="shop-load/1.0",
        source_address=("127.0.0.2", "127.0.0.3", "127.0.0.2"),
    )
    assert problems == []
    assert options == HttpOptions(
        timeout_us=2_500_000,
        ca_bundle=str(here / "ca.pem"),
        keepalive=False,
        dns=DnsPolicy.ONCE,
        resolve=(Resolve("shop", 443, ("10.0.0.7", "10.0.0.8")), Resolve("other", 80, ("10.0.0.9",))),
        user_agent="shop-load/1.0",
        source_addresses=("127.0.0.2", "127.0.0.3"),
    )


def test_flags_can_be_set_and_taken_back() -> None:
    assert found(insecure_tls=True, keepalive=True)[0] == HttpOptions(insecure_tls=True)
    assert found(insecure_tls=False)[0] == HttpOptions()
    config = merge(
        read_options({"insecure-tls": False, "keepalive": True}),
        read_environment({"LOADS_INSECURE_TLS": "yes", "LOADS_KEEPALIVE": "off", "LOADS_CA_BUNDLE": "ca.pem"}),
    )
    options = http_options(config, problems := list[UsageError]())
    assert (options.insecure_tls, options.keepalive, problems) == (False, True, [])


def test_certificates_are_verified_by_a_bundle_or_not_at_all() -> None:
    config = merge(read_options({"insecure-tls": True}), read_environment({"LOADS_CA_BUNDLE": "ca.pem"}))
    http_options(config, problems := list[UsageError]())
    [problem] = problems
    assert problem.message == "--insecure-tls and LOADS_CA_BUNDLE exclude each other"
    assert problem.hint


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("ca.pen", "is not there", "did you mean ca.pem?"),
        ("no/dir/ca.pem", "is not there", "looked in"),
        (".", "is not a file", "BEGIN CERTIFICATE"),
        ("/dev/null", "is not a file", "BEGIN CERTIFICATE"),
        ("empty.pem", "holds no certificate in PEM", "BEGIN CERTIFICATE"),
        ("cut.pem", "is broken at its certificate 1", "BEGIN CERTIFICATE"),
        ("n" * 300, "can't be read: File name too long", "that you may read"),
        ("odd\udcff.pem", "is not the name of a file in UTF-8", "another name"),
        ("odd\0.pem", "is not the name of a file in UTF-8", "another name"),
    ],
)
def test_a_bundle_that_no_worker_could_use_is_told_in_one_message(
    here: Path, name: str, problem: str, hint: str
) -> None:
    (here / "empty.pem").touch()
    (here / "cut.pem").write_bytes(BUNDLE[:-100])
    [told] = found(ca_bundle=name)[1]
    assert told.message == f"--ca-bundle {name} {problem}"
    assert hint in told.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_bundle_that_may_not_be_read_is_told_so(here: Path) -> None:
    (here / "ca.pem").chmod(0)
    [told] = found(ca_bundle="ca.pem")[1]
    assert told.message == "--ca-bundle ca.pem can't be read: Permission denied"


def test_addresses_of_other_machines_are_told_in_one_message() -> None:
    options, [problem] = found(source_address=("127.0.0.2", *NOBODYS[:2]))
    reason = "Cannot assign requested address"
    assert problem.message == (
        f"--source-address: this machine can't connect from 198.51.100.1 ({reason}), 198.51.100.2 ({reason})"
    )
    assert "ip address" in problem.hint
    assert options.source_addresses == ("127.0.0.2", *NOBODYS[:2])


def test_many_addresses_of_other_machines_are_counted() -> None:
    [problem] = found(source_address=tuple(NOBODYS))[1]
    assert problem.message.endswith("198.51.100.5 (Cannot assign requested address) and 2 more")


def test_an_address_of_a_family_that_this_machine_lacks_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    [problem] = found(source_address=("::1",))[1]
    assert problem.message.endswith("from ::1 (Address family not supported by protocol)")
