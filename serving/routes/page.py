"""The page on which one tries the model. Its files are in `serving/page`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

router = APIRouter(include_in_schema=False)
FOLDER = Path(str(files("serving") / "page"))


@router.get("/")
async def page() -> FileResponse:
    return FileResponse(FOLDER / "index.html")
