"""portfolio new, check, remove, rename, and collect with a file, as a beginner would use them."""

from __future__ import annotations

import io
import os
import re
import shutil
import sqlite3
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portfolio.core import files
from portfolio.core.paths import PARAMS, Paths, listed_use_cases
from tests.cli.conftest import output, portfolio, run_main
from tests.profiling.made import ANSWERS, PLAIN, ROWS, csv_text, with_column
from tests.workspace import TOY


@pytest.fixture
def rows(workspace: Path) -> Path:
    path = workspace / "rows.csv"
    path.write_text(with_column("id", list(range(ROWS))))
    return path


def new(*options: str, name: str = "shop", file: str = "rows.csv") -> list[str]:
    return ["new", name, file, "--target", "bought", "--yes", *options]


def test_new_says_what_it_decided_and_what_comes_next(
    rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = output(new(), monkeypatch, capsys)
    for part in (
        "300 rows, 5 columns",
        "names each row",
        "Target: bought (no: 70.3%, yes: 29.7%).",
        "always giving the most frequent answer",
        "portfolio check shop",
        "portfolio run shop",
    ):
        assert part in said
    assert "shop" in listed_use_cases()
    assert (Path("data") / "shop" / "files" / f"rows-{date.today()}.csv").exists()
    # Nothing is wrong with it; what only a person knows is left to write.
    checked = output(["check", "shop"], monkeypatch, capsys)
    assert "nothing is wrong" in checked
    assert checked.count("TODO") > 5


def test_new_says_where_it_guessed_how_a_number_was_written(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [f"{size}".replace(".", ",") for size in PLAIN["size"]]
    weights = [f"{1 + number % 7}.{number + 100}" for number in range(ROWS)]
    (workspace / "rows.csv").write_text(csv_text({**PLAIN, "size": sizes, "weight": weights, "grams": weights}, ";"))
    said = output(new("--drop", "grams"), monkeypatch, capsys)
    assert "'weight': 1.100 was read as 1100. If it is 1.100, delete thousands=" in said
    assert "'grams': 1" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["new", TOY, "rows.csv", "--target", "bought"], f"portfolio remove {TOY}"),
        (["new", "my shop", "rows.csv", "--target", "bought"], "For example: my_shop"),
        (["new", "shop", "rows.csv"], "--target COLUMN. There are: id, age"),
        (["new", "shop", "row.csv", "--target", "bought"], "Check its path"),
        (["new", "shop", "rows.csv", "--target", "buoght"], "Did you mean 'bought'?"),
        (["new", "shop", "rows.csv", "--target", "bought", "--query", "SELECT 1"], "--query is for a database"),
        (["new", "shop", "sqlite:///none.db", "--target", "bought"], "--query"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    rows: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert message in run_main(options, 1, monkeypatch, capsys).err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_new_use_case_from_a_database_keeps_no_password(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(workspace / "shop.db") as database:
        database.execute("CREATE TABLE sales (sold_on TEXT, age INTEGER, bought TEXT)")
        sales = [(f"2025-01-{n % 28 + 1:02d}", PLAIN["age"][n], ANSWERS[n]) for n in range(ROWS)]
        database.executemany("INSERT INTO sales VALUES (?, ?, ?)", sales)
    database.close()
    source = ["--query", "SELECT * FROM sales", "--date", "sold_on"]
    output(new(*source, file="sqlite:///shop.db"), monkeypatch, capsys)
    assert 'Sql("sqlite:///shop.db", "SELECT * FROM sales"' in (Path("use_cases") / "shop" / "use_case.py").read_text()
    for password in ("s3cret", "P@s3/cret", "s3/c@r3t"):
        unreachable = f"postgresql+psycopg://reader:{password}@127.0.0.1:1/shop"
        said = run_main(new(*source, file=unreachable, name="other"), 1, monkeypatch, capsys)
        assert "can't be queried" in said.err
        assert "${OTHER_PASSWORD}@127.0.0.1" in said.err.replace("***", "${OTHER_PASSWORD}")
        assert not [part for part in ("s3", "cret", "c@r") if part in said.err + said.out]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://reader:s3cret@db/shop?user=a@b", "can't be told where the password in the address ends"),
        ("postgresql:reader:s3cret@db/shop", "is written with ://"),
        ("https://reader:s3cret@host.example/rows.csv", "has a password or a token in it"),
        ("https://s3cret@host.example/rows.csv", "has a password or a token in it"),
    ],
)
def test_an_address_whose_password_can_not_be_kept_is_refused_and_not_shown(
    workspace: Path, address: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run_main(new("--query", "SELECT 1", "--date", "day", file=address), 1, monkeypatch, capsys)
    assert message in " ".join(said.err.split())
    assert "s3cret" not in said.err + said.out


def test_more_rows_are_collected_from_a_file(
    rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    Path("february.csv").write_text(with_column("id", list(range(ROWS, 2 * ROWS))))
    monkeypatch.setattr("pipelines.versioning.check_place", lambda name: None)
    monkeypatch.setattr("pipelines.versioning.add", lambda path: None)
    said = output(["collect", "shop", "february.csv", "--date", "2025-02-28"], monkeypatch, capsys)
    assert f"2 new batches ({2 * ROWS} rows)" in said
    assert {path.stem for path in Paths("shop").batches.glob("*.parquet")} == {"2025-02-28", str(date.today())}


@pytest.fixture
def undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What collecting does in git and DVC, left out."""
    monkeypatch.setattr("pipelines.versioning.check_place", lambda name: None)
    monkeypatch.setattr("pipelines.versioning.add", lambda path: None)


def test_more_rows_without_a_key_are_collected_too(
    workspace: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rows.csv").write_text(csv_text(PLAIN))
    output(new(), monkeypatch, capsys)
    Path("more.csv").write_text(csv_text({**PLAIN, "age": PLAIN["age"][::-1]}))
    said = output(["collect", "shop", "more.csv", "--date", "2025-02-28"], monkeypatch, capsys)
    assert f"2 new batches ({2 * ROWS} rows)" in said


def test_a_file_without_names_for_its_columns_is_given_some(
    workspace: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As such files are published: without the end of a table's name, too.
    lines = csv_text(PLAIN).splitlines()[1:]
    Path("shop.data").write_text("\n".join(lines))
    assert "--columns first,second" in run_main(new(file="shop.data"), 1, monkeypatch, capsys).err
    output(new("--columns", "age,size,town,bought", file="shop.data"), monkeypatch, capsys)
    Path("next.data").write_text("\n".join(lines[::-1]))
    said = output(["collect", "shop", "next.data", "--date", "2025-02-28"], monkeypatch, capsys)
    assert f"2 new batches ({2 * ROWS} rows)" in said


def test_a_file_of_a_day_that_is_taken_is_refused_before_it_is_copied(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    Path("more.csv").write_text(with_column("id", list(range(ROWS, 2 * ROWS))))
    said = run_main(["collect", "shop", "more.csv"], 1, monkeypatch, capsys).err
    assert f"would be of {date.today()}" in said
    assert "--date 2026-01-31" in said
    assert "portfolio recollect shop" in said
    # Nothing lies in the way of the same file under another date.
    assert "2 new batches" in output(["collect", "shop", "more.csv", "--date", "2025-02-28"], monkeypatch, capsys)
    said = run_main(["collect", "shop", "more.csv", "--date", "2025-03-31"], 1, monkeypatch, capsys).err
    assert "more.csv is the same as data/shop/files/more-2025-02-28.csv" in said


def test_rows_that_are_there_already_are_told_before_they_are_copied(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    lines = rows.read_text().splitlines(keepends=True)
    more = with_column("id", list(range(ROWS, 2 * ROWS))).splitlines(keepends=True)[1:]
    add = ["collect", "shop", "more.csv", "--date", "2025-02-28"]
    # Whether the first file was collected before or was not.
    for _ in range(2):
        Path("more.csv").write_text("".join(lines[:200]))
        assert "all its rows are there already" in run_main(add, 1, monkeypatch, capsys).err
        # The numbers begin anew.
        Path("more.csv").write_text(with_column("id", list(range(ROWS, 0, -1))))
        said = " ".join(run_main(add, 1, monkeypatch, capsys).err.split())
        assert "299 of 300 rows share their 'id' with a row that is there already" in said
        assert "delete key=" in said
        assert "portfolio recollect shop" in said
        assert len([*(Path("data") / "shop" / "files").iterdir()]) == 1
        output(["collect", "shop"], monkeypatch, capsys)
    Path("more.csv").write_text("".join([*lines, *more[:60]]))
    said = " ".join(output(add, monkeypatch, capsys).split())
    assert "300 of 360 new rows share their 'id' with a row of another batch" in said
    assert "1 new batch (360 rows)" in said


def test_of_a_folder_of_tables_the_file_to_take_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sales").mkdir()
    (Path("sales") / "sales-2025-01.csv").write_text(csv_text(PLAIN))
    (Path("sales") / "sales-2025-02.csv").write_text(csv_text(PLAIN)[:900])
    said = " ".join(
        run_main(["new", "shop", "sales", "--target", "bought", "--yes"], 1, monkeypatch, capsys).err.split()
    )
    assert "portfolio new shop sales/sales-2025-01.csv --target bought" in said
    assert "data/shop/files" in said


def test_a_renamed_use_case_keeps_its_files(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    output(["rename", "shop", "store"], monkeypatch, capsys)
    assert "1 new batch (300 rows)" in output(["collect", "store"], monkeypatch, capsys)
    # Without the folder, nothing new can come, and that is said.
    shutil.rmtree(Path("data") / "store" / "files")
    assert "data/store/files is not there" in output(["collect", "store"], monkeypatch, capsys)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (csv_text(PLAIN), [], "the column 'id' is missing"),
        (with_column("id", list(range(ROWS))).replace("Osaka", "大阪"), [], "town: "),
        (with_column("id", list(range(ROWS))).replace("town", "place"), [], "'place' is neither an input nor ignored"),
        (
            csv_text({"id": list(range(ROWS)), **{name: PLAIN[name] for name in ("age", "size", "town")}}),
            [],
            "the column 'bought' is missing. Nothing was copied. What is still to be predicted goes to a server: "
            "portfolio predict more.csv",
        ),
        ("", [], "is empty"),
        (None, [], "Check its path"),
        (
            with_column("id", list(range(ROWS, 2 * ROWS))),
            ["--date", "2999-01-31"],
            "2999-01-31, which is still to come",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_not_copied(
    rows: Path,
    content: str | None,
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output(new(), monkeypatch, capsys)
    if content is not None:
        Path("more.csv").write_text(content)
    assert message in run_main(["collect", "shop", "more.csv", *options], 1, monkeypatch, capsys).err
    assert len([*(Path("data") / "shop" / "files").iterdir()]) == 1


def write_pictures(folder: str, *classes: str) -> None:
    """Thirty of each class."""
    from PIL import Image

    for number, label in enumerate(classes * 30):
        Path(folder, label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (number, 200, 3 * number)).save(Path(folder, label, f"{number}.png"))


def test_pictures_are_added_to_a_folder_of_their_day(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures("pets", "cats", "dogs")
    output(["new", "pets", "pets", "--yes"], monkeypatch, capsys)
    said = run_main(["collect", "pets", "pets"], 1, monkeypatch, capsys).err
    assert f"data/pets/pictures/{date.today()}/cats/" in said
    assert "portfolio collect pets" in said


def test_check_tells_of_pictures_that_can_not_be_collected_or_are_of_no_class(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    write_pictures("land", "grass", "sand")
    output(["new", "land", "land", "--yes"], monkeypatch, capsys)
    output(["check", "land"], monkeypatch, capsys)
    there = Path("data") / "land" / "pictures"
    for place in ("2026-13-01/grass", "tulip", "2026-01-31/tulip", "2026-02-01/rose"):
        (there / place).mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(there / place / "x.png")
    said = run_main(["check", "land"], 1, monkeypatch, capsys).err
    assert "2026-13-01 is named like a day" in said
    assert said.count("Add 'tulip' to its labels") == 1
    assert "pictures/2026-02-01/rose is of a class that the target does not have" in said


def test_a_folder_of_a_class_that_is_empty_is_no_class(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures("land", "grass", "sand")
    (Path("land") / "unsorted" / "later").mkdir(parents=True)
    (Path("land") / "unsorted" / "Thumbs.db").touch()
    output(["new", "land", "land", "--yes"], monkeypatch, capsys)
    assert "nothing is wrong" in output(["check", "land"], monkeypatch, capsys)


def test_a_class_without_a_picture_that_can_be_read_is_refused_before_files_are_written(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures("land", "grass", "sand")
    (Path("land") / "snow").mkdir()
    (Path("land") / "snow" / "1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heic")
    said = run_main(["new", "land", "land", "--yes"], 1, monkeypatch, capsys)
    assert "export it as JPEG" in said.out
    assert "no file in land/snow can be read as a picture" in said.err
    assert not Path("use_cases/land").exists()


def test_check_tells_of_a_file_that_waits_to_be_collected(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    output(["collect", "shop"], monkeypatch, capsys)
    dropped = Path("data") / "shop" / "files" / "more-2025-02-28.csv"
    dropped.write_text(csv_text(PLAIN))
    assert "more-2025-02-28.csv do not fit: the column 'id'" in run_main(["check", "shop"], 1, monkeypatch, capsys).err
    dropped.write_text(with_column("id", list(range(ROWS, 2 * ROWS))))
    to_come = dropped.rename(dropped.with_name("more-2099-02-28.csv"))
    assert f"{to_come} is of 2099-02-28, which is still to come" in output(["check", "shop"], monkeypatch, capsys)
    to_come.rename(dropped.with_name("more.pdf"))
    assert "is no table" in run_main(["check", "shop"], 1, monkeypatch, capsys).err


def test_check_looks_at_each_file_that_waits(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    there = Path("data") / "shop" / "files"
    (there / "empty-2025-01-31.csv").touch()
    (there / "other-2025-02-28.csv").write_text(csv_text(PLAIN))
    for command in ("check", "collect"):
        said = run_main([command, "shop"], 1, monkeypatch, capsys).err
        assert "empty-2025-01-31.csv is empty. Fetch it again, or put another file in its place." in said
        if command == "check":
            assert "other-2025-02-28.csv do not fit: the column 'id'" in said
    for month in range(1, 9):
        (there / f"empty-2024-{month:02}-28.csv").touch()
    said = run_main(["check", "shop"], 1, monkeypatch, capsys).err
    assert said.count("is empty") == 4
    assert "5 more files that wait there were not looked at" in said


def test_a_file_that_was_edited_is_told_with_the_command_for_its_use_case(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    output(["collect", "shop"], monkeypatch, capsys)
    (batch,) = Paths("shop").batches.glob("*.parquet")
    os.utime(batch, (0, 0))
    said = output(["collect", "shop"], monkeypatch, capsys)
    assert "changed after the batch" in said
    assert "portfolio recollect shop" in said


def test_a_folder_that_does_not_exist_is_named_by_check(
    rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    shutil.rmtree(Path("data") / "shop" / "files")
    assert "data/shop/files does not exist. Correct" in run_main(["check", "shop"], 1, monkeypatch, capsys).err


def test_rows_of_a_month_to_come_are_not_copied(
    workspace: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [f"2025-01-{1 + number % 28:02d}" for number in range(ROWS)]
    Path("rows.csv").write_text(with_column("day", days))
    output(new("--date", "day"), monkeypatch, capsys)
    Path("more.csv").write_text(with_column("day", [*days[1:], "2999-01-31"]))
    said = run_main(["collect", "shop", "more.csv"], 1, monkeypatch, capsys).err
    assert "more.csv would be of 2999-01-31, which is still to come" in said
    assert len([*(Path("data") / "shop" / "files").iterdir()]) == 1
    output(["collect", "shop", "more.csv", "--date", "2025-02-28"], monkeypatch, capsys)


def test_a_folder_of_files_is_told_how_they_are_collected(
    rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    Path("more").mkdir()
    said = run_main(["collect", "shop", "more"], 1, monkeypatch, capsys).err
    assert "more is a folder" in said
    assert "copy them into data/shop/files, then: portfolio collect shop" in said
    own = run_main(["collect", "shop", "data/shop/files"], 1, monkeypatch, capsys).err
    assert "Its files are collected by: portfolio collect shop" in own


def test_files_are_added_to_a_folder_only(
    rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"portfolio collect {TOY}" in run_main(["collect", TOY, "rows.csv"], 1, monkeypatch, capsys).err


def test_check_tells_of_values_that_do_not_fit_and_of_prices_that_make_no_sense(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    code, config = Path("use_cases") / "shop" / "use_case.py", Path("configs") / "shop.yaml"
    right = code.read_text()
    config.write_text(re.sub(r"check_yen: \d+", "check_yen: 100", config.read_text()))
    above_the_youngest = min(PLAIN["age"]) + 1
    code.write_text(re.sub(r'Number\("age", \d+', f'Number("age", {above_the_youngest}', right))
    # In another process: this one has imported what was there before.
    said = portfolio("check", "shop").stdout
    assert "age: must be 19 to 100 (found '18.0'). A run puts them aside" in said
    assert "a check (100 yen) costs no less than doing it by hand (100 yen)" in said
    code.write_text(right.replace('["no", "yes"]', '["no", "maybe"]'))
    assert "a run puts the whole batch aside" in portfolio("check", "shop").stderr


def test_of_a_large_file_check_reads_the_beginning(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    monkeypatch.setattr("portfolio.data.fit.LARGE_BYTES", 1000)
    monkeypatch.setattr("portfolio.data.fit.BEGINNING_BYTES", 500)
    (file,) = (Path("data") / "shop" / "files").iterdir()
    file.write_text(f"{file.read_text()}a last line that is cut off")
    assert "nothing is wrong" in output(["check", "shop"], monkeypatch, capsys)
    # Where its beginning makes no sense, the file is read as a whole.
    file.write_text(file.read_text().replace("Nara", '"Nara\n' + "a" * 500, 1))
    assert "cut off" in run_main(["check", "shop"], 1, monkeypatch, capsys).err


def test_check_holds_what_is_declared_against_the_rows(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> str:
        return run_main(["check", "shop"], 1, monkeypatch, capsys).err

    output(new(), monkeypatch, capsys)
    (file,) = (Path("data") / "shop" / "files").iterdir()
    right = file.read_text()
    file.write_text(right.replace("age", "years", 1))
    said = refused()
    assert "the column 'age' is missing" in said
    assert "'years' is neither an input nor ignored" in said
    file.write_text(right)
    output(["collect", "shop"], monkeypatch, capsys)
    (batch,) = Paths("shop").batches.glob("*.parquet")
    pl.read_parquet(batch).rename({"age": "years"}).write_parquet(batch)
    assert f"{batch} do not fit: the column 'years'" in refused()
    batch.unlink()
    file.unlink()
    assert "data/shop/files has no file" in refused()


def test_check_names_a_batch_that_is_cut_off(
    rows: Path, undone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    output(["collect", "shop"], monkeypatch, capsys)
    (batch,) = Paths("shop").batches.glob("*.parquet")
    batch.write_bytes(batch.read_bytes()[:1000])
    said = run_main(["check", "shop"], 1, monkeypatch, capsys).err
    assert f"portfolio recollect shop --date {batch.stem}" in " ".join(said.split())


def test_a_mistyped_use_case_is_guessed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("check", "serve", "rename"):
        arguments = [command, f"{TOY}s", *(["other"] if command == "rename" else [])]
        assert f"Did you mean '{TOY}'?" in run_main(arguments, 1, monkeypatch, capsys).err


@pytest.mark.parametrize("command", [["remove", TOY, "--yes"], ["rename", TOY, "melons"]])
def test_what_a_run_works_on_is_neither_removed_nor_renamed(
    workspace: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with files.alone(Paths(TOY).lock("run")):
        assert f"A run of '{TOY}' is under way" in run_main(command, 1, monkeypatch, capsys).err
    assert TOY in listed_use_cases()
    assert (Path("use_cases") / TOY / "use_case.py").exists()


def test_remove_asks_and_takes_no_for_an_answer(
    rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output(new(), monkeypatch, capsys)
    listed = PARAMS.read_text()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "Nothing was deleted" in run_main(["remove", "shop"], 1, monkeypatch, capsys).out
    assert PARAMS.read_text() == listed
    assert "'shop' was removed" in output(["remove", "shop", "--yes"], monkeypatch, capsys)
    assert not [path for path in Path().rglob("*shop*")]
    assert "There is nothing" in run_main(["remove", "shop", "--yes"], 1, monkeypatch, capsys).err
