"""The demo: starts the example site on a free port of this machine, aims a load test at it, shows its page, stops it.

On a desktop the page opens in the browser. On a terminal it stays until Enter or Ctrl-C, elsewhere all ends with the
run.
"""

import os
import pty
import re
import signal
import subprocess
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
LOADS_RUNNER = Path(sys.executable).with_name("loads-runner")
LINK = re.compile(r"see it live at (http\S+)")


def main() -> int:
    """The exit code of the load test."""
    # Ctrl-C is for the load test: it stops gracefully, and the site is there until it has.
    signal.signal(signal.SIGINT, lambda *_: None)
    command = [sys.executable, str(HERE / "target.py"), "--port", "0"]
    site = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert site.stdout is not None
        url = site.stdout.readline().strip()
        if not url:
            return site.wait()
        command = [str(LOADS_RUNNER), str(HERE / "test_site.py"), "-u", "20", "-d", "10s", "--ramp-up", "2s"]
        command += ["--think-time", "50ms-150ms", "--server-url", url, "--web"]
        print(f"$ loads-runner {' '.join(command[1:])}", flush=True)
        if sys.stderr.isatty() and is_desktop():
            return run_and_open(command)
        return subprocess.run(command, check=False).returncode
    finally:
        site.terminate()
        site.wait()


def is_desktop() -> bool:
    """Whether a browser would have a window, rather than this terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def run_and_open(command: list[str]) -> int:
    """Run `command`, and open the page whose link it says. What it says there comes to the terminal all the same."""
    here, there = pty.openpty()
    with subprocess.Popen(command, stderr=there) as runner, os.fdopen(here, errors="replace", newline="") as said:
        os.close(there)
        with suppress(OSError):  # Thus a terminal ends whose other side is closed.
            for line in said:
                print(line, end="", file=sys.stderr, flush=True)
                if link := LINK.search(line):
                    webbrowser.open(link[1])
    return runner.returncode


if __name__ == "__main__":
    sys.exit(main())
