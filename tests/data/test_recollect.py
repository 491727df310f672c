"""A corrected source replaces what was collected: after the difference was shown, and only then."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from portfolio.cli.main import app
from portfolio.contract import Csv
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.data.batches import next_feedback
from portfolio.data.collect import collect
from portfolio.data.recollect import Difference, differences, replace
from tests.checkouts import make_repository
from tests.workspace import write_use_case

START = date(2026, 1, 5)
ROWS = "id,age,town,bought\n" + "".join(f"{n},{20 + n},{'AB'[n % 2]},{('no', 'yes')[n % 2]}\n" for n in range(8))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    return tmp_path / "raw" / "batches"


def source(*, key: str | None = "id") -> Csv:
    return Csv(path="rows.csv", key=key, start=START, rows_per_day=4)


def rewrite(*changes: tuple[str, str]) -> None:
    text = Path("rows.csv").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("rows.csv").write_text(text)


def found(folder: Path, **given: object) -> list[Difference]:
    return differences(source(), folder, **given)  # type: ignore[arg-type]


def test_what_is_as_it_was_is_no_difference(folder: Path) -> None:
    collect(source(), folder)
    assert found(folder) == []


def test_changed_new_and_missing_rows_are_counted_and_replaced(folder: Path) -> None:
    collect(source(), folder)
    first = (folder / "2026-01-05.parquet").read_bytes()
    rewrite(("5,25,B,yes\n", "5,26,A,yes\n"), ("7,27,B,yes\n", "17,27,B,yes\n"))
    (only,) = found(folder)
    assert (only.day, only.rows_before, only.added, only.removed, only.changed_rows) == (date(2026, 1, 6), 4, 1, 1, 1)
    assert only.changed == {"age": 1, "town": 1}
    replace(folder, [only])
    assert found(folder) == []
    assert pl.read_parquet(folder / "2026-01-06.parquet")["age"].to_list() == [24, 26, 26, 27]
    assert (folder / "2026-01-05.parquet").read_bytes() == first


def test_the_same_rows_in_another_order_are_no_difference(folder: Path) -> None:
    collect(source(), folder)
    rewrite(("0,20,A,no\n1,21,B,yes\n", "1,21,B,yes\n0,20,A,no\n"))
    assert found(folder) == []


def test_a_new_column_and_rows_without_a_key(folder: Path) -> None:
    collect(source(key=None), folder)
    lines = Path("rows.csv").read_text().splitlines()
    Path("rows.csv").write_text("\n".join([lines[0] + ",extra", *(f"{line},1" for line in lines[1:])]))
    assert [batch.changed for batch in differences(source(key=None), folder)] == [{"extra": 4}, {"extra": 4}]


def test_keys_that_are_not_unique_leave_the_counts_open(folder: Path) -> None:
    rewrite(("1,21", "0,21"))
    collect(source(), folder)
    rewrite(("0,21", "1,21"))
    (batch,) = found(folder)
    assert batch.changed is None


def test_a_batch_that_the_source_has_no_more_goes(folder: Path) -> None:
    collect(source(), folder)
    Path("rows.csv").write_text("".join(ROWS.splitlines(keepends=True)[:5]))
    (gone,) = found(folder)
    assert (gone.after, gone.removed) == (None, 4)
    replace(folder, [gone])
    assert [path.name for path in sorted(folder.iterdir())] == ["2026-01-05.parquet"]


def test_a_damaged_batch_is_replaced(folder: Path) -> None:
    collect(source(), folder)
    (folder / "2026-01-05.parquet").write_bytes(b"PAR1")
    (damaged,) = found(folder)
    assert damaged.rows_before is None
    replace(folder, [damaged])
    assert found(folder) == []


def test_only_the_days_that_were_asked_for(folder: Path) -> None:
    collect(source(), folder)
    rewrite(("0,20", "0,30"), ("4,24", "4,34"))
    assert [batch.day for batch in found(folder, days=[date(2026, 1, 6)])] == [date(2026, 1, 6)]
    with pytest.raises(DataError, match="no batch of 2025-01-01: there is nothing to replace"):
        found(folder, days=[date(2025, 1, 1)])


def test_where_nothing_was_collected_there_is_nothing_to_replace(folder: Path) -> None:
    with pytest.raises(DataError, match="no batch of any day"):
        found(folder)


@pytest.mark.parametrize(
    ("options", "typed", "replaced"),
    [([], "", False), ([], "n\n", False), ([], "y\n", True), (["--yes"], "", True)],
)
def test_the_command_shows_the_difference_and_asks(
    workspace: Path, options: list[str], typed: str, replaced: bool
) -> None:
    make_repository(workspace)
    write_use_case("small")
    Path("rows.csv").write_text(ROWS)
    run = CliRunner()
    assert run.invoke(app, ["collect", "small"]).exit_code == 0
    batch = Paths("small").batches / "2026-01-05.parquet"
    before = batch.read_bytes()
    rewrite(("5,25,B,yes\n", "5,26,A,yes\n"))
    result = run.invoke(app, ["recollect", "small", *options], input=typed)
    assert "age (1)" in result.output
    assert result.exit_code == (0 if replaced else 1)
    assert (batch.read_bytes() != before) == replaced
    assert ("git checkout data/small/raw/batches.dvc" in result.output) == replaced
    if replaced:
        assert "is the same as in its source" in run.invoke(app, ["recollect", "small"]).output


def test_labels_that_came_back_are_no_batches_of_the_source(folder: Path) -> None:
    collect(source(), folder)
    feedback = next_feedback(folder, START)
    pl.DataFrame({"id": ["request-0"]}).write_parquet(feedback)
    assert differences(source(), folder) == []
    assert collect(source(), folder).added == []
    assert feedback.exists()
