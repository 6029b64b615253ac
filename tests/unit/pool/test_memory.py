"""What a container, or any control group, leaves of the machine's memory: files as kernels show them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from loads.pool.memory import available_bytes

MIB = 1 << 20


class Kernel:
    """Its files, below a directory."""

    def __init__(self, directory: Path) -> None:
        self.proc, self.groups = directory / "proc", directory / "cgroup"

    def say(self, file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def is_in(self, *lines: str) -> None:
        self.say(self.proc / "self" / "cgroup", "".join(f"{line}\n" for line in lines))

    def v2(self, group: str, limit: str, usage: int, cached: int = 0) -> None:
        self.say(self.groups / group / "memory.max", f"{limit}\n")
        self.say(self.groups / group / "memory.current", f"{usage}\n")
        self.say(self.groups / group / "memory.stat", f"anon 5\ninactive_file {cached}\nactive_file 7\n")

    def v1(self, group: str, limit: int, usage: int, cached: int = 0) -> None:
        self.say(self.groups / "memory" / group / "memory.limit_in_bytes", f"{limit}\n")
        self.say(self.groups / "memory" / group / "memory.usage_in_bytes", f"{usage}\n")
        self.say(self.groups / "memory" / group / "memory.stat", f"inactive_file 1\ntotal_inactive_file {cached}\n")

    def available(self) -> int:
        return available_bytes(self.proc, self.groups)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """The machine itself has 1,000 MiB."""

    class Machine:
        available = 1_000 * MIB

    monkeypatch.setattr(psutil, "virtual_memory", Machine)
    return Kernel(tmp_path)


def test_without_groups_it_is_what_the_machine_has(kernel: Kernel) -> None:
    assert kernel.available() == 1_000 * MIB
    kernel.is_in("0::/")
    assert kernel.available() == 1_000 * MIB


def test_a_group_has_what_is_left_of_its_limit(kernel: Kernel) -> None:
    kernel.is_in("0::/box")
    kernel.v2("box", str(300 * MIB), 100 * MIB)
    assert kernel.available() == 200 * MIB


def test_files_that_nobody_used_lately_are_as_good_as_free(kernel: Kernel) -> None:
    kernel.is_in("0::/box")
    kernel.v2("box", str(300 * MIB), 280 * MIB, cached=200 * MIB)
    assert kernel.available() == 220 * MIB


def test_the_least_of_all_groups_above_counts(kernel: Kernel) -> None:
    kernel.is_in("0::/outer/inner/own")
    kernel.v2("outer", str(500 * MIB), 450 * MIB)
    kernel.v2("outer/inner", "max", 10 * MIB)
    kernel.v2("outer/inner/own", str(400 * MIB), 10 * MIB)
    assert kernel.available() == 50 * MIB


def test_in_a_container_the_own_group_is_at_the_root(kernel: Kernel) -> None:
    """Its path may be the host's, which is out of sight here."""
    kernel.is_in("0::/docker/0123abcd")
    kernel.v2("", str(200 * MIB), 50 * MIB)
    assert kernel.available() == 150 * MIB


def test_groups_of_the_first_version(kernel: Kernel) -> None:
    kernel.is_in("12:cpu,cpuacct:/box", "5:memory:/box", "1:name=systemd:/box", "0::/box")
    kernel.v1("box", 300 * MIB, 150 * MIB, cached=50 * MIB)
    kernel.v1("", 1 << 63, 900 * MIB)
    assert kernel.available() == 200 * MIB


def test_a_group_that_is_beyond_its_limit_has_nothing(kernel: Kernel) -> None:
    kernel.is_in("0::/box")
    kernel.v2("box", str(100 * MIB), 120 * MIB)
    assert kernel.available() == 0


@pytest.mark.parametrize("line", ["", "nonsense", "0:", "0::/../../etc", "::::"])
def test_what_no_kernel_says_limits_nothing(kernel: Kernel, line: str) -> None:
    kernel.is_in(line)
    kernel.v2("etc", "much", 1)
    assert kernel.available() == 1_000 * MIB


def test_more_than_the_machine_has_is_not_there(kernel: Kernel) -> None:
    kernel.is_in("0::/box")
    kernel.v2("box", str(5_000 * MIB), 0)
    assert kernel.available() == 1_000 * MIB
