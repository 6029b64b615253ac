"""What can be set, however it is said: on the command line, in the environment or in a file.

One table, `SETTINGS`: the options, the variables, the keys of files, the order of --show-plan and the documentation
follow it. Whatever says a setting is brought to one text first, so that each has one parser and means the same
everywhere. Pure: whether a file is there or can be written is the command line's to find out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from loads.errors import UsageError
from loads.plan.http import (
    DEFAULT_TIMEOUT_US,
    DnsPolicy,
    parse_dns,
    parse_resolve,
    parse_source_address,
    parse_timeout_us,
    parse_user_agent,
)
from loads.plan.load import DEFAULT_GRACEFUL_STOP_US
from loads.plan.select import parse_selection
from loads.plan.spec import parse_count, parse_cycle, parse_stages
from loads.units import US_PER_S, format_duration, parse_duration_us, parse_part, parse_rate

MAX_WORKERS: Final = 256
MAX_AGENTS: Final = 10_000
MAX_LOST: Final = 0.01
"""Part of the requests or iterations that may be lost in a result that still counts, where nobody says."""
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
DEFAULT_LOG_LEVEL: Final = "info"
"""Of a log file; without either, logging is left as the tests set it up."""
MAX_NAME: Final = 200
"""Characters of a run's name, and of a tag's value."""
MAX_TAGS: Final = 20
WEB_PORT: Final = 7777
"""Where pages are, if nobody says otherwise and the port is free."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


@dataclass(frozen=True)
class Kind:
    """In which shapes of a typed file, besides a string, a setting may come.

    Attributes:
        scalars: exact types; True is no number.
        items: the same for what an array holds; empty: no array.
        joiner: what makes one text of an array; None: each item is a text of its own.
        lines: its items hold blanks, so that a text without types has one on each line, or `;` between them.
    """

    scalars: tuple[type, ...] = ()
    items: tuple[type, ...] = ()
    joiner: str | None = None
    lines: bool = False

    @property
    def many(self) -> bool:
        """The setting is a list."""
        return bool(self.items) and self.joiner is None


CYCLE: Final = Kind(scalars=(int,), items=(int, str), joiner=":")
STAGES: Final = Kind(items=(str,), joiner=",")
TIME: Final = Kind(scalars=(int, float))
PART: Final = TIME
NUMBER: Final = Kind(scalars=(int,))
FLAG: Final = Kind(scalars=(bool, int))
TEXT: Final = Kind()
LIST: Final = Kind(items=(str,))
LINES: Final = Kind(items=(str,), lines=True)


@dataclass(frozen=True)
class Setting:
    """One thing that can be set.

    Attributes:
        example: right-hand sides as a TOML file has them.
        load: says how much load there is. Such settings come from one layer only.
        default: for people; "-": nothing.
        option: what the command line calls it.
        cluster: has a meaning for runs on a cluster only.
    """

    name: str
    kind: Kind
    parse: Callable[[str], Any]
    example: str
    load: bool = False
    default: str = "-"
    option: str = ""
    cluster: bool = False

    @property
    def flag(self) -> str:
        """``--users``."""
        return self.option or f"--{self.name}"

    @property
    def variable(self) -> str:
        """``LOADS_USERS``."""
        return variable_of(self.name)


def variable_of(name: str) -> str:
    """The environment variable of the setting `name`."""
    return "LOADS_" + name.upper().replace("-", "_")


def parse_think_time(text: str) -> tuple[int, int]:
    """``1s-3s``, or ``2s`` for always the same: the least and the most, in microseconds.

    Raises:
        UsageError: it is neither, or the other way round.
    """
    least, dash, most = text.partition("-")
    try:
        ends = parse_duration_us(least), parse_duration_us(most if dash else least)
    except UsageError:
        raise UsageError(f"{text!r} is not a time, or two of them", "like 2s or 1s-3s") from None
    if ends[0] > ends[1]:
        raise UsageError(f"{text!r} goes from more to less", f"like {most}-{least}")
    return ends


def parse_label(text: str) -> tuple[str, str]:
    """``region=eu``: what an agent is labelled with.

    Raises:
        UsageError: it is no such pair, or of characters that a screen or a shell might take for something else.
    """
    key, _, value = text.partition("=")
    if not (_PLAIN_NAME.fullmatch(key) and _PLAIN_NAME.fullmatch(value)):
        raise UsageError(
            f"{text!r} is not a label", "like region=eu: letters, digits, dots, dashes and underscores on both sides"
        )
    return key, value


def parse_run_name(text: str) -> str:
    """``checkout, new index``: what a run is called by its user; not its name in the cluster.

    Raises:
        UsageError: it is empty, longer than `MAX_NAME`, or no line of text.
    """
    if not _is_line(text):
        raise UsageError(f"{text!r} is not a name for a run", f"give one line of at most {MAX_NAME} characters")
    return text.strip()


def parse_tag(text: str) -> tuple[str, str]:
    """``branch=main``: what a run is tagged with. The value may be any line of text.

    Raises:
        UsageError: it is no such pair.
    """
    key, _, value = text.partition("=")
    if not (_PLAIN_NAME.fullmatch(key) and _is_line(value)):
        raise UsageError(
            f"{text!r} is not a tag",
            "like branch=main: letters, digits, dots, dashes and underscores on the left, "
            f"one line of at most {MAX_NAME} characters on the right",
        )
    return key, value.strip()


def _is_line(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_NAME and text.isprintable()


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not (_is_number(text) and int(text) <= MAX_WORKERS):
        raise UsageError(
            f"{text!r} is not a number of workers", f"give auto, or a whole number from 0 to {MAX_WORKERS}"
        )
    return int(text)


def _seed(text: str) -> int:
    if not (_is_number(text) and int(text) < 1 << 63):
        raise UsageError(f"{text!r} is not a seed", "give a whole number, zero or more")
    return int(text)


def _failures(text: str) -> int:
    if not (_is_number(text) and 0 < int(text) <= 10_000_000):
        raise UsageError(f"{text!r} is not a number of failures", "give a whole number, one or more")
    return int(text)


def _port(text: str) -> int:
    if not (_is_number(text) and int(text) <= 65_535):
        raise UsageError(f"{text!r} is not a port", "give a whole number from 1 to 65535, or 0 for any that is free")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _server_url(text: str) -> str:
    if not text.startswith(("http://", "https://")) or not text.split("://", 1)[1]:
        raise UsageError(f"{text!r} is not the URL of a server", "like http://127.0.0.1:8000")
    return text


def _flag(text: str) -> bool:
    lower = text.lower()
    if lower not in _TRUE + _FALSE:
        raise UsageError(f"{text!r} is neither true nor false", "say true or false, yes or no, on or off, 1 or 0")
    return lower in _TRUE


def _agents(text: str) -> int | None:
    if text == "all":
        return None
    if not (_is_number(text) and 0 < int(text) <= MAX_AGENTS):
        raise UsageError(f"{text!r} is not a number of agents", f"give all, or a whole number from 1 to {MAX_AGENTS:,}")
    return int(text)


def _directory_name(text: str) -> str:
    if not _PLAIN_NAME.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a plain name", "use letters, digits, dots, dashes and underscores, and no path"
        )
    return text


def _selection(text: str) -> str:
    parse_selection(text)
    return text


def _part(text: str) -> float:
    if text.strip() == "1":
        raise UsageError("'1' is all of them", "write 1% or 0.01 for one in a hundred, 100% for all")
    return parse_part(text)


def _log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise UsageError(f"{text!r} is not a level", f"the levels are {', '.join(LOG_LEVELS)}")
    return text.lower()


def _label(text: str) -> str:
    parse_label(text)
    return text


def _tag(text: str) -> str:
    parse_tag(text)
    return text


def _variable(text: str) -> str:
    name = text.partition("=")[0]
    if not _VARIABLE.fullmatch(name):
        raise UsageError(f"{name!r} names no environment variable", "like API_TOKEN, or STAGE=test")
    if name.startswith("LOADS_"):
        raise UsageError(f"{name} is one of Loads' own variables", "give the tests one of another name")
    return text


def _text(text: str) -> str:
    if not text:
        raise UsageError("there is nothing in it", "say something, or leave it out")
    return text


_TABLE = (
    Setting("targets", LIST, _text, '["shop.py", "pages.TestPages"]', option="TARGET"),
    Setting("users", CYCLE, parse_cycle, '200 or "10:20:30" or [10, 20, 30]', load=True),
    Setting("hits", CYCLE, parse_cycle, '20 or "5:10" or [5, 10]', load=True),
    Setting("duration", TIME, parse_duration_us, '"1m30s" or 90', load=True),
    Setting("ramp-up", TIME, parse_duration_us, '"10s" or 10', load=True),
    Setting("stages", STAGES, parse_stages, '"30s:50,1m:200" or ["30s:100/s", "1m:500/s"]', load=True),
    Setting("arrival-rate", TEXT, parse_rate, '"500/s" or "30/m"', load=True),
    Setting("max-users", NUMBER, parse_count, "200", load=True),
    Setting("poisson", FLAG, _flag, "true", load=True, default="false"),
    Setting("pacing", TIME, parse_duration_us, '"5s" or 5', load=True),
    Setting("graceful-stop", TIME, parse_duration_us, '"30s" or 30', default=format_duration(DEFAULT_GRACEFUL_STOP_US)),
    Setting("think-time", TIME, parse_think_time, '"1s-3s" or 2'),
    Setting("select", TEXT, _selection, '"login and not slow"', option="-k"),
    Setting("stop-on-failure", NUMBER, _failures, "1"),
    Setting("threshold", LINES, _text, '["p(95) < 500ms", "failure_rate < 1%"]'),
    Setting("warm-up", TIME, parse_duration_us, '"20s" or 20'),
    Setting("max-lost", PART, _part, '"1%" or 0.01', default=f"{MAX_LOST:.0%}"),
    Setting("allow-invalid", FLAG, _flag, "true", default="false"),
    Setting("workers", NUMBER, _workers, '4 or "auto"', default="auto"),
    Setting("seed", NUMBER, _seed, "42"),
    Setting("server-url", TEXT, _server_url, '"http://127.0.0.1:8000"'),
    Setting("fresh-session", FLAG, _flag, "true", default="false"),
    Setting("timeout", TIME, parse_timeout_us, '"10s" or 2.5', default=f"{DEFAULT_TIMEOUT_US // US_PER_S}s"),
    Setting("keepalive", FLAG, _flag, "false", default="true"),
    Setting("user-agent", TEXT, parse_user_agent, '"shop-load/1.0"'),
    Setting("insecure-tls", FLAG, _flag, "true", default="false"),
    Setting("ca-bundle", TEXT, _text, '"ca.pem"'),
    Setting("dns", TEXT, parse_dns, '"once"', default=DnsPolicy.TTL.value),
    Setting("resolve", LIST, parse_resolve, '["shop.example:443:10.0.0.7,10.0.0.8"]'),
    Setting("source-address", LIST, parse_source_address, '["10.0.0.5", "10.0.0.6"]'),
    Setting("include-file", LIST, _text, '["lib/*.py"]'),
    Setting("env", LIST, _variable, '["API_TOKEN", "STAGE=test"]'),
    Setting("log-level", TEXT, _log_level, '"info"'),
    Setting("log-file", TEXT, _text, '"loads.log"'),
    Setting("agents", NUMBER, _agents, '3 or "all"', cluster=True),
    Setting("broker", TEXT, _text, '"tcp://10.0.0.5:7700"', cluster=True),
    Setting("ssh", TEXT, _text, '"user@loads-master"', cluster=True),
    Setting("ssh-option", LIST, _text, '["IdentityFile=~/.ssh/loads"]', cluster=True),
    Setting("ssh-command", TEXT, _text, '"/opt/loads/bin/loads"', default="loads", cluster=True),
    Setting("label", LIST, _label, '["region=eu"]', cluster=True),
    Setting("wait", FLAG, _flag, "true", default="false", cluster=True),
    Setting("elastic", FLAG, _flag, "true", default="false", cluster=True),
    Setting("per-agent", FLAG, _flag, "true", default="false", cluster=True),
    Setting("python-dep", LIST, _text, '["lxml>=5", "faker"]', cluster=True),
    Setting("requirements", TEXT, _text, '"requirements.txt"', cluster=True),
    Setting("test-dir", TEXT, _directory_name, '"shop"', cluster=True),
    Setting("name", TEXT, parse_run_name, '"checkout, new index"'),
    Setting("tag", LIST, _tag, '["branch=main", "build=812"]'),
    Setting("output", LIST, _text, '["json=result.json"]'),
    Setting("web", FLAG, _flag, "true", default="false"),
    Setting("web-port", NUMBER, _port, "7777", default=f"{WEB_PORT}, or any free one"),
    Setting("quiet", FLAG, _flag, "true", default="false"),
)
SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType({setting.name: setting for setting in _TABLE})

ALIASES: Final[Mapping[str, str]] = MappingProxyType({"iterations": "hits"})
"""Other names of settings."""

COMMAND_LINE_ONLY: Final = (
    *("config", "show-plan", "list", "help", "version"),
    *("detach", "attach", "ping-broker", "purge-broker", "check-cluster", "stop", "now"),
)
"""Options that say what to do now: a file that holds them would do it for ever."""
