"""Rows that a model has seen in training are counted: exactly the same inputs, whatever their kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from portfolio.contract.loading import load_use_case
from portfolio.data.duplicates import count_duplicates


def melons(*rows: tuple[float | None, str | None, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"weight": weight, "colour": colour, "ripe": ripe} for weight, colour, ripe in rows],
        schema={"weight": pl.Float64, "colour": pl.String, "ripe": pl.String},
    )


def test_all_inputs_must_be_the_same_and_a_missing_one_is_like_another(workspace: Path) -> None:
    train = melons((1.0, "green", "false"), (1.0, "green", "false"), (None, None, "true"), (2.0, None, "true"))
    seen = melons((1.0, "green", "false"), (None, None, "true"), (2.0, None, "true"))
    unseen = melons((1.0, "yellow", "false"), (1.0 + 1e-12, "green", "false"), (None, "green", "true"))
    assert count_duplicates(load_use_case("toy"), pl.concat([seen, unseen]), train) == {"rows": 3, "other_target": 0}


def test_another_target_is_one_that_no_such_training_row_has(workspace: Path) -> None:
    train = melons((1.0, "green", "false"), (1.0, "green", "true"), (2.0, "green", "true"))
    rows = melons((1.0, "green", "true"), (2.0, "green", "false"), (2.0, "green", "true"))
    assert count_duplicates(load_use_case("toy"), rows, train) == {"rows": 3, "other_target": 1}


def test_pictures_are_compared_pixel_by_pixel(workspace: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 17, (6, 64)).astype(np.float32)
    pixels[3], pixels[4] = pixels[0], pixels[1]
    pixels[5] = pixels[2]
    pixels[5, 63] += 1
    frame = pl.DataFrame({"drawing": pl.Series(pixels, dtype=pl.Array(pl.Float32, 64)), "shape": [*"ILOIOO"]})
    assert count_duplicates(load_use_case("shapes"), frame[3:], frame[:3]) == {"rows": 2, "other_target": 1}
