"""A use case's own drifts: what they do to its rows, which a server still takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from portfolio.bundle.manifest import InputField
from portfolio.contract.drifts import picture_drifts, table_drifts, text_drifts
from portfolio.contract.fields import Category, FreeText, Image, Number
from portfolio.contract.loading import load_use_case
from portfolio.contract.made_up import made_up_rows
from portfolio.contract.schema import inputs_schema
from portfolio.data.normalize import normalize
from tests.workspace import ALL_USE_CASES


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_drifted_rows_of_every_use_case_are_still_taken(workspace: Path, name: str) -> None:
    use_case = load_use_case(name)
    rows = normalize(use_case, made_up_rows(use_case, 200)).frame
    inputs = rows.select(field.name for field in use_case.inputs)
    drifts = use_case.drifts()
    assert drifts
    for drift in drifts.values():
        drifted = drift(rows)
        assert drifted.drop(inputs.columns).equals(rows.drop(inputs.columns))
        assert drifted.select(inputs.columns).schema == inputs.schema
        assert not drifted.select(inputs.columns).equals(inputs)
        assert drifted.equals(drift(rows))
        inputs_schema(use_case.inputs).validate(drifted.select(inputs.columns))


def drawn(field: InputField, *pictures: list[list[float]]) -> pl.DataFrame:
    pixels = np.array(pictures, dtype=np.float32).reshape(len(pictures), -1)
    return pl.DataFrame({field.name: pl.Series(pixels, dtype=pl.Array(pl.Float32, field.width))})


def picture(rows: pl.DataFrame, field: InputField) -> np.ndarray:
    return rows[field.name].to_numpy()[0].reshape(field.shape)


def test_pictures() -> None:
    field = Image("scan", 5, 8, maximum=16, step=1)
    line = [[0.0] * 8, [0.0] * 8, [0, 0, 12, 0, 0, 0, 0, 0], [0.0] * 8, [0.0] * 8]
    rows, drifts = drawn(field, line), picture_drifts(field)
    assert list(drifts) == ["blur", "noise", "rotation", "contrast", "pen"]
    blurred = picture(drifts["blur"](rows), field)
    assert blurred[2].tolist() == [0, 0, 8, 8, 8, 8, 0, 0]
    assert blurred.sum() == blurred[2].sum()
    assert picture(drifts["contrast"](rows), field)[2, 2] == 6
    assert (picture(drifts["pen"](rows), field) == 12).sum() > 1
    noisy = picture(drifts["noise"](rows), field)
    assert (noisy != line).sum() >= 5
    assert (noisy == noisy.round()).all()


def test_tables() -> None:
    fields = [Number("age", 0, 100), Number("fare", missing=True, step=1), Category("town", ["A", "B", "C"])]
    rows = pl.DataFrame(
        {"age": [10.0, 30.0, 99.0] * 40, "fare": [1.0, None, 5.0] * 40, "town": ["A"] * 80 + ["B"] * 39 + ["C"]}
    )
    drifts = table_drifts(fields)
    assert list(drifts) == ["shift", "shift-age", "shift-fare", "missing", "more-town"]
    deviation = float(np.std([10, 30, 99]))
    shifted = drifts["shift-age"](rows)
    assert shifted["age"].to_list()[:3] == pytest.approx([10 + deviation, 30 + deviation, 100])
    assert shifted["fare"].equals(rows["fare"])
    both = drifts["shift"](rows)
    assert both["fare"].to_list()[:3] == [3.0, None, 7.0]
    assert 0.3 < drifts["missing"](rows)["fare"].null_count() / 120 - 1 / 3 < 0.5
    assert 0.3 < (drifts["more-town"](rows)["town"] == "C").mean() < 0.7  # type: ignore[operator]


def test_texts() -> None:
    field = FreeText("text", 200)
    text = "the bath was cold and 部屋は清潔でした。" * 3
    rows = pl.DataFrame({"text": [text, "a"]})
    drifts = text_drifts(field)
    assert text.startswith(drifts["cut"](rows)["text"][0])
    assert len(drifts["cut"](rows)["text"][0]) <= len(text) / 3 + 1
    assert sorted(drifts["typos"](rows)["text"][0]) == sorted(text.strip())
    assert 0.6 < len(drifts["lost"](rows)["text"][0]) / len(text) < 0.95
    assert all(drift(rows)["text"][1] == "a" for drift in drifts.values())
