"""Sentences in two languages, with the engine's own names in the language, and the data's as they are."""

from __future__ import annotations

import pytest

from portfolio.core.sentences import NAMES, read_sentences, told
from portfolio.monitoring.looks import FINDINGS

MOVED = {"from": 2.0, "to": 1.0, "effect": 0.5}


@pytest.mark.parametrize(("language", "name"), [("en", "(sharpness) has moved"), ("ja", "鮮明さ")])
def test_a_summary_has_its_name_in_the_language_and_a_field_that_of_the_data(language: str, name: str) -> None:
    figures = {"field": "contrast", "summary": "sharpness", **MOVED}
    sentence = told(FINDINGS, language, "input_moved", figures)
    assert sentence.startswith("contrast")
    assert name in sentence


def test_missing_values_are_called_so() -> None:
    figures = {"field": "age", "summary": "value", "of": "(missing)", **MOVED}
    assert "欠損値の割合" in told(FINDINGS, "ja", "input_share_moved", figures)
    assert "the share of missing values" in told(FINDINGS, "en", "input_share_moved", figures)


def test_both_languages_have_all_names() -> None:
    names = read_sentences(NAMES)
    assert names["en"].keys() == names["ja"].keys()
