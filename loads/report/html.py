"""The report: a run with all of its charts in one file, which needs no network and no other file.

    <head>  policy, style         the policy lets in this style and this script by their hashes, and nothing else
    <body>  <div id="app">        where the script draws
            <noscript>            the console's block, for who reads without scripts
            report-data           a `page.Report` as JSON, gzip, base64
            script

Style and script are the front end's, built into ``static/`` beside this module. Names and messages come from the tested
service: they are in the data, where base64 has no characters that mean anything, and escaped in the text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final, NamedTuple

from loads.errors import LoadsError
from loads.metrics.result import Result
from loads.report.console import end_block
from loads.report.figures import printable
from loads.report.live import summary_line
from loads.report.page import Report
from loads.report.view.report import packed, report_of

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="app"></div>
<noscript><pre>{block}</pre></noscript>
<script type="application/octet-stream" id="report-data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
_POLICY: Final = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
_HINT: Final = "pip install builds them; in a clone, with Node 20 or newer: cd frontend && npm ci && npm run build"


class Parts(NamedTuple):
    """What the front end adds: a classic script, and a style sheet."""

    script: str
    style: str


def find_parts() -> Parts:
    """The script and the style of reports.

    Raises:
        LoadsError: they were not built.
    """
    static = files("loads.report") / "static"
    try:
        return Parts(*((static / name).read_text(encoding="utf-8") for name in ("report.js", "report.css")))
    except FileNotFoundError:
        raise LoadsError("the script and the style of reports are not there", _HINT) from None


def to_html(result: Result, elapsed_us: int | None = None) -> bytes:
    """The run `result` as one HTML file. `elapsed_us`: it goes on, and this is its age.

    Raises:
        LoadsError: the front end was not built.
    """
    parts = find_parts()
    report = report_of(result, elapsed_us)
    if elapsed_us is None:
        return page_of(parts, report, title=_title(result), block=end_block(result))
    line = printable(f"{result.info.id} goes on: {summary_line(result, elapsed_us).strip()}")
    return page_of(parts, report, title=_title(result, "running"), block=line)


def page_of(parts: Parts, report: Report, *, title: str, block: str) -> bytes:
    """The file that shows `report` by means of `parts`."""
    script = re.sub("</(?=script)|<!(?=--)", _split, _even(parts.script), flags=re.IGNORECASE)
    style = re.sub("</(?=style)", _split, _even(parts.style), flags=re.IGNORECASE)
    text = _PAGE.format(
        policy=_POLICY.format(script=_hash(script), style=_hash(style)),
        title=escape(title),
        style=style,
        block=escape(block),
        data=b64encode(packed(report)).decode(),
        script=script,
    )
    return text.encode(errors="replace")


def _title(result: Result, stage: str | None = None) -> str:
    """``red-fox: failed``, or with the name that its user gave the run. `stage`: instead of a verdict."""
    name = f"{result.info.name} ({result.info.id})" if result.info.name else result.info.id
    return printable(f"{name}: {stage or result.judge().verdict.value} - Loads")


def _even(text: str) -> str:
    """As a browser reads it, so that the hash is of the same."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _split(match: re.Match[str]) -> str:
    r"""What would end the element, spelled ``<\/``: in a string, a pattern or a comment the same, and nowhere else."""
    return f"<\\{match[0][1:]}"


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode(errors="replace")).digest()).decode()
