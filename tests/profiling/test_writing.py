"""The files that are written pass the project's own checks, load, and take the rows that they were made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from portfolio.contract.checks import problems, to_do
from portfolio.contract.loading import load_use_case
from portfolio.contract.targets import Quantity
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import PARAMS, listed_use_cases
from portfolio.data.collect import collect
from portfolio.data.validate import check_batch
from portfolio.profiling import adding, writing
from portfolio.profiling.baseline import Baseline
from portfolio.profiling.origins import LocalFile
from tests.profiling.made import AGES, PLAIN, ROWS, SIZES, csv_text, drafted, with_column
from tests.workspace import ROOT

STRANGE = {
    'a "quoted" name': [f"{size:.1f}" for size in SIZES],
    "it's (1)": ["(x" if age % 2 else "y]," for age in AGES],
    "brace {b}": ["a\\b" if age % 3 else "c\td" for age in AGES],
    "面積\uff08m²\uff09": SIZES[::-1],
    "two\nlines": [age % 7 for age in AGES],
    "many": [f"a value with a long name, number {age % 19}" for age in AGES],
    "code": [f"{age % 14 + 1:02d}" for age in AGES],
    "gaps": ["" if age % 5 == 0 else age for age in AGES],
    "unsure": ["unknown" if age % 5 == 0 else age for age in AGES],
    "coded": [9999 if place % 9 == 0 else age for place, age in enumerate(AGES)],
    "flag": [bool(age % 2) for age in AGES[::-1]],
    **PLAIN,
}
FILES = {
    "plain": csv_text(PLAIN).encode(),
    "strange": csv_text(STRANGE).encode(),
    "dated": with_column("day", [f"2025年{n % 12 + 1}月{n % 28 + 1}日" for n in range(ROWS)]).encode("cp932"),
    "born": csv_text(
        {
            "day": ["2025-03-01", "2025-03-02"] * (ROWS // 2),
            "born": ["" if n % 7 == 0 else f"{1960 + n % 40}/{n % 12 + 1}/{n % 28 + 1}" for n in range(ROWS)],
            **PLAIN,
        }
    ).encode(),
    "keyed": with_column("id", list(range(ROWS))).encode("utf-16"),
    "european": csv_text(PLAIN, ";").replace(".", ",").encode("latin-1"),
    "measured": with_column("walk", [f"{age % 30}分" for age in AGES]).encode("cp932"),
    "merged": f"Sales,,,\n,of people,,\nage,size,town,bought\n{csv_text(PLAIN).split(chr(10), 1)[1]}".encode(),
    "rare": csv_text({**PLAIN, "bought": ["yes" if n % 25 == 0 else "no" for n in range(ROWS)]}).encode(),
    "flagged": with_column("flagged", [age % 2 for age in AGES[::-1]]).encode(),
    "titled": f"Sales\n\n{csv_text(PLAIN)}\nSource: made up\n".encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_use_case_from_a_file_takes_all_rows_of_it(workspace: Path, name: str) -> None:
    found = drafted(workspace, FILES[name])
    adding.write(name, found, LocalFile(workspace / "rows.csv"))
    case = load_use_case(name)
    assert problems(case) == []
    batches = workspace / "batches"
    assert collect(case.source, batches).rows == ROWS
    checked = [
        check_batch(path, case.schema(), case, case.config().validate_) for path in batches.iterdir() if path.suffix
    ]
    assert sum(len(good) for good, _ in checked) == ROWS, [bad["reason"][:3] for _, bad in checked if len(bad)]


def test_the_files_are_written_as_the_project_formats_them(workspace: Path) -> None:
    for name, content in FILES.items():
        adding.write(name, drafted(workspace, content), LocalFile(workspace / "rows.csv"))
    folders = [Path("use_cases") / name for name in FILES]
    for command in (["check"], ["format", "--check"]):
        checked = subprocess.run(
            [Path(sys.executable).with_name("ruff"), *command, f"--config={ROOT / 'pyproject.toml'}", *folders],
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, checked.stdout


def test_what_only_a_person_knows_is_marked(workspace: Path) -> None:
    adding.write("plain", drafted(workspace, FILES["plain"]), LocalFile(workspace / "rows.csv"))
    marked = {path.name for path, _, _ in to_do(load_use_case("plain"))}
    assert marked == {"use_case.py", "card.yaml", "plain.yaml"}


def test_what_is_kept_though_it_gives_the_target_away_is_trusted(workspace: Path) -> None:
    rents = [round(0.2 * size, 2) for size in SIZES]
    found = drafted(workspace, csv_text({**PLAIN, "rent": rents}), "rent", keep=["size"])
    adding.write("rents", found, LocalFile(workspace / "rows.csv"))
    case = load_use_case("rents")
    assert list(case.trusted) == ["size"]
    assert "size" in [field.name for field in case.inputs]
    assert problems(case) == []


def test_a_quantity_has_a_tolerance_and_bounds_with_room(workspace: Path) -> None:
    adding.write("sizes", drafted(workspace, FILES["plain"], "size"), LocalFile(workspace / "rows.csv"))
    case = load_use_case("sizes")
    assert isinstance(case.target, Quantity)
    assert case.target.minimum is not None
    assert case.target.maximum is not None
    assert case.target.minimum < min(SIZES) < max(SIZES) < case.target.maximum
    assert case.config().value.tolerance


@pytest.mark.parametrize("name", ["month", "sold_month", "月"])
def test_rows_of_a_part_of_a_year_leave_room_for_its_other_months(workspace: Path, name: str) -> None:
    assert bounds(workspace, name, 7) == (1, 12)


@pytest.mark.parametrize("name", ["visits_per_month", "visits per day", "tenure_months"])
def test_what_is_counted_leaves_room_for_more_than_a_calendar_has(workspace: Path, name: str) -> None:
    assert bounds(workspace, name, 12) == (0, 15)


def bounds(workspace: Path, name: str, last: int) -> tuple[float | None, float | None]:
    """Those of an input of this name, in a use case that is drafted from a table in which it goes from 1 to `last`."""
    content = with_column(name, [number % last + 1 for number in range(ROWS)]).encode()
    adding.write("plain", drafted(workspace, content), LocalFile(workspace / "rows.csv"))
    field = next(field for field in load_use_case("plain").inputs if field.name == name)
    return field.minimum, field.maximum


@pytest.mark.parametrize(("linear", "constant", "expected"), [(0.3966, 2.28, 0.8), (8.4, 27.96, 20), (9.0, 10.0, 10)])
def test_the_tolerance_is_not_less_than_what_models_reach(
    tmp_path: Path, linear: float, constant: float, expected: float
) -> None:
    found = drafted(tmp_path, FILES["plain"], "size")
    found.baseline = Baseline(linear, constant, ROWS)
    assert writing.tolerance(found) == pytest.approx(expected)


def test_nothing_is_left_of_a_use_case_that_could_not_be_written(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(found: object) -> str:
        raise PortfolioError("the disk is full")

    def there() -> set[Path]:
        # The lock that commands wait for may stay.
        return {path for path in workspace.rglob("*") if ".state" not in path.parts}

    before, listed = there(), PARAMS.read_text()
    found = drafted(workspace, FILES["plain"])
    monkeypatch.setattr(writing, "config_text", fail)
    with pytest.raises(PortfolioError, match="disk is full"):
        adding.write("plain", found, LocalFile(workspace / "rows.csv"))
    assert there() - before == {workspace / "rows.csv", workspace / "data"} - before
    assert PARAMS.read_text() == listed
    assert "plain" not in listed_use_cases()


def test_a_date_is_declared_with_room_for_years(workspace: Path) -> None:
    adding.write("born", drafted(workspace, FILES["born"], date="day"), LocalFile(workspace / "rows.csv"))
    text = (Path("use_cases") / "born" / "use_case.py").read_text()
    assert 'Date("born", "1960-01-01", "2004-12-31", missing=True),' in text
    assert 'date="day"' in text


def test_a_row_that_is_like_no_other_goes_to_quarantine(workspace: Path) -> None:
    sizes = [10_000_000.0, *SIZES[1:]]
    adding.write("far", drafted(workspace, csv_text({**PLAIN, "size": sizes})), LocalFile(workspace / "rows.csv"))
    case = load_use_case("far")
    collect(case.source, workspace / "batches")
    (path,) = (workspace / "batches").glob("*.parquet")
    good, bad = check_batch(path, case.schema(), case, case.config().validate_)
    assert (len(good), bad["size"].to_list()) == (ROWS - 1, [10_000_000])
    assert isinstance(good, pl.DataFrame)


def test_the_row_that_is_shown_names_nobody(workspace: Path) -> None:
    people = [f"Taro Yamada {number}" for number in range(ROWS)]
    notes = [f"called on Monday about order number {number}" for number in range(ROWS)]
    found = drafted(workspace, csv_text({"name": people, "note": notes, **PLAIN}))
    adding.write("people", found, LocalFile(workspace / "rows.csv"))
    text = (Path("use_cases") / "people" / "use_case.py").read_text()
    assert "Yamada" not in text
    assert "Monday" not in text
    assert f"    age     {AGES[0]}\n" in text
