"""The demo: starts the example site on a free port of this machine, aims a load test at it, stops it."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LOADS_RUNNER = Path(sys.executable).with_name("loads-runner")


def main() -> int:
    """The exit code of the load test."""
    site = subprocess.Popen([sys.executable, HERE / "target.py", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert site.stdout is not None
        url = site.stdout.readline().strip()
        if not url:
            return site.wait()
        command = [LOADS_RUNNER, HERE / "test_site.py", "-u", "20", "-d", "10s", "--ramp-up", "2s"]
        command += ["--think-time", "50ms-150ms", "--server-url", url]
        print(f"$ loads-runner {' '.join(str(word) for word in command[1:])}", flush=True)
        return subprocess.run(command, check=False).returncode
    finally:
        site.terminate()
        site.wait()


if __name__ == "__main__":
    sys.exit(main())
