"""Nothing of ours listens on the network by default: what the kernel itself knows of every process of a cluster."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import Cluster, run_cluster
from tests.servers import Nginx, listens
from tests.traffic import PACED

LISTEN = "0A"
"""The state of a TCP socket that listens, in /proc/net/tcp."""
ACCEPTS = 1 << 16
"""The flag of a unix socket that listens, in /proc/net/unix."""
INTERNET = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "udplite", "udplite6")


@dataclass(frozen=True)
class Listener:
    """A socket that others can reach without being asked: `kind` and where."""

    kind: str
    where: str


def processes(cluster: Cluster) -> set[int]:
    """The broker, its agents, workers, runners, and whatever else they started."""
    return set(cluster.leftovers())


def sockets_of(pid: int) -> Iterator[int]:
    """The numbers of the sockets that a process has open."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind, _, number = str(entry.readlink()).partition(":[")
        except FileNotFoundError:
            continue
        if kind == "socket":
            yield int(number.rstrip("]"))


def listeners(pid: int) -> Iterator[Listener]:
    """Of TCP those that listen, of the others those that have an address of their own: nobody need have spoken."""
    ours = set(sockets_of(pid))
    for kind in INTERNET:
        table = Path(f"/proc/{pid}/net/{kind}")
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, remote, state, *_ = fields = line.split()
            connected = int(remote.rpartition(":")[2], 16) != 0
            if int(fields[9]) in ours and (state == LISTEN if kind.startswith("tcp") else not connected):
                yield Listener(kind, local)
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        where = fields[7] if len(fields) > 7 else ""
        if int(fields[6]) in ours and (int(fields[3], 16) & ACCEPTS or where.startswith("@")):
            yield Listener("unix", where)


def test_a_default_cluster_listens_at_one_unix_socket_that_is_its_users_alone(nginx: Nginx) -> None:
    with run_cluster("north", "south", workers=2) as cluster:
        cluster.write("paced.py", PACED)
        options = ("paced.py", "-a", "2", "-u", "8", "-d", "3s", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            cluster.wait_for_run(lambda run: (run.elapsed_us or 0) > 500_000, "goes on")
            members = processes(cluster)
            workers = {pid for agent in cluster.agents.values() for pid in agent.workers()}
            assert len(workers) >= 4
            assert members >= {cluster.broker.pid, process.pid, *(agent.pid for agent in cluster.agents.values())}
            assert members >= workers
            found = {pid: list(listeners(pid)) for pid in members}
            assert cluster.runner.end(process).exit_code == 0
        assert found.pop(cluster.broker.pid) == [Listener("unix", str(cluster.endpoint.path))]
        assert not any(found.values()), found
        check_modes(cluster.endpoint.path)
        check_modes_below(cluster.directory)


def check_modes(path: Path | None) -> None:
    """A socket file is for its user alone, and so is the way to it."""
    assert path is not None
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def check_modes_below(directory: Path) -> None:
    """Whatever the socket file is for."""
    for path in directory.rglob("*"):
        if stat.S_ISSOCK(path.lstat().st_mode):
            check_modes(path)


def test_what_listens_would_be_seen(nginx: Nginx) -> None:
    """The same look at nginx."""
    pid = int((nginx.access_log.parent / "nginx.pid").read_text())
    port = int(nginx.url.rpartition(":")[2])
    assert listens(port)
    assert [each.kind for each in listeners(pid)] == ["tcp"]
