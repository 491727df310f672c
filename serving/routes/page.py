"""The page on which one tries the model, and the operator's. Their files are in `serving/page`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from starlette.routing import Match

router = APIRouter(include_in_schema=False)
FOLDER = Path(str(files("serving") / "page"))


@router.get("/")
async def page(request: Request) -> Response:
    root: str = request.scope["root_path"]
    if root and request.state.exchange.scope["path"] == root:
        # What the page loads is named relative to it.
        return RedirectResponse(f"{root}/")
    return FileResponse(FOLDER / "index.html")


@router.get("/monitor")
async def monitor() -> Response:
    return FileResponse(FOLDER / "monitor.html")


@router.api_route("/{path:path}/", methods=["GET", "POST"])
async def without_slash(request: Request) -> Response:
    """Leads to what is there without the slash at the end.

    By a relative address: behind a proxy the server knows neither the scheme nor the whole path, which Starlette's own
    redirect would name.
    """
    path = request.scope["path"].rstrip("/")
    wanted = {**request.scope, "path": path}
    if all(route.matches(wanted)[0] == Match.NONE for route in request.app.routes):
        raise HTTPException(404)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"../{quote(path.rpartition('/')[2])}{query}")
