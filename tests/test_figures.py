"""The docs' figures are written from the metrics files, and a stale one is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from portfolio.cli import app
from portfolio.errors import ConfigError, DataError
from portfolio.figures import BLOCKS, filled
from portfolio.paths import Paths

BLOCK = "before\n<!-- figures: {} digits -->\nold\n<!-- /figures -->\nafter\n"


@pytest.fixture
def documents(built: Callable[[str], Path]) -> dict[str, Path]:
    folder = built("digits")
    for name in ("README.md", "README.ja.md"):
        (folder / name).write_text("".join(BLOCK.format(block) for block in BLOCKS))
    return {"en": folder / "README.md", "ja": folder / "README.ja.md"}


def readme(*options: str) -> None:
    result = CliRunner().invoke(app, ["readme", *options])
    if result.exception:
        raise result.exception


def test_blocks_follow_the_metrics_in_both_languages(documents: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"README\.ja\.md, README\.md are not those of metrics"):
        readme("--check")
    assert "\nold\n" in documents["en"].read_text()
    readme()
    readme("--check")
    evaluation = json.loads(Paths("digits").metrics("evaluate").read_text())
    value = f"{evaluation['candidates'][evaluation['best']]['value_yen_per_1000']:,.0f}"
    texts = {language: path.read_text() for language, path in documents.items()}
    assert f"**{value} yen saved" in texts["en"]
    assert f"{value}円の節約" in texts["ja"]
    for text in texts.values():
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert "\nold\n" not in text
        assert text.count(f"| {value} |") >= 1
    changed = json.dumps(evaluation).replace('"test_rows": ', '"test_rows": 1')
    Paths("digits").metrics("evaluate").write_text(changed)
    with pytest.raises(DataError, match="make readme"):
        readme("--check")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BLOCK.format("nonsense"), "no block 'nonsense'. There are: result, comparison, threshold"),
        (BLOCK.format("result").replace("<!-- /figures -->", ""), "needs a '<!-- /figures -->'"),
    ],
)
def test_a_block_that_can_not_be_written_is_named(documents: dict[str, Path], text: str, why: str) -> None:
    documents["en"].write_text(text)
    with pytest.raises(ConfigError, match=why):
        filled(documents["en"])


def test_without_metrics_it_says_what_to_run(documents: dict[str, Path]) -> None:
    Paths("digits").metrics("evidence").unlink()
    with pytest.raises(DataError, match="portfolio run digits"):
        filled(documents["en"])
