from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.core.errors import ConfigError
from portfolio.core.paths import default_use_case


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_use_case_of_params_is_the_default(folder: Path) -> None:
    (folder / "params.yaml").write_text("use_cases:\n  - second_hand_cars\n  - digits\n")
    assert default_use_case() == "second_hand_cars"


def test_without_params_the_error_says_what_to_do(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"no params\.yaml .* Name the use case"):
        default_use_case()


@pytest.mark.parametrize(
    "text", ["", "use_cases:\n", "use_cases: []\n", "use_cases: digits\n", "use_cases: [1]\n", "other: 1\n", "a: [\n"]
)
def test_params_without_a_use_case_are_refused(folder: Path, text: str) -> None:
    (folder / "params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"params\.yaml names no use case\. List at least one"):
        default_use_case()


def test_params_that_cannot_be_read_are_refused(folder: Path) -> None:
    (folder / "params.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="names no use case"):
        default_use_case()
