"""Who may ask Prefect's server: programs that know its address, and its own pages in a browser; no other page.

Anyone who can reach it can run programs on this machine through it. A browser asks on behalf of any page that is open,
also under a name that the page's owner has pointed at this machine (DNS rebinding), and Prefect itself refuses neither.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from portfolio.core.environment import LOOPBACK


class OwnSite:
    """An ASGI application behind a check of the names under which it is asked, and of the pages that ask.

    `names` are those beside this machine's own.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = {*LOOPBACK, *names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (reason := self._refusal(dict(scope["headers"]))):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": reason})
            else:
                await PlainTextResponse(reason, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> str:
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if re.sub(r":\d+$", "", host).strip("[]").lower() not in self._names:
            return "This server does not answer under that name."
        if origin and urlsplit(origin).netloc.lower() != host.lower():
            return "This server answers its own pages alone."
        return ""
