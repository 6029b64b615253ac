"""Everything is said in pyproject.toml, but that packaging builds the front end: see frontend/build.py."""

import importlib.util
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import Command, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel
from setuptools.command.sdist import sdist

spec = importlib.util.spec_from_file_location("frontend_build", Path(__file__).parent / "frontend" / "build.py")
frontend = importlib.util.module_from_spec(spec)
spec.loader.exec_module(frontend)


def with_pages(command: type[Command]) -> type[Command]:
    """`command`, after the front end has been built."""

    class WithPages(command):
        def run(self) -> None:
            try:
                frontend.build()
            except frontend.BuildError as error:
                raise SystemExit(str(error)) from None
            super().run()

    return WithPages


commands = {"build_py": build_py, "editable_wheel": editable_wheel, "sdist": sdist}
# Built in a place of its own each time: what an earlier build left would be packaged with the rest.
with TemporaryDirectory(prefix="loads-build-") as scratch:
    setup(
        cmdclass={name: with_pages(command) for name, command in commands.items()},
        options={"build": {"build_base": scratch}},
        setup_requires=[frontend.NODE_PACKAGE] if frontend.needs_package() else [],
    )
