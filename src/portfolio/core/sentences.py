"""Sentences in English and Japanese that are kept in a YAML file, with figures put into them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

NAMES = Path(__file__).with_name("names.yaml")


@cache
def read_sentences(path: Path) -> dict[str, dict[str, str]]:
    """The sentences by language and name."""
    texts: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return texts


def told(path: Path, language: str, name: str, figures: dict[str, Any]) -> str:
    """A sentence in words. Names of our own among the figures, such as that of a summary, are in the language too.

    A record that an earlier version wrote may lack a figure, or name a sentence that is gone.
    """
    sentence = read_sentences(path)[language].get(name, name.replace("_", " "))
    return sentence.format_map(_Figures({key: _named(language, key, value) for key, value in figures.items()}))


def _named(language: str, key: str, figure: Any) -> Any:
    if not isinstance(figure, str):
        return figure
    names = read_sentences(NAMES)[language]
    if key == "summary":
        return names.get(figure, figure)
    # The data's own names, with a mark of ours in their place or behind them.
    for mark in ("(missing)", "(unseen)"):
        figure = figure.replace(mark, names[mark])
    return figure


class _Figures(dict[str, Any]):
    """Those that are not there are shown as a question mark."""

    def __missing__(self, _: str) -> _Unknown:
        return _Unknown()


class _Unknown:
    def __format__(self, _: str) -> str:
        return "?"
