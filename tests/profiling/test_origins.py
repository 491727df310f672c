"""Where the rows of a new use case come from."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from portfolio.contract.folder import Folder
from portfolio.profiling.origins import copy_file, table_name


@pytest.mark.parametrize("name", ["2026-01-31.csv", ".2026-01-31.csv", "~2026-01-31", "._2026-01-31.txt"])
def test_a_file_is_copied_under_a_name_that_is_collected(tmp_path: Path, name: str) -> None:
    path, folder = tmp_path / name, tmp_path / "files"
    path.write_text("id\n1\n")
    folder.mkdir()
    copy_file(path, folder / table_name(path))
    assert list(Folder(folder).files()) == [date(2026, 1, 31)]
