"""A run of ssh: what the far side says is shown, and steers no terminal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loads.runner.ssh import NoTunnel, Remote, parse_host
from loads.runner.sshlink import Link


def test_what_the_far_side_says_does_nothing_to_this_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nprintf '\\033]0;owned\\007\\033[2Jall is well\\n' >&2\nexit 255\n")
    ssh.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    stopped, stop = os.pipe()
    link = Link(Remote(parse_host("master")), tmp_path, stopped)
    try:
        with pytest.raises(NoTunnel) as caught:
            link.open(batch=True, limit_s=10.0)
    finally:
        link.close()
        os.close(stopped)
        os.close(stop)
    assert caught.value.message == "ssh to master failed: \\x1b]0;owned\\x07\\x1b[2Jall is well"
