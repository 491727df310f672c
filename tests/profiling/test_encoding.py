"""However a text file is encoded, its characters are read; a damaged one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.core.errors import SourceError
from portfolio.profiling import sample as module
from portfolio.profiling.sample import sample
from tests.profiling.made import AGES, PLAIN, ROWS, csv_text, written

TEXT = csv_text(PLAIN)
JAPANESE = TEXT.replace("age,size,town,bought", "年齢,面積,町,購入").replace("yes", "はい").replace("Osaka", "大阪")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    rows = sample(written(tmp_path, JAPANESE.encode(encoding))).rows
    assert rows.columns == ["年齢", "面積", "町", "購入"]
    assert rows["年齢"].to_list() == AGES
    assert set(rows["町"]) == {"大阪", "Kyoto", "Nara"}


@pytest.mark.parametrize("names", [("ｼﾒｲ", "ﾈﾝﾚｲ"), ("ﾈﾝﾚｲ", "ﾏﾁ"), ("ﾄﾞﾗﾏ", "年齢")])
def test_half_width_kana_are_found_out(tmp_path: Path, names: tuple[str, str]) -> None:
    content = csv_text({names[0]: PLAIN["town"], names[1]: AGES})
    found = sample(written(tmp_path, content.encode("cp932")))
    assert (found.rows.columns, found.written.encoding) == (list(names), "cp932")


def test_kanji_alone_in_euc_are_found_out(tmp_path: Path) -> None:
    content = csv_text({"性別": ["男性", "女性"] * 150, "血液型": AGES})
    assert sample(written(tmp_path, content.encode("euc_jp"))).rows.columns == ["性別", "血液型"]


def test_a_european_file_of_capitals_is_read(tmp_path: Path) -> None:
    towns = ["ÜBERLINGEN", "ÖHRINGEN", "GROßENHAIN", "À ÎLE"] * 75
    content = csv_text({"ort": towns, "age": AGES})
    assert sample(written(tmp_path, content.encode("latin-1"))).rows["ort"].to_list() == towns


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("damaged", "line"),
    [
        ((JAPANESE + "30,20.5,Nara,はい").encode()[:-2], ROWS + 2),
        (JAPANESE.encode().replace("大阪".encode(), "大阪".encode()[:-1], 1), 2 + PLAIN["town"].index("Osaka")),
    ],
    ids=["cut off", "a byte is missing"],
)
def test_utf_8_that_is_damaged_is_told_with_the_line(
    tmp_path: Path, damaged: bytes, line: int, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 100 if large else 10**9)
    with pytest.raises(SourceError, match=rf"line {line}: .*UTF-8.* Fetch it again"):
        sample(written(tmp_path, damaged))


def test_a_file_of_a_european_program_is_read(tmp_path: Path) -> None:
    assert "Orléans" in set(sample(written(tmp_path, TEXT.replace("Nara", "Orléans").encode("latin-1"))).rows["town"])
