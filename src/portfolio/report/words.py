"""Figures as they are written for people: in the terminal, in the report, and in the docs."""

from __future__ import annotations

from functools import cache
from math import floor
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from portfolio.core.files import read_metrics
from portfolio.core.paths import Paths

PAGES = {"en": "index.html", "ja": "index.ja.html"}
"""The report's page in each language."""
TEMPLATES = Path(__file__).parent / "templates"


def yen(value: float) -> str:
    """A price or a value to the yen."""
    return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")


def number(value: float | None) -> str:
    """Four significant figures, with separators in large numbers. A value below 1 is not rounded up to 1.

    A dash for what is not known.
    """
    if value is None:
        return "\N{EN DASH}"
    # What rounding leaves of a zero, such as in the kappa of a constant.
    if abs(value) < 1e-12:
        return "0"
    # In float32, a mean of ones may differ from 1 in its last places.
    if 0.9999 < value < 1 - 1e-6:
        return f"{floor(value * 1e6) / 1e6:.6g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def spread(values: list[float]) -> str:
    """The median and the range of the values: a single training that failed would say everything in a mean."""
    return f"{number(median(values))} ({number(min(values))} \N{EN DASH} {number(max(values))})"


@cache
def read_words(language: str) -> dict[str, Any]:
    """Our own words in one language, for the report and the docs."""
    texts = yaml.safe_load((TEMPLATES / "words.yaml").read_text(encoding="utf-8"))
    return {key: text[language] for key, text in texts.items()}


def figure_name(name: str, words: dict[str, Any]) -> str:
    """What a figure of the metrics files is called, in the language of the words."""
    return str(words["figures"].get(name, name.replace("_", " ")))


def read_stage_metrics(use_case: str, name: str) -> Any:
    """The content of a metrics file that a stage wrote."""
    return read_metrics(Paths(use_case).metrics(name), f"portfolio run {use_case}")
