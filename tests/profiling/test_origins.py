"""Where the rows of a new use case come from, and where in its folder a file goes."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from portfolio.contract import sources
from portfolio.contract.folder import Folder
from portfolio.core.errors import ConfigError
from portfolio.profiling import origins
from tests.profiling.made import PLAIN, csv_text, written

LAST = date(2026, 11, 30)


class LastOfTheMonth(date):
    @classmethod
    def today(cls) -> date:
        return LAST


@pytest.mark.parametrize("name", ["2026-01-31.csv", ".2026-01-31.csv", "~2026-01-31", "._2026-01-31.txt"])
def test_a_file_is_copied_under_a_name_that_is_collected(tmp_path: Path, name: str) -> None:
    path, folder = tmp_path / name, tmp_path / "files"
    path.write_text("id\n1\n")
    folder.mkdir()
    origins.copy_file(path, folder / origins.table_name(path))
    assert list(Folder(folder).files()) == [date(2026, 1, 31)]


def test_where_it_is_next_month_already_a_file_of_its_first_day_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sources, origins):
        monkeypatch.setattr(module, "date", LastOfTheMonth)
    path, folder = written(tmp_path, csv_text(PLAIN)), tmp_path / "files"
    folder.mkdir()
    there = origins.place_for("shop", Folder(str(folder)), path, LAST + timedelta(days=1))
    assert there == folder / "rows-2026-12-01.csv"
    with pytest.raises(ConfigError, match="which is still to come"):
        origins.place_for("shop", Folder(str(folder)), path, LAST + timedelta(days=32))
