"""`card.yaml`: what people read of a use case, in one language or more.

A key holds a text, or texts by language. A language that a text lacks falls back on another.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from portfolio.core.errors import ConfigError
from portfolio.core.faults import yaml_fault

LANGUAGES = ("en", "ja")
REQUIRED = {
    "title": "what the use case is, in a few words",
    "problem": "whose problem it solves, and how",
    "items": "what is predicted, in the plural, such as 'valuations'",
    "prices": "where the prices in the config come from",
    "intended": "what the model is for",
    "not_for": "what it must not be used for",
    "data": "where the data come from, and their licence",
}
OUTPUT = "output"
FIELD = "field."
_JOINT = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])")


def read_card(path: Path, output: str, fields: list[str]) -> dict[str, dict[str, str]]:
    """The texts by language, each with all keys; `output` and `field.<name>` default to the names in the data.

    Raises ConfigError naming the file and what is missing or unknown.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing. Write it: {_wanted(REQUIRED)}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML in UTF-8 ({yaml_fault(error)}). Correct that line.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold texts by key: {_wanted(REQUIRED)}")
    names = {OUTPUT: output, **{f"{FIELD}{field}": field for field in fields}}
    unknown = sorted(str(key) for key in content if key not in REQUIRED and key not in names)
    if unknown:
        raise ConfigError(f"{path}: there is no {', '.join(unknown)}. There are: {', '.join([*REQUIRED, *names])}.")
    texts = {key: _by_language(path, key, text) for key, text in content.items()}
    missing = {key: about for key, about in REQUIRED.items() if key not in texts}
    if missing:
        raise ConfigError(f"{path} lacks {_wanted(missing)}")
    texts = {key: {language: name for language in LANGUAGES} for key, name in names.items()} | texts
    return {language: {key: text[language] for key, text in texts.items()} for language in LANGUAGES}


def _by_language(path: Path, key: str, text: Any) -> dict[str, str]:
    stated = {language: text for language in LANGUAGES} if isinstance(text, str) else text
    if (
        not isinstance(stated, dict)
        or not stated
        or not all(isinstance(value, str) and value.strip() for value in stated.values())
        or not set(stated) <= set(LANGUAGES)
    ):
        raise ConfigError(
            f"{path}: {key} must be a text, or a text for some of the languages {', '.join(LANGUAGES)} "
            f"(found {text!r}). Quote a text that YAML would take for something else."
        )
    fallback = next(iter(stated.values()))
    # YAML joins the lines of a text by spaces, which Japanese has none of.
    return {language: _JOINT.sub("", stated.get(language, fallback)) for language in LANGUAGES}


def _wanted(keys: dict[str, str]) -> str:
    return "; ".join(f"{key} ({about})" for key, about in keys.items()) + "."
