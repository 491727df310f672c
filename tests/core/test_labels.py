from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from portfolio.core.labels import category_text, declared, listed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (1e20, "100000000000000000000"),
        ("東京", "東京"),
        (" First ", " First "),
        ("1.0", "1.0"),
        ("", ""),
        (np.int64(3), "3"),
        (np.float64(3.0), "3"),
        (np.float32(2.5), "2.5"),
        (np.bool_(True), "true"),
        (np.str_("a"), "a"),
    ],
)
def test_a_label_has_one_text_however_it_was_typed(value: Any, text: str) -> None:
    assert category_text(value) == text
    assert type(category_text(value)) is str


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), np.float32("nan")])
def test_what_is_not_finite_is_no_label(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a label"):
        category_text(value)


@pytest.mark.parametrize("value", [None, [], {}, b"x", 1j])
def test_what_is_not_a_scalar_is_no_label(value: Any) -> None:
    with pytest.raises(TypeError, match="must be text, a boolean or a number"):
        category_text(value)


@pytest.mark.parametrize(
    ("text", "known", "label"),
    [
        ("TRUE", ("false", "true"), "true"),
        (" False ", ("false", "true"), "false"),
        ("1.0", ("0", "1"), "1"),
        ("01", ("01", "1"), "01"),
        ("TRUE", ("TRUE", "true"), "TRUE"),
        ("maybe", ("false", "true"), "maybe"),
        ("TRUE", ("yes", "no"), "TRUE"),
    ],
)
def test_a_label_that_another_program_wrote_is_the_declared_one(text: str, known: tuple[str, ...], label: str) -> None:
    assert declared(text, known) == label


def test_of_many_names_the_first_are_listed() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(1000)], most=3) == "0, 1, 2 and 997 more"
