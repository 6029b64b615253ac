"""What is said to ssh, and what is made of its answers."""

from __future__ import annotations

import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.runner.ssh import (
    MARK,
    Host,
    Remote,
    check_path,
    explain,
    explain_closed,
    find_path,
    parse_host,
    parse_socket,
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("master", Host("master")),
        ("ana@loads-master", Host("loads-master", "ana")),
        ("ana@10.0.0.5:2222", Host("10.0.0.5", "ana", 2222)),
        ("master:22", Host("master", None, 22)),
        ("[::1]:22", Host("::1", None, 22)),
        ("ana@[fe80::1%eth0]", Host("fe80::1%eth0", "ana")),
        ("ana@corp.example@master", Host("master", "ana@corp.example")),
        ("CORP\\ana@master", Host("master", "CORP\\ana")),
    ],
)
def test_a_host_is_read_and_written_alike(text: str, host: Host) -> None:
    assert parse_host(text) == host
    assert str(host) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is not the name"),
        ("-oProxyCommand=id", "'-oProxyCommand=id' is not the name"),
        ("ana@-oProxyCommand=id", "is not the name"),
        ("-l@master", "'-l' is not the name of a user"),
        ("a b@master", "is not the name of a user"),
        ("$(id)@master", "is not the name of a user"),
        ("@master", "'' is not the name of a user"),
        ("master:", "'' is not a port"),
        ("master:0", "'0' is not a port"),
        ("master:65536", "is not a port"),
        ("master:²", "is not a port"),
        ("::1", "an IPv6 address is written in brackets"),
        ("[::1", "is written in brackets"),
        ("[x]:22", "'x' is not an IPv6 address"),
        ("[::1%;id]", "is not an IPv6 address"),
        ("ssh://master", "is not a port"),
        ("master\n", "is not the name"),
        ("ma ster", "is not the name"),
    ],
)
def test_what_is_no_host_is_told_with_a_hint(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_host(text)
    assert told in caught.value.message
    assert "user@host" in caught.value.hint


@given(st.text() | st.from_regex(r"[-a-z@:\[\]%\\]{1,20}"))
def test_no_text_becomes_an_option_of_ssh(text: str) -> None:
    try:
        host = parse_host(text)
    except UsageError:
        return
    words = Remote(host).login(Path("/d/control"), batch=True)
    assert words.index("--") == len(words) - 3
    assert not host.name.startswith("-")
    assert not (host.user or "").startswith("-")
    assert parse_host(str(host)) == host


def test_what_the_user_says_comes_after_what_is_needed_and_before_what_is_wished() -> None:
    words = Remote(Host("m"), ("ServerAliveInterval=60", "ControlMaster=no")).login(Path("/d%/control"), batch=True)
    options = [word for before, word in pairwise(words) if before == "-o"]
    assert options.index("ControlMaster=yes") < options.index("ControlMaster=no")
    assert options.index("ServerAliveInterval=60") < options.index("ServerAliveInterval=3")
    assert "BatchMode=yes" in options
    assert "ControlPath=/d%%/control" in options
    assert "BatchMode=yes" not in Remote(Host("m")).login(Path("/d/control"), batch=False)


def test_loads_there_is_asked_where_its_broker_is() -> None:
    assert Remote(Host("m")).login(Path("/c"), batch=False)[-1] == "loads where && exec cat"
    remote = Remote(Host("m"), command="PYTHONPATH=~/x /opt/loads/bin/loads")
    assert remote.login(Path("/c"), batch=False)[-1] == "PYTHONPATH=~/x /opt/loads/bin/loads where && exec cat"


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "path", ["/run/a b.sock", "~/it/b.sock", "~/a b.sock", "/run/$x;id;.sock".replace("$", ""), '/a"b`id`']
)
def test_a_path_that_is_known_is_said_by_any_shell_as_it_is(shell: str, path: str, tmp_path: Path) -> None:
    question = Remote(Host("m"), socket=parse_socket(path)).login(Path("/c"), batch=False)[-1]
    done = subprocess.run(
        [shell, "-c", question],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        input="",
        capture_output=True,
        text=True,
    )
    assert find_path(done.stdout.rstrip("\n")) == path.replace("~", str(tmp_path))


@pytest.mark.parametrize(
    "text",
    ["tcp://10.0.0.5:7700", "ipc://x", "x.sock", "~", "~b.sock", "/x/", "", "/a:b", "/a%b", "/a$b", "/a\nb", "/a\x9bb"],
)
def test_what_can_not_be_forwarded_to_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_socket(text)
    assert caught.value.hint


def test_a_path_that_is_too_long_is_refused() -> None:
    check_path("/" + "a" * 106)
    with pytest.raises(UsageError, match="107 bytes"):
        check_path("/" + "a" * 107)


def test_the_path_is_found_among_what_login_scripts_say() -> None:
    assert find_path(f"{MARK}/run/b.sock") == "/run/b.sock"
    assert find_path(f"Welcome! {MARK}/run/b.sock\r") == "/run/b.sock"
    assert find_path("Welcome!") is None
    assert find_path(MARK) is None


def test_the_way_back_can_be_pasted() -> None:
    remote = Remote(Host("m", "ana", 2222), ("ProxyCommand=nc %h %p",), "/opt/l/loads", "~/b.sock")
    assert shlex.split(remote.again()) == [
        *("--ssh", "ana@m:2222", "--ssh-option", "ProxyCommand=nc %h %p"),
        *("--ssh-command", "/opt/l/loads", "--broker", "~/b.sock"),
    ]
    assert Remote(Host("m")).again() == "--ssh m"


ASKED, GIVEN = Remote(Host("m", "ana")), Remote(Host("m", "ana"), socket="/b.sock")


@pytest.mark.parametrize(
    ("remote", "status", "said", "told", "hint", "passes"),
    [
        (ASKED, 127, ["sh: loads: not found"], "has no command loads: sh: loads: not found", "--ssh-command", False),
        (
            ASKED,
            2,
            ["No such command"],
            "does not say where its broker is (exit code 2)",
            "ssh ana@m 'loads where",
            False,
        ),
        (ASKED, 0, [], "does not say where its broker is (exit code 0)", "--broker", False),
        (GIVEN, 1, ["no login"], "ana@m does not let us work there: no login", "ssh ana@m", False),
        (ASKED, 255, ["x", "a@m: Permission denied (publickey)."], "\n  a@m: Permission denied", "ssh ana@m", False),
        (ASKED, 255, ["Host key verification failed."], "Host key", "log in once", False),
        (ASKED, 255, ["ssh: connect to host m port 22: Connection refused"], "refused", "which port", True),
        (ASKED, 255, ["ssh: Could not resolve hostname m"], "resolve", "see the name", True),
        (ASKED, -9, [], "ssh to ana@m failed", "without Loads", True),
    ],
)
def test_a_failure_shows_what_ssh_said_and_what_to_do(
    remote: Remote, status: int, said: list[str], told: str, hint: str, passes: bool
) -> None:
    failure = explain(remote, status, said)
    assert told in failure.message
    assert hint in failure.hint
    assert failure.passes is passes


def test_a_socket_that_leads_nowhere_may_lead_to_a_broker_later() -> None:
    failure = explain_closed(ASKED, "/b.sock")
    assert failure.message == "no broker runs at ana@m: nothing listens at /b.sock there"
    assert "AllowStreamLocalForwarding" in failure.hint
    assert failure.passes
