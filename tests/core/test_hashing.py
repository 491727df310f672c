import numpy as np
import polars as pl
import pytest

from portfolio.core.hashing import uniform


def test_the_values_are_these_for_ever() -> None:
    """Another value here moves every row to another split: the models of before and after can't be compared."""
    found = uniform(pl.DataFrame({"form_id": ["form-0000", "form-0001", "帳票-1"]}), salt="split")
    assert found.tolist() == [0.40298427188388486, 0.23818972609607303, 0.11426010514092666]
    places = pl.DataFrame({"longitude": [-122.23, -118.0], "latitude": [37.88, 34.0]})
    assert uniform(places, salt="split").tolist() == [0.3766245683496423, 0.07546206769879715]
    assert uniform(pl.DataFrame({"number": [1, 2]}), salt="split").tolist() == [0.277183344451304, 0.8008701177375246]


def test_the_values_are_uniform() -> None:
    values = uniform(pl.DataFrame({"id": range(100_000)}), salt="any")
    assert values.dtype == np.float64
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, bins=20, range=(0, 1))[0]
    # Chi-squared with 19 degrees of freedom is over 50 in one of 10,000 such tables.
    assert ((counts - 5000) ** 2 / 5000).sum() < 50


def test_a_rows_value_depends_on_nothing_but_the_row() -> None:
    keys = pl.DataFrame({"id": [f"row-{number}" for number in range(100)]})
    values = uniform(keys, salt="split")
    assert uniform(keys.reverse(), salt="split").tolist() == values.tolist()[::-1]
    assert uniform(keys[7:8], salt="split").tolist() == [values[7]]


def test_another_salt_gives_independent_values() -> None:
    keys = pl.DataFrame({"id": range(10_000)})
    correlation = np.corrcoef(uniform(keys, salt="split"), uniform(keys, salt="batch"))[0, 1]
    assert abs(correlation) < 0.05


@pytest.mark.parametrize(
    ("one", "other"), [(["ab", "c"], ["a", "bc"]), (["a", "b"], ["b", "a"]), (["", "a"], ["a", ""])]
)
def test_columns_do_not_run_into_each_other(one: list[str], other: list[str]) -> None:
    keys = pl.DataFrame([one, other], schema=["first", "second"], orient="row")
    first, second = uniform(keys, salt="split")
    assert first != second
