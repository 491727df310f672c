"""Sentences in English and Japanese that are kept in a YAML file, with figures put into them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def read_sentences(path: Path) -> dict[str, dict[str, str]]:
    """The sentences by language and name."""
    texts: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return texts


def told(path: Path, language: str, name: str, figures: dict[str, Any]) -> str:
    """A sentence in words.

    A record that an earlier version wrote may lack a figure, or name a sentence that is gone.
    """
    sentence = read_sentences(path)[language].get(name, name.replace("_", " "))
    return sentence.format_map(_Figures(figures))


class _Figures(dict[str, Any]):
    """Those that are not there are shown as a question mark."""

    def __missing__(self, _: str) -> _Unknown:
        return _Unknown()


class _Unknown:
    def __format__(self, _: str) -> str:
        return "?"
