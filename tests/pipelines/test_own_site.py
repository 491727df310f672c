"""Prefect's server starts programs: no other page that is open in a browser may ask it to."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipelines.own_site import OwnSite


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


async def tell(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("done")
    await socket.close()


APP = Starlette(routes=[Route("/", answer, methods=["GET", "POST"]), WebSocketRoute("/events", tell)])
CLIENT = TestClient(OwnSite(APP, ["prefect"]), base_url="http://127.0.0.1:4200")


def ask(**headers: str) -> httpx.Response:
    return CLIENT.post("/", headers=headers)


@pytest.mark.parametrize("host", ["127.0.0.1:4200", "localhost:4200", "[::1]:4200", "prefect:4200", "LOCALHOST"])
def test_programs_and_its_own_pages_are_answered(host: str) -> None:
    assert ask(host=host).text == "done"
    assert ask(host=host, origin=f"http://{host}").text == "done"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:4200", "http://evil.example"),
        ("127.0.0.1:4200", "null"),
        # A page that another program of this machine serves.
        ("127.0.0.1:4200", "http://127.0.0.1:9999"),
        # A name that its owner has pointed at this machine.
        ("evil.example:4200", "http://evil.example:4200"),
        ("evil.example:4200", ""),
    ],
)
def test_other_pages_are_refused(host: str, origin: str) -> None:
    headers = {"host": host} | ({"origin": origin} if origin else {})
    assert ask(**headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), CLIENT.websocket_connect("/events", headers=headers):
        pass


def test_events_reach_its_own_pages() -> None:
    with CLIENT.websocket_connect(
        "/events", headers={"origin": "http://127.0.0.1:4200", "host": "127.0.0.1:4200"}
    ) as s:
        assert s.receive_text() == "done"
