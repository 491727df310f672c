"""Pictures in a folder by class: which batches they make, and what is left out and why."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from portfolio.contract import Pictures
from portfolio.core.errors import ConfigError, SourceError
from portfolio.data.collect import collect
from tests.pictures import FOLDER, draw_signs, save, sign

START = date(2026, 1, 5)
BATCHES = Path("batches")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    FOLDER.mkdir()
    return tmp_path


def pictures(**options: Any) -> Pictures:
    return Pictures(str(FOLDER), **{"height": 8, "width": 6, "start": START, **options})


def rows(source: Pictures) -> pl.DataFrame:
    return pl.concat(source.read(source.dates()).values())


def test_a_row_has_the_path_the_pixels_and_the_class() -> None:
    save("cats/1.png", "red")
    save("dogs/small/2.bmp", "blue")
    source = pictures()
    assert source.dates() == [START]
    found = rows(source)
    assert found.columns == source.known_columns == ["path", "picture", "label"]
    assert found["path"].to_list() == ["cats/1.png", "dogs/small/2.bmp"]
    assert found["label"].to_list() == ["cats", "dogs"]
    assert found["picture"].to_list() == [[255, 0, 0] * 48, [0, 0, 255] * 48]
    assert found["picture"].dtype == pl.Array(pl.UInt8, 8 * 6 * 3)
    grey = rows(pictures(colour=False))["picture"].to_list()
    assert grey == [[76] * 48, [29] * 48]


def test_the_field_says_what_the_source_gives() -> None:
    field = pictures().image
    assert (field.name, field.shape, field.channels, field.minimum, field.maximum) == ("picture", (8, 6), 3, 0, 255)
    assert field.width == 8 * 6 * 3
    grey = pictures(colour=False).image
    assert (grey.channels, grey.photo, grey.width) == (1, True, 48)


def test_each_day_s_folder_is_a_batch_and_what_is_in_none_is_the_first() -> None:
    save("cats/1.png")
    save("2026-02-01/cats/1.png")
    save("2026-02-01/dogs/2.png")
    source = pictures()
    assert source.dates() == [START, date(2026, 2, 1)]
    found = source.read(source.dates())
    assert found[date(2026, 2, 1)]["path"].to_list() == ["2026-02-01/cats/1.png", "2026-02-01/dogs/2.png"]
    assert found[date(2026, 2, 1)]["label"].to_list() == ["cats", "dogs"]
    assert found[START]["path"].to_list() == ["cats/1.png"]


def test_new_pictures_arrive_in_a_day_s_folder_and_never_change_a_batch() -> None:
    draw_signs(FOLDER, each=4)
    first = collect(pictures(), BATCHES)
    assert (first.added, first.rows, first.notes) == ([str(START)], 12, [])
    before = (BATCHES / f"{START}.parquet").read_bytes()
    draw_signs(FOLDER / "2026-02-01", each=2, first=10)
    second = collect(pictures(), BATCHES)
    assert (second.added, second.rows, second.notes) == (["2026-02-01"], 6, [])
    assert (BATCHES / f"{START}.parquet").read_bytes() == before


def test_what_comes_too_late_for_its_batch_is_told_with_the_remedy() -> None:
    save("cats/1.png")
    (FOLDER / "cats" / "notes.txt").write_text("left out from the beginning")
    collect(pictures(), BATCHES)
    assert collect(pictures(), BATCHES).notes == []
    save("cats/2.png")
    save("dogs/3.png")
    for _ in range(2):
        (note,) = collect(pictures(), BATCHES).notes
        assert note.startswith("2 pictures came after the batch of 2026-01-05 was collected")
        assert "pictures/cats/2.png" in note
        assert f"such as pictures/{date.today()}/cats" in note
        assert "portfolio recollect" in note
    assert len(pl.read_parquet(BATCHES / f"{START}.parquet")) == 1


def test_pictures_of_a_month_to_come_wait_and_are_named() -> None:
    save("cats/1.png")
    save("2999-01-31/cats/2.png")
    found = collect(pictures(), BATCHES)
    assert found.added == [str(START)]
    assert "pictures/2999-01-31/cats/2.png is of 2999-01-31, which is still to come" in str(found)


def test_new_pictures_are_never_sent_to_a_day_that_was_collected() -> None:
    today = date.today()
    save("cats/1.png")
    save(f"{today + timedelta(days=1)}/cats/1.png")
    collect(pictures(start=today), BATCHES)
    save("cats/2.png")
    (note,) = collect(pictures(start=today), BATCHES).notes
    assert f"such as pictures/{today + timedelta(days=2)}/cats" in note


def test_what_is_no_picture_is_left_out_with_the_reason() -> None:
    save("cats/1.png")
    whole = (FOLDER / "cats" / "1.png").read_bytes()
    (FOLDER / "cats" / "cut.png").write_bytes(whole[: len(whole) // 2])
    for number in range(5):
        (FOLDER / "cats" / f"notes{number}.txt").write_text("about a cat")
    (FOLDER / "loose.png").write_bytes(whole)
    (FOLDER / "cats" / ".DS_Store").write_bytes(b"a system's own")
    (FOLDER / "__MACOSX" / "cats").mkdir(parents=True)
    (FOLDER / "__MACOSX" / "cats" / "1.png").write_bytes(b"a system's own")
    found = collect(pictures(), BATCHES)
    assert found.rows == 1
    assert len(found.notes) == 3
    told = str(found)
    assert "left out: cats/cut.png: is cut off or damaged; copy it again" in told
    assert (
        "left out: cats/notes0.txt, cats/notes1.txt, cats/notes2.txt and 2 more: each can't be read as a picture"
        in told
    )
    assert "left out: loose.png: is not in any class's folder; move it into one" in told


def test_sixteen_bits_and_cmyk_are_pictures_like_others() -> None:
    (FOLDER / "signs").mkdir()
    sign("circle", 1).convert("CMYK").save(FOLDER / "signs" / "print.jpg")
    deep = np.asarray(sign("circle", 1).convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(FOLDER / "signs" / "deep.png")
    found = rows(pictures())
    assert found["path"].to_list() == ["signs/deep.png", "signs/print.jpg"]
    assert found["picture"].arr.mean().is_between(60, 200).all()


@pytest.mark.parametrize("unreadable", [b"", b"no picture"])
def test_a_batch_without_any_picture_is_none(unreadable: bytes) -> None:
    (FOLDER / "cats").mkdir()
    (FOLDER / "cats" / "1.png").write_bytes(unreadable)
    found = collect(pictures(), BATCHES)
    assert (found.added, len(found.notes)) == ([], 1)
    save("cats/1.png")
    assert collect(pictures(), BATCHES).added == [str(START)]


def test_accents_and_kana_are_the_same_however_a_system_writes_them() -> None:
    save("ば/é.png")
    assert rows(pictures()).select("path", "label").row(0) == ("ば/é.png", "ば")


def test_pictures_of_a_subject_are_found_by_the_path() -> None:
    for path in ("cats/tom_1.png", "cats/tom_2.png", "cats/felix_1.png", "dogs/none.png", "2026-02-01/cats/tom_9.png"):
        save(path)
    source = pictures(subject="/(.+)_")
    assert source.split_columns == ["subject"]
    found = dict(rows(source).select("path", "subject").iter_rows())
    assert found == {
        "2026-02-01/cats/tom_9.png": "tom",
        "cats/felix_1.png": "felix",
        "cats/tom_1.png": "tom",
        "cats/tom_2.png": "tom",
        "dogs/none.png": None,
    }
    with pytest.raises(SourceError, match=r"subject='\(\\\\d\{9\}\)' matches no path.*cats/felix_1\.png"):
        rows(pictures(subject=r"(\d{9})"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 0}, "height=0, width=6: both must be at least 1"),
        ({"height": 225, "width": 224}, "at most 50,176 pixels, as of 224 x 224"),
        ({"start": "5 January"}, "is not a date"),
        ({"subject": "("}, "is not a regular expression"),
        ({"subject": "tom"}, "has no group"),
    ],
)
def test_what_can_not_be_meant_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pictures(**options)


def test_a_folder_that_is_not_as_it_should_be_is_named_with_the_remedy() -> None:
    with pytest.raises(SourceError, match=r"pictures has no picture in it\. Put some there by class"):
        pictures().dates()
    with pytest.raises(SourceError, match="nowhere does not exist"):
        Pictures("nowhere", height=8, width=8).dates()
    save("cats/1.png")
    with pytest.raises(SourceError, match=r'cats/1\.png is in no folder of a day.*start="2026-01-31"'):
        pictures(start=None).dates()
    save(f"{START}/cats/2.png")
    with pytest.raises(SourceError, match=r"there is also the folder pictures/2026-01-05\. Rename"):
        pictures().dates()
    save("2026-13-01/cats/2.png")
    with pytest.raises(SourceError, match="2026-13-01 is named like a day"):
        pictures().dates()


@pytest.mark.skipif(os.name != "posix", reason="other systems do not allow such names")
def test_a_name_that_is_no_text_is_named() -> None:
    save("cats/1.png")
    Path(os.fsdecode(b"pictures/cats/\xff.png")).write_bytes(b"")
    with pytest.raises(SourceError, match=r"xff\.png' is not UTF-8\. Rename the file"):
        pictures().dates()


@pytest.mark.skipif(os.name != "posix", reason="links need rights on other systems")
def test_links_are_followed_and_never_in_a_circle(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (9, 9)).save(elsewhere / "1.png")
    (FOLDER / "cats").symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(FOLDER.absolute())
    (elsewhere / "gone.png").symlink_to(tmp_path / "nothing.png")
    found = collect(pictures(), BATCHES)
    assert found.rows == 1
    (note,) = found.notes
    assert note.startswith("left out: cats/gone.png: can't be read (No such file or directory); check")
