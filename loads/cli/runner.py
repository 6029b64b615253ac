"""``loads-runner``: run unittests as a load test."""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from typing import Any, NoReturn

import click

import loads
from loads.cli.assemble import assemble, find_outputs
from loads.cli.beside import Beside
from loads.cli.layers import read_layers
from loads.cli.options import with_options
from loads.cli.orders import obey, order_of
from loads.cli.outcome import complain, misused, open_screen, tell
from loads.cli.outputs import Outputs, takes_stdout
from loads.cli.terminal import prepare_streams, show_bytes
from loads.errors import ExitCode, LoadsError, NotStarted, UsageError
from loads.wire.run import RunSpec

EPILOG = """\
\b
A TARGET is package.module, package.module.Class, package.module.Class.test,
or path/to/file.py[::Class[::test]].

Each option may also be set as LOADS_<OPTION> in the environment, as LOADS_USERS=200, and in the
file of --config. The command line wins over the environment, and that over the file. Who says
anything of the load (users, hits, duration, ramp-up, stages, arrival-rate, max-users, poisson,
pacing) says all of it.

\b
Shell completion: eval "$(_LOADS_RUNNER_COMPLETE=bash_source loads-runner)"

Exit codes: 0 passed; 1 failures, errors or a lost iteration, or an output that could not be
written; 2 wrong usage or a test that does not import; 3 a threshold was crossed, or had nothing to
judge; 4 invalid (the load generator was the bottleneck, more than --max-lost was lost, or planned
iterations never ran; --allow-invalid makes it a warning); 5 stopped by Ctrl-C; 130 stopped at once
by a second Ctrl-C.

With a --threshold, thresholds decide between 0 and 3: failures, errors and lost iterations alone do
not make the exit code 1 then.

With -a, --broker or --ssh the run goes to the agents of a cluster, with the files that the tests need.
Ctrl-C then asks whether to stop it, or to leave it alone; --attach follows it again.

\b
Examples:
  loads-runner mytests.TestSite                    each test once
  loads-runner mytests.TestSite.test_home -u 200 -d 60s
  loads-runner mytests.py -u 10:20:30 --hits 20    three rounds, 1,200 iterations
  loads-runner mytests.py --stages 30s:50,1m:200,20s:0
  loads-runner mytests.py --arrival-rate 500/s -d 60s --threshold 'p(95) < 500ms'
  loads-runner mytests.py -k 'login and not slow' --list
  loads-runner --config nightly.toml --show-plan
  loads-runner mytests.py -u 5000 -d 10m -a 3      on three agents of a cluster
  loads-runner --ssh ana@loads-master mytests.py   on all agents there
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@with_options
@click.version_option(loads.__version__, prog_name="loads-runner")
def command(**options: Any) -> ExitCode:
    """Run unittests as a load test: once to see that they work, or with many virtual users.

    Without any setting about the load each test runs once.
    """
    if options["show_plan"] and options["list_tests"]:
        raise UsageError("--show-plan and --list exclude each other", "the plan names the tests, too")
    order = order_of(options)
    config, source = read_layers(options)
    if order is not None:
        problems: list[UsageError] = []
        outputs = find_outputs(config, problems) if order == "attach" else []
        if problems:
            raise UsageError.of(problems)
        return obey(order, options, config, outputs)
    wanted = assemble(config, detach=options["detach"])
    if options["list_tests"]:
        from loads.cli.show import show_tests

        return show_tests(wanted.spec)
    if options["show_plan"]:
        from loads.cli.show import show_plan

        return show_plan(wanted.spec, config, source)
    if wanted.cluster is not None:
        from loads.cli.cluster import run_on_cluster

        return run_on_cluster(wanted.spec, wanted.cluster, wanted.outputs, wanted.page, quiet=wanted.quiet)
    return _run(wanted.spec, wanted.outputs, wanted.page, quiet=wanted.quiet)


def main(arguments: list[str] | None = None) -> None:
    """The command, with every foreseen problem as one message and its exit code."""
    serve(command, arguments, "loads-runner")


def serve(command: click.Command, arguments: list[str] | None, name: str) -> NoReturn:
    """Carry out `command`, which is called `name`, to the end of the process."""
    prepare_streams()
    try:
        status = command.main(arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        complain(misused(error, name), name)
        status = ExitCode.USAGE
    except LoadsError as error:
        complain(error, name)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        complain(NotStarted("stopped before the first iteration"), name)
        status = ExitCode.ABORTED
    except OSError as error:
        told = f"this machine does not let it run: {error}"
        complain(LoadsError(told, "see its limits (ulimit -a), disks and directories"), name)
        status = ExitCode.FAILED
    _leave(int(status or 0))


def _leave(status: int) -> NoReturn:
    """End the process, and with it threads that tests left behind in it (--workers 0)."""
    show_bytes(b"")
    own = threading.main_thread()
    if any(thread is not own and not thread.daemon for thread in threading.enumerate()):
        os._exit(status)
    sys.exit(status)


def _run(spec: RunSpec, outputs: Outputs, page: Beside | None, *, quiet: bool) -> ExitCode:
    screen = open_screen(quiet=quiet, to_stdout=takes_stdout(outputs), inline=spec.workers == 0)
    if spec.workers != 0:
        from loads.cli.followed import followed
        from loads.runner.local import run_local

        return followed(partial(run_local, spec), screen, partial(tell, outputs=outputs, quiet=quiet), page)
    from loads.cli.inline import run_inline

    try:
        result = run_inline(spec, screen)
    finally:
        screen.close()
    return tell(result, outputs, quiet=quiet)
