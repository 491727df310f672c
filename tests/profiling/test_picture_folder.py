"""What is in a folder of pictures by class, before it is a source."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest

from portfolio.core.errors import SourceError
from portfolio.profiling.picture_folder import look_into
from tests.pictures import FOLDER, draw_signs, save


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    FOLDER.mkdir()


def test_a_folder_is_looked_into_before_it_is_a_source() -> None:
    draw_signs(FOLDER, each=12)
    save("2026-02-01/circle/wide.jpg", size=(300, 100))
    (FOLDER / "circle" / "notes.txt").write_text("about circles")
    whole = (FOLDER / "circle" / "00000.png").read_bytes()
    (FOLDER / "square" / "cut.png").write_bytes(whole[: len(whole) // 2])
    found = look_into(FOLDER)
    assert found.classes == {"circle": 13, "square": 12, "triangle": 12}
    assert found.pictures == 37
    assert found.formats == {"JPEG": 7, "PNG": 6, "GIF": 6, "BMP": 6, "WEBP": 6, "TIFF": 6}
    assert (found.heights, found.widths) == ((40, 40, 100), (48, 48, 300))
    assert (found.days, found.has_plain) == ([date(2026, 2, 1)], True)
    assert found.colour
    assert sorted(key for keys in found.left_out.values() for key in keys) == ["circle/notes.txt", "square/cut.png"]
    assert (found.height, found.width) == (28, 32)


def test_a_large_picture_is_proposed_to_be_small_in_its_proportions_and_grey_if_it_is() -> None:
    for number in range(3):
        save(f"cats/{number}.jpg", "gray", size=(4000, 3000))
    found = look_into(FOLDER)
    assert (found.height, found.width, found.colour) == (24, 32, False)


@pytest.mark.parametrize(
    ("paths", "doubt"),
    [
        (["cats/1.png", "dogs/1.png"], ""),
        (["train/cats/1.png", "Test/cats/1.png"], "Test, train look like splits and not like classes"),
        (["pets/cats/1.png", "pets/dogs/1.png"], "if pets has such folders in it, name pictures/pets instead"),
    ],
)
def test_folders_that_are_no_classes_are_told(paths: list[str], doubt: str) -> None:
    for path in paths:
        save(path)
    doubts = look_into(FOLDER).doubts
    assert len(doubts) == bool(doubt)
    assert doubt in "".join(doubts)


def test_small_pictures_are_proposed_as_they_are() -> None:
    save("cats/1.png", size=(30, 18))
    found = look_into(FOLDER)
    assert (found.height, found.width, found.colour) == (18, 30, True)


def test_where_there_is_no_picture_the_reasons_are_told() -> None:
    (FOLDER / "cats").mkdir()
    (FOLDER / "cats" / "notes.txt").write_text("about a cat")
    with pytest.raises(
        SourceError, match=r"has no picture in it.*\n  left out: cats/notes\.txt: can't be read as a picture"
    ):
        look_into(FOLDER)


def test_thousands_of_files_take_seconds() -> None:
    save("cats/0.png")
    content = (FOLDER / "cats" / "0.png").read_bytes()
    for number in range(1, 5000):
        (FOLDER / "cats" / f"{number}.png").write_bytes(content)
    started = time.monotonic()
    assert look_into(FOLDER).pictures == 5000
    assert time.monotonic() - started < 10
