"""A text as the numbers of its characters, the same in scikit-learn and in the ONNX graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from portfolio.bundle.graph import PADDING as NO_TEXT
from portfolio.core.types import Array

PADDING, UNKNOWN, START = 0, 1, 2
"""What stands for no character, for one that training did not have, and for the start of a text."""
FIRST = 3


class Characters(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Numbers characters by how common they are in the training texts, the most common first.

    At most `vocabulary_size` of them have numbers, and none that occurs only once: it stands for all that are unknown.
    Of each text the first `max_length` characters are taken.
    """

    is_sequence = True
    """What it gives is a sequence, padded at its end: a graph may leave out padding that all rows have."""

    def __init__(self, max_length: int = 256, vocabulary_size: int = 1024) -> None:
        self.max_length = max_length
        self.vocabulary_size = vocabulary_size

    def fit(self, texts: Any, targets: Any = None) -> Self:
        """For a data frame or an array of texts [rows, 1]."""
        counts = Counter(character for text in _column(texts) for character in text)
        # By code point where counts are equal, so that the same texts give the same numbers.
        common = sorted(counts, key=lambda character: (-counts[character], character))
        kept = [character for character in common if counts[character] > 1][: self.vocabulary_size]
        self.numbers_ = {character: number for number, character in enumerate(kept, start=FIRST)}
        return self

    def transform(self, texts: Any) -> Array:
        """Numbers, float32 [rows, 1 + max_length]: the start, the characters, then padding."""
        check_is_fitted(self)
        column = _column(texts)
        found = np.full((len(column), 1 + self.max_length), PADDING, dtype=np.float32)
        found[:, 0] = START
        for row, text in enumerate(column):
            numbers = [self.numbers_.get(character, UNKNOWN) for character in text[: self.max_length]]
            found[row, 1 : 1 + len(numbers)] = numbers
        return found

    def onnx_shape_calculator(self) -> Callable[[Any], None]:
        def shape(operator: Any) -> None:
            # As long as the longest text of a request, and so not known here.
            operator.outputs[0].type = FloatTensorType([None, None])

        return shape

    def onnx_converter(self) -> Callable[[Any, Any, Any], None]:
        return _convert


def _column(texts: Any) -> list[str]:
    return list(np.asarray(texts, dtype=object).reshape(-1))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Tokenizer splits each text into its characters, and LabelEncoder numbers them."""
    characters: Characters = operator.raw_operator

    def constant(name: str, values: list[int]) -> str:
        unique: str = scope.get_unique_variable_name(name)
        container.add_initializer(unique, 7, [len(values)], values)  # int64
        return unique

    def add(kind: str, inputs: list[str], domain: str = "", version: int | None = None, **attributes: Any) -> str:
        output: str = scope.get_unique_variable_name(kind.lower())
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, inputs, output, op_domain=domain, op_version=version, name=name, **attributes)
        return output

    tokens = add(
        "Tokenizer",
        [operator.inputs[0].full_name],
        domain="com.microsoft",
        version=1,
        mark=0,
        mincharnum=1,
        pad_value=NO_TEXT,
        separators=[""],
    )
    numbers = add(
        "LabelEncoder",
        [tokens],
        domain="ai.onnx.ml",
        version=2,
        keys_strings=[NO_TEXT, *characters.numbers_],
        values_floats=[float(PADDING), *map(float, characters.numbers_.values())],
        default_float=float(UNKNOWN),
    )
    # From [rows, 1, characters] to [rows, characters]. A text may be empty, so nothing is left for Reshape to infer.
    flat = add("Squeeze", [numbers, constant("axis", [1])], version=13)
    taken = add(
        "Slice",
        [flat, constant("starts", [0]), constant("ends", [characters.max_length]), constant("axes", [1])],
        version=13,
    )
    pads, start = constant("pads", [0, 1, 0, 0]), scope.get_unique_variable_name("start")
    container.add_initializer(start, 1, [], [float(START)])  # float
    container.add_node(
        "Pad",
        [taken, pads, start],
        operator.outputs[0].full_name,
        op_version=18,
        name=scope.get_unique_operator_name("Pad"),
    )
