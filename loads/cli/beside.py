"""Whether a page is wanted beside a run's screen, and where: ``--web``. What comes of it is in `followed`."""

from __future__ import annotations

from dataclasses import dataclass

from loads.errors import UsageError
from loads.plan.config import Config
from loads.plan.settings import SETTINGS


@dataclass(frozen=True)
class Beside:
    """That a page is wanted. `port`: where it must be; None: at the usual one, or any that is free."""

    port: int | None


def page_options(config: Config, problems: list[UsageError], *, detach: bool) -> Beside | None:
    """What `config` says of a page; None: none is wanted. What makes no sense is added to `problems`."""
    if not config["web"]:
        if config["web-port"] is not None and config.origin("web-port") == SETTINGS["web-port"].flag:
            problems.append(UsageError(f"{config.origin('web-port')} is for --web", "give --web, too"))
        return None
    origin = config.origin("web")
    if config["workers"] == 0:
        problems.append(
            UsageError(
                f"{config.origin('workers')} 0 and {origin} exclude each other",
                "a debugger stops the whole process, and the page with it: leave one of them out",
            )
        )
    if detach and origin == SETTINGS["web"].flag:
        problems.append(
            UsageError(
                f"--detach and {origin} exclude each other",
                "the page ends with this command; loads-web shows all runs of the broker, also this one",
            )
        )
    return Beside(config["web-port"])
