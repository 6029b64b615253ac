"""A dashboard as a whole: who is let in, what there is to see, and the server that tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from loads.web.app import STATIC, Server, application
from loads.web.doors import Doors
from loads.web.hub import Hub
from loads.web.secret import Secret
from loads.web.sources import Source
from loads.web.viewers import PATIENCE_S


class Dashboard:
    """Shows `source` to whoever comes to `server` with the token of `secret`; `async with` begins and ends it.

    Args:
        names: by which else this machine is called: see `doors.Doors`.
        say: takes what its log should have.
        patience_s: who has not read a frame in so long is sent away.

    Attributes:
        link: who opens that is logged in.
    """

    def __init__(
        self,
        source: Source,
        server: Server,
        secret: Secret,
        say: Callable[[str], None],
        *,
        names: frozenset[str] = frozenset(),
        static: Path = STATIC,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.hub = Hub(source, say, patience_s=patience_s)
        self._server = server
        self._doors = Doors(secret, server.port, names, secure=server.is_secure)
        self._application = application(self.hub, self._doors, say, static)
        self.link = f"{server.url}/login?token={secret.token}"

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self.hub.look())
        self._server.serve(self._application)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking
        self.hub.close()
        await self._server.close()

    async def failed(self) -> None:
        """Returns never, but with what keeps the dashboard from looking on."""
        await asyncio.shield(self._looking)
