"""Parquet files, written so that a full disk is reported as one."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def write_parquet(path: Path, rows: pl.DataFrame) -> None:
    """Raises OSError where there is no room; polars itself reports that in many other ways."""
    whole = BytesIO()
    rows.write_parquet(whole)
    path.write_bytes(whole.getbuffer())
