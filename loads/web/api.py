"""What pages ask for besides what they are told: who they are, the runs of the past, a stop, a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from typing import Any, Final

import loads
from loads.errors import LoadsError
from loads.report import page
from loads.web.handlers import Guarded, Refused
from loads.web.histories import Query, select
from loads.web.hub import Full

_MOST_TEXT: Final = 200
_MOST_TAGS: Final = 20
_MOST_REPORTS: Final = 2
"""Made at a time: each takes a second or so of a processor, and some memory."""


class Me(Guarded):
    """Who asks, and what for."""

    def get(self) -> None:
        source = self.hub.source
        self.answer(
            page.Me(
                version=loads.__version__,
                may_stop=source.may_stop,
                local=source.is_local,
                run=source.run,
                where=source.where,
            )
        )


class Runs(Guarded):
    """The runs of the past, and those that go on."""

    async def get(self) -> None:
        query = self._query()
        try:
            rows = await self.hub.source.runs()
        except LoadsError as error:
            raise Refused(HTTPStatus.BAD_GATEWAY, error.message, error.hint) from None
        self.answer(await asyncio.to_thread(select, rows, query))

    def _query(self) -> Query:
        tags = {}
        for text in self.get_query_arguments("tag")[:_MOST_TAGS]:
            key, equals, value = text.partition("=")
            if not equals:
                raise Refused(HTTPStatus.BAD_REQUEST, f"{text[:_MOST_TEXT]!r} is not a tag", "like team=shop")
            tags[key] = value
        return Query(
            text=self.get_query_argument("text", "")[:_MOST_TEXT],
            label=self.get_query_argument("label", ""),
            tags=tags,
            verdict=self.get_query_argument("verdict", ""),
            first=self._date("from"),
            last=self._date("to"),
            offset=self._number("offset", 0),
            limit=self._number("limit", 50),
        )

    def _date(self, name: str) -> date | None:
        text = self.get_query_argument(name, "")
        return None if not text else self._parsed(name, text, date.fromisoformat, "like 2026-11-23")

    def _number(self, name: str, default: int) -> int:
        text = self.get_query_argument(name, "")
        number = default if not text else self._parsed(name, text[:10], int, "like 50")
        return max(0, number)

    def _parsed(self, name: str, text: str, parse: Callable[[str], Any], hint: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name}: {text[:_MOST_TEXT]!r} is none", hint) from None


class Stop(Guarded):
    """Stop a run. The broker has the last word on who may."""

    async def post(self, run: str) -> None:
        source = self.hub.source
        if not source.may_stop:
            raise Refused(
                HTTPStatus.FORBIDDEN, "this dashboard only looks", "stop the run where it was started: loads stop"
            )
        try:
            await source.stop(run, now=self.get_query_argument("now", "0") == "1")
        except LoadsError as error:
            raise Refused(HTTPStatus.CONFLICT, error.message, error.hint) from None
        self.set_status(HTTPStatus.NO_CONTENT)


class Report(Guarded):
    """A run as a file that needs no server."""

    async def get(self, run: str) -> None:
        turns = self.application.settings.setdefault("turns_for_reports", asyncio.Semaphore(_MOST_REPORTS))
        async with turns:
            document = await self._document(run)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="loads-{run}.html"')
        self.finish(document)

    async def _document(self, run: str) -> bytes:
        from loads.report.html import to_html

        try:
            subject = await self.hub.subject(run)
        except TimeoutError:
            raise Refused(HTTPStatus.GATEWAY_TIMEOUT, "the broker does not tell of that run", "see its log") from None
        except Full:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many runs are looked at", "close some pages") from None
        gone = subject.gone()
        if gone is not None:
            raise Refused(HTTPStatus.NOT_FOUND, gone.message, gone.hint)
        elapsed_us = subject.elapsed_us
        if subject.result is None or (elapsed_us is None and subject.result.duration_us is None):
            raise Refused(HTTPStatus.CONFLICT, f"{run} has not begun", "there is a report as soon as it has")
        copy = subject.copy()
        try:
            return await asyncio.to_thread(lambda: to_html(copy(), elapsed_us))
        except LoadsError as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, error.message, error.hint) from None


class Missing(Guarded):
    """All other addresses."""

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here."""

    def prepare(self) -> None:
        super().prepare()
        if not self._finished:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
