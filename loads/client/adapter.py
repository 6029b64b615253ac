"""What a session of ours mounts: requests' adapter, on the worker's engine where it can."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

from loads.client.engine import Engine, Kept
from loads.client.sending import send_prepared

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from loads.client.user import VirtualUser


Tale = Callable[..., "Response"]
"""Called with the request, and what the adapter was told as keywords."""


class EngineAdapter(HTTPAdapter):
    """For one session. What makes requests' own adapter large is made when it is needed first."""

    def __init__(self, engine: Engine, user: VirtualUser) -> None:
        self.kept = Kept()
        self.ready: Tale | None = None
        """The answer to the next request, which went out already."""
        self._engine = engine
        self._user = user

    def __getattr__(self, name: str) -> Any:
        if name in ("ready", "kept") or name.startswith("__") or "poolmanager" in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        super().__init__()
        return getattr(self, name)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """As requests'; see `sending`."""
        settings = {"stream": stream, "timeout": timeout, "verify": verify, "cert": cert, "proxies": proxies}
        ready, self.ready = self.ready, None
        if ready is not None:
            return ready(request, **{**settings, "stream": True})
        if HTTPAdapter.send is not self._engine.adapter_send:
            return HTTPAdapter.send(self, request, **settings)
        response = send_prepared(self._engine, self._user, self.kept, self, request, **settings)
        if response is None:
            response = self._engine.send_stock(self, request, settings)
        return response

    def close(self) -> None:
        """Close all connections."""
        self.kept.close()
        if "poolmanager" in self.__dict__:
            super().close()
