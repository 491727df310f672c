"""What is predicted: labels as the data write them, under the names that people read."""

from typing import Any

import polars as pl
import pytest

from portfolio.contract import Classes, Quantity


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        (["no", "yes"], ("no", "yes")),
        (range(3), ("0", "1", "2")),
        ([0.0, 1.0], ("0", "1")),
        ([0.5, 1.5], ("0.5", "1.5")),
        ([False, True], ("false", "true")),
        (["男性", "女性"], ("男性", "女性")),
    ],
)
def test_labels_are_those_of_the_data_and_shown_as_they_are(labels: Any, texts: tuple[str, ...]) -> None:
    output = Classes("y", labels).output
    assert (output.task, output.name) == ("classification", "y")
    assert output.labels == output.classes == texts


def test_the_bounds_of_a_quantity_are_known_where_it_is_served() -> None:
    output = Quantity("price", minimum=0, maximum=4000).output
    assert (output.minimum, output.maximum) == (0, 4000)


def test_labels_may_be_shown_by_other_names() -> None:
    target = Classes("survived", {0: "died", 1: "survived"})
    assert (target.output.labels, target.output.classes) == (("0", "1"), ("died", "survived"))
    assert target.read(pl.Series(["1", "0", "1"])).tolist() == [1, 0, 1]


def test_classes_are_read_as_their_places() -> None:
    found = Classes("y", ["b", "a"]).read(pl.Series(["a", "b", "b"]))
    assert found.dtype == "int64"
    assert found.tolist() == [1, 0, 0]


def test_a_label_that_was_not_declared_is_an_error() -> None:
    """Validation lets no such row through."""
    with pytest.raises(KeyError, match="c"):
        Classes("y", ["a", "b"]).read(pl.Series(["a", "c"]))


def test_a_quantity_is_read_as_floats_in_its_unit() -> None:
    target = Quantity("price", 1, 500, unit="EUR", log=True)
    assert (target.output.task, target.output.name, target.output.unit) == ("regression", "price", "EUR")
    assert (target.output.classes, target.log) == ((), True)
    found = target.read(pl.Series([1.5, 2.0]))
    assert found.dtype == "float64"
    assert found.tolist() == [1.5, 2.0]
