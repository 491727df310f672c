"""Files that tests make and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from portfolio.contract.csv_file import read_csv
from portfolio.contract.format import Format


def read(folder: Path, content: bytes | str, **written: Any) -> pl.DataFrame:
    path = folder / "rows.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_csv(path, "rows.csv", Format(**written))
