"""Which requests a server on loopback answers: those of its own pages, by its own name.

Any page that a browser has open may send requests to this machine, and a foreign name may be made to point at it. So
the name and the origin of each request are looked at, and no GET changes anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = "127.0.0.1"
_OWN_SITES = {"same-origin", "none"}
_GRAPHQL = "/graphql"


@dataclass(frozen=True)
class Guard:
    """What a server is called.

    Attributes:
        port: Where it listens on loopback.
        behind: Origin of a proxy with a login before it, or of the near end of a tunnel: ``https://churn.example.com``.
    """

    port: int
    behind: str | None = None

    @property
    def origins(self) -> set[str]:
        """The origins of its own pages."""
        names = (LOOPBACK, "localhost", "[::1]")
        return {f"http://{name}:{self.port}" for name in names} | ({self.behind} if self.behind else set())

    def refusal(self, method: str, headers: Mapping[str, str]) -> str | None:
        """Why a request is not answered; None if it is.

        Args:
            method: Of HTTP.
            headers: By their names in lower case.
        """
        own = self.origins
        if headers.get("host", "").lower() not in {origin.partition("://")[2] for origin in own}:
            return "refused: this server is not known by that name"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None and origin not in own:
            return "refused: the request comes from a page of another origin"
        # Whoever follows a link comes from another site too; what it opens is a page of its own, in no frame.
        followed = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in _OWN_SITES and not (followed and headers.get("sec-fetch-dest") == "document"):
            return "refused: the request comes from a page of another site"
        return None


class GuardedApp:
    """An ASGI application behind a guard; of Dagster's, GraphQL is asked by POST of JSON or by a websocket only."""

    def __init__(self, app: "ASGIApp", guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request, or refuse it."""
        from starlette.requests import HTTPConnection
        from starlette.responses import PlainTextResponse
        from starlette.websockets import WebSocketClose

        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers, method = HTTPConnection(scope).headers, scope.get("method", "GET")
        single = len(headers.getlist("host")) == 1 and len(headers.getlist("origin")) <= 1
        reason, status = self._guard.refusal(method, headers) if single else "refused: two names", 403
        if reason is None and scope["type"] == "http" and scope["path"].rstrip("/") == _GRAPHQL:
            if method != "POST":
                reason, status = "refused: GraphQL is asked by POST", 405
            elif headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                reason, status = "refused: GraphQL is asked in JSON", 415
        if reason is None:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await WebSocketClose(1008, reason)(scope, receive, send)
        return await PlainTextResponse(f"{reason}\n", status)(scope, receive, send)
