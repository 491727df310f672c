"""The named features of pictures and texts follow what happens to them."""

from __future__ import annotations

import numpy as np

from portfolio.bundle.reference import reference
from portfolio.bundle.summaries import summaries
from portfolio.contract import FreeText, Image


def test_a_text_that_is_pasted_twice_has_half_the_variety_and_twice_the_length() -> None:
    field = FreeText("text", 200)
    once, twice = (
        summaries(field, np.array([[text]], dtype=object)) for text in ("a room, 2 beds", 2 * "a room, 2 beds")
    )
    assert twice["length"] == 2 * once["length"]
    assert twice["variety"] == once["variety"] / 2
    assert twice["letters"] == once["letters"] == 9 / 14


def test_an_empty_text_is_missing_in_each_feature() -> None:
    found = summaries(FreeText("text", 200), np.array([[""], ["日本語"]], dtype=object))
    assert {*found} == {"length", "letters", "variety"}
    assert all(np.isnan(values).tolist() == [True, False] for values in found.values())


def test_a_reference_has_all_features_of_a_text() -> None:
    texts = np.array([["short"], ["much longer, with 12 digits"]], dtype=object)
    found = reference(FreeText("text", 200), texts)
    assert (found.low, found.high) == (4.999995, 27.000027)
    assert {*found.summaries} == {"letters", "variety"}


def test_a_blurred_picture_is_less_sharp_and_as_bright() -> None:
    picture = np.zeros((1, 16))
    picture[0, 5] = 16
    blurred = np.full((1, 16), 1.0)
    before, after = (summaries(Image("pixels", 4, 4, 16), values) for values in (picture, blurred))
    assert after["sharpness"] < before["sharpness"]
    assert after["contrast"] < before["contrast"]
    assert after["brightness"] == before["brightness"]
