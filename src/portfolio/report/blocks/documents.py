"""The documents that have blocks of figures, and the table of the blocks: by name, the function that writes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from portfolio.contract.config import STUDIES
from portfolio.contract.loading import use_case_names
from portfolio.core.errors import ConfigError
from portfolio.core.paths import ANSWERS
from portfolio.report.blocks import benches, results, studies
from portfolio.report.words import read_words

BEGIN, END = "<!-- figures: ", "<!-- /figures -->"
JAPANESE = "<!-- language: ja -->"
"""The first line of a document that is in Japanese without saying so by its name."""
PICTURE = Path("docs") / "pictures" / "page.png"
RECORDING = Path("docs") / "pictures" / "demo.svg"


def pictures(_: str, language: str) -> str:
    """The pictures of the server's page and of the report side by side, or how to get them."""
    words = read_words(language)
    if not PICTURE.exists():
        return str(words["no_pictures"].format(command="`make pictures`"))
    return str(words["pictures"]).rstrip()


def recording(_: str, language: str) -> str:
    """The recording of the demo, or how to get it."""
    words = read_words(language)
    if not RECORDING.exists():
        return str(words["no_recording"].format(command="`make recording`"))
    return str(words["recording"]).rstrip()


OF_A_USE_CASE: dict[str, Callable[[str, str], str]] = {
    "result": results.result,
    "comparison": results.comparison,
    "policy": results.policy,
    "tuning": results.tuning,
    "leakage": studies.leakage,
    "cells": studies.cells,
    **{name: partial(studies.study, name) for name in STUDIES},
}
BLOCKS: dict[str, Callable[[str, str], str]] = {
    **OF_A_USE_CASE,
    "headline": results.headline,
    "use-cases": results.use_cases,
    "bench": benches.bench,
    "coverage": benches.coverage,
    "serving": benches.serving,
    "serving-result": benches.serving_result,
    "reliability": benches.reliability,
    "monitor": benches.monitor,
    "pictures": pictures,
    "recording": recording,
}


def documents() -> list[Path]:
    """The Markdown files that have blocks.

    In a project that was made from the template, docs/ keeps what the template's authors have measured: it is the
    evidence for their decisions, and an update brings their later figures.
    """
    found = sorted(Path().glob("README*.md"))
    if not ANSWERS.exists():
        found += sorted(Path("docs").rglob("*.md"))
    return [path for path in found if BEGIN in path.read_text(encoding="utf-8")]


def filled(path: Path) -> str:
    """The text of a document with every block written anew from the metrics.

    A block stands between `<!-- figures: NAME USE_CASE -->` (or `bench PART`, or only `serving`) and
    `<!-- /figures -->`. One about a use case that is no longer here stays as it was measured. Raises ConfigError if
    there is no such block, or no end to it.
    """
    text = path.read_text(encoding="utf-8")
    language = "ja" if path.name.endswith(".ja.md") or text.startswith(JAPANESE) else "en"

    def block(match: re.Match[str]) -> str:
        name, _, about = match[1].partition(" ")
        if name not in BLOCKS:
            raise ConfigError(f"{path}: there is no block '{name}'. There are: {', '.join(BLOCKS)}.")
        if name in OF_A_USE_CASE and about not in use_case_names():
            return match[0]
        return f"{BEGIN}{match[1]} -->\n{BLOCKS[name](about, language)}\n{END}"

    if text.count(BEGIN) != text.count(END):
        raise ConfigError(f"{path}: every '{BEGIN}... -->' needs a '{END}' after its block.")
    return re.sub(rf"{BEGIN}(.*?) -->\n.*?{END}", block, text, flags=re.DOTALL)
