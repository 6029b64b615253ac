"""From settings to a run on a cluster: whether one is wanted, what goes along with it, and its submission."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from loads.cli.beside import Beside
from loads.cli.joined import CLIENT, passed_over, usual_endpoint, with_key
from loads.cli.outcome import open_screen, program, tell
from loads.cli.outputs import Outputs, needs_details, takes_stdout
from loads.cli.reach import Through, Where, opened, remote_of, told_to
from loads.cli.terminal import show
from loads.errors import ExitCode, LoadsError, UsageError
from loads.plan.config import Config
from loads.plan.settings import SETTINGS, parse_label
from loads.wire.endpoint import Endpoint, check_directory, default_endpoint, parse_endpoint
from loads.wire.run import RunSpec

if TYPE_CHECKING:
    from loads.bundle.pack import Packed
    from loads.metrics.result import Result
    from loads.runner.following import Detached
    from loads.wire.cluster import Submit, Who

CA_BUNDLE = ".loads/ca.pem"
"""Where --ca-bundle's file is in a bundle."""


@dataclass(frozen=True)
class OnCluster:
    """How a run goes to a cluster. `agents`: None is all that are free, of those with the `labels`; `include` are
    patterns.
    """

    endpoint: Where
    agents: int | None
    wait: bool
    elastic: bool
    per_agent: bool
    test_dir: str | None
    requirements: tuple[str, ...]
    include: tuple[str, ...]
    detach: bool
    labels: dict[str, str]


def is_on_cluster(config: Config) -> bool:
    """Whether the run goes to a cluster."""
    return not config.values.keys().isdisjoint({"agents", "broker", "ssh"})


def broker_of(config: Config) -> Where:
    """Where the broker is: behind SSH, or straight at its address.

    Raises:
        UsageError: as `endpoint_of`, or it is no machine to log in to.
    """
    return remote_of(config) or endpoint_of(config)


def endpoint_of(config: Config) -> Endpoint:
    """Where the broker is, and the key that was joined for it.

    Raises:
        UsageError: that is no address, a socket that others could have put there, a key that others can read, or
            there is one for another role alone.
    """
    text = config["broker"]
    if text is None:
        endpoint = usual_endpoint(CLIENT)
        if endpoint.path is not None and not endpoint.path.exists() and (problem := passed_over(CLIENT)) is not None:
            raise problem
        return endpoint
    try:
        endpoint = with_key(parse_endpoint(text), CLIENT)
        if endpoint.path is not None:
            check_directory(endpoint.path.parent)
    except LoadsError as error:
        raise UsageError(f"{config.origin('broker')}: {error.message}", error.hint) from None
    return endpoint


def cluster_options(config: Config, problems: list[UsageError], *, detach: bool) -> OnCluster | None:
    """What `config` says of the cluster; None: the run is a local one. What makes no sense is added to `problems`."""
    if not is_on_cluster(config):
        problems += _needing_a_cluster(config, detach=detach)
        return None
    endpoint: Where = default_endpoint({})
    problems += _conflicts(config, detach=detach)
    try:
        endpoint = broker_of(config)
    except UsageError as error:
        problems.append(error)
    return OnCluster(
        endpoint=endpoint,
        agents=config["agents"],
        wait=bool(config["wait"]),
        elastic=bool(config["elastic"]),
        per_agent=bool(config["per-agent"]),
        test_dir=config["test-dir"],
        requirements=_requirements(config, problems),
        include=config["include-file"] or (),
        detach=detach,
        labels=_labels(config, problems),
    )


def run_on_cluster(
    spec: RunSpec, cluster: OnCluster, outputs: Outputs, page: Beside | None, *, quiet: bool
) -> ExitCode:
    """Pack the tests, submit the run and follow it."""
    from loads.cli.followed import followed, through_broker
    from loads.cli.keyboard import ask_key, somebody_is_there
    from loads.runner.remote import run_remote

    with opened(cluster.endpoint) as endpoint, tempfile.TemporaryDirectory(prefix="loads-") as directory:
        packed = _pack(spec, cluster, Path(directory))
        screen = open_screen(quiet=quiet, to_stdout=takes_stdout(outputs))
        start = partial(
            run_remote,
            _submission(spec, cluster, packed),
            packed,
            endpoint,
            detach=cluster.detach,
            detailed=page is not None or needs_details(outputs),
            ask=ask_key if somebody_is_there() else None,
        )
        end = partial(finish, endpoint=endpoint, outputs=outputs, quiet=quiet)
        with told_to(endpoint, screen.noticed):
            return followed(start, screen, end, page, through_broker(endpoint), str(endpoint))


def finish(outcome: Result | Detached, endpoint: Endpoint, outputs: Outputs, *, quiet: bool) -> ExitCode:
    """The end of the command for a run that ended, or was left alone."""
    from loads.runner.following import Detached

    if not isinstance(outcome, Detached):
        return tell(outcome, outputs, quiet=quiet)
    attach = "loads attach" if program() == "loads" else "loads-runner --attach"
    if isinstance(endpoint, Through):
        where = f" {endpoint.remote.again()}"
    else:
        where = "" if endpoint == usual_endpoint(CLIENT) else f" --broker {endpoint}"
    told = f"Run {outcome.run} goes on. To follow it: {attach} {outcome.run}{where}"
    show(told, on_error_stream=takes_stdout(outputs))
    return ExitCode.PASSED


def this_person() -> Who:
    """Who submits."""
    from loads.wire.cluster import Who

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user number {os.getuid()}"
    return Who(user=user, host=socket.gethostname())


def _pack(spec: RunSpec, cluster: OnCluster, directory: Path) -> Packed:
    from loads.bundle.pack import pack

    bundle = spec.http.ca_bundle
    return pack(
        spec.targets,
        directory=Path.cwd(),
        include=cluster.include,
        files={} if bundle is None else {CA_BUNDLE: Path(bundle)},
        archive=directory / "bundle.tar.gz",
    )


def _submission(spec: RunSpec, cluster: OnCluster, packed: Packed) -> Submit:
    from loads.runner.cluster import bundle_ref
    from loads.wire.cluster import Submit

    ca_bundle = None if spec.http.ca_bundle is None else CA_BUNDLE
    return Submit(
        nonce=secrets.randbits(64),
        who=this_person(),
        spec=replace(spec, search_path=packed.search_path),
        bundle=bundle_ref(packed, cluster.requirements, ca_bundle),
        agents=cluster.agents,
        labels=cluster.labels,
        wait=cluster.wait,
        elastic=cluster.elastic,
        per_agent=cluster.per_agent,
        detached=cluster.detach,
        test_dir=cluster.test_dir,
    )


def _labels(config: Config, problems: list[UsageError]) -> dict[str, str]:
    """All of them must match, so that no key can have two values."""
    labels: dict[str, str] = {}
    for text in config["label"] or ():
        key, value = parse_label(text)
        if labels.setdefault(key, value) != value:
            both = f"{config.origin('label')} {key}={labels[key]} and {text} exclude each other"
            problems.append(
                UsageError(both, "an agent has one value for each key, and must have all that are asked for")
            )
    return labels


def _needing_a_cluster(config: Config, *, detach: bool) -> list[UsageError]:
    """What was typed and would do nothing here. A file may hold it for those runs that go to a cluster."""
    typed = [
        setting.flag
        for name, setting in SETTINGS.items()
        if setting.cluster and config[name] not in (None, False) and config.origin(name) == setting.flag
    ]
    hint = "say where to run: -a N for N agents of a cluster, --broker ENDPOINT, or --ssh HOST"
    return [UsageError(f"{flag} is for runs on a cluster", hint) for flag in [*typed, *["--detach"] * detach]]


def _conflicts(config: Config, *, detach: bool) -> list[UsageError]:
    problems = []
    where = config.origin(next(name for name in ("agents", "broker", "ssh") if name in config.values))
    if config["workers"] == 0:
        problems.append(
            UsageError(
                f"{config.origin('workers')} 0 and {where} exclude each other",
                "a debugger needs the tests in this process; on agents, --workers says how many at most on each",
            )
        )
    if config["log-file"] is not None:
        problems.append(
            UsageError(
                f"{config.origin('log-file')} and {where} exclude each other",
                "log records of agents come to this screen: give --log-level, and send the screen to a file",
            )
        )
    if detach and config["output"] and config.origin("output") == "--output":
        problems.append(
            UsageError(
                "--detach and --output exclude each other",
                "nobody waits for the result; loads show RUN --output KIND=FILE writes it later",
            )
        )
    return problems


def _requirements(config: Config, problems: list[UsageError]) -> tuple[str, ...]:
    """The lines for pip."""
    from loads.bundle.requirements import find_problems, read_requirements

    lines = tuple(config["python-dep"] or ())
    origin = config.origin("python-dep")
    problems += (UsageError(f"{origin} {problem.message}", problem.hint) for problem in find_problems(lines))
    file = config["requirements"]
    if file is not None:
        try:
            lines += read_requirements(Path(file))
        except UsageError as error:
            problems.append(UsageError(f"{config.origin('requirements')}: {error.message}", error.hint))
    return tuple(dict.fromkeys(lines))
