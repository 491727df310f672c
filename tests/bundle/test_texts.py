"""The form that texts are brought to before any model."""

from __future__ import annotations

import sys

import pytest

from portfolio.bundle.texts import normalized


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ﾍﾞｯﾄﾞ", "ベッド"),
        ("Ｗｉ－Ｆｉ ２泊", "wi-fi 2泊"),  # noqa: RUF001
        ("GREAT", "great"),
        (" 部屋\r\n\r\nは\t広い\u3000", "部屋 は 広い"),
        ("か\u3099", "が"),
        ("", ""),
        (" \u3000\n", ""),
        ("楽しい😀", "楽しい😀"),
    ],
)
def test_width_case_and_white_space_are_made_alike(text: str, expected: str) -> None:
    assert normalized(text) == expected


def test_doing_it_again_changes_nothing() -> None:
    """A text goes through it when it is collected, and once more when it comes back from a log or a golden row."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    text = "".join(normalized(character) for character in characters)
    assert [character for character in characters if normalized(normalized(character)) != normalized(character)] == []
    assert normalized(normalized(text)) == normalized(text)
