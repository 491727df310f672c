"""The page on which one tries the model, and the operator's. Their files are in `serving/page`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

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
