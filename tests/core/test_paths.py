from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.core.errors import ConfigError
from portfolio.core.paths import default_use_case, listed_use_cases


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_use_case_of_params_is_the_default(folder: Path) -> None:
    (folder / "params.yaml").write_text("use_cases:\n  - second_hand_cars\n  - digits\n")
    assert default_use_case() == "second_hand_cars"


def test_use_cases_come_in_the_order_of_params(folder: Path) -> None:
    (folder / "params.yaml").write_text("use_cases: [b, a]\n")
    assert listed_use_cases() == ["b", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no params\.yaml in .*run this in the project's folder, or restore"),
        (b"", r"has no list of use cases\. List them"),
        (b"use_cases:\n", "no list of use cases"),
        (b"use_cases: digits\n", "no list of use cases"),
        (b"other: 1\n", "no list of use cases"),
        (b"use_cases: [2024]\n", r"params\.yaml: 2024 is not a name\. Quote"),
        (b"use_cases:\n  - a\n  - no\n", r"params\.yaml: False is not a name\. Quote"),
        (b"use_cases: [a", r"params\.yaml is not valid YAML.*Correct it, or restore it"),
        (b"\xff\xfe\x00", r"params\.yaml is not valid YAML"),
    ],
)
def test_a_list_of_use_cases_that_is_none_is_named_with_the_remedy(
    folder: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (folder / "params.yaml").write_bytes(content)
    for ask in (listed_use_cases, default_use_case):
        with pytest.raises(ConfigError, match=rf"(?s){message}"):
            ask()


def test_after_the_last_use_case_was_removed_there_is_none_and_no_default(folder: Path) -> None:
    (folder / "params.yaml").write_text("use_cases: []\n")
    assert listed_use_cases() == []
    with pytest.raises(ConfigError, match="portfolio new NAME FILE"):
        default_use_case()
