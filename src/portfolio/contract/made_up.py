"""Made-up rows that fit a use case's declarations: to try its models before there are data, and in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from portfolio.bundle.manifest import InputField
from portfolio.contract.targets import Quantity
from portfolio.contract.use_case import UseCase
from portfolio.core.dates import iso_date

if TYPE_CHECKING:
    import polars as pl

Scores = npt.NDArray[np.float64]
MISSING_SHARE = 0.05
DAYS = 1000
# From bad to good; a text has one of these, and some of the others, which say nothing.
WORDS = ("最悪", "bad", "普通", "good", "素晴らしい")
OTHERS = ("部屋", "駅から", "朝食は", "the bath", "staff", "でした。", "今回", "Wi-Fi", "2泊", "!")


def made_up_rows(use_case: UseCase, rows: int, seed: int = 0) -> pl.DataFrame:
    """Raw rows whose target follows from the inputs, with some noise, so that a model has something to learn."""
    import polars as pl

    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {use_case.key: [f"made-up-{seed}-{number:06d}" for number in range(rows)]}
    score = np.zeros(rows)
    for number, field in enumerate(use_case.inputs):
        columns[field.name], part = _values(field, rows, random)
        score += part / (number + 1)
    score += random.normal(0, 0.05, rows)
    # Ranks are uniform, so that every class is there and no value is out of bounds.
    ranks = (score.argsort().argsort() + 0.5) / rows
    columns[use_case.target.column] = _targets(use_case, ranks)
    for name in use_case.columns():
        numbers = [number % 7 for number in range(rows)]
        texts = [f"{name} {number}" for number in numbers]
        columns.setdefault(name, numbers if name in use_case.source.cell_columns else texts)
    return pl.DataFrame(columns)


def _values(field: InputField, rows: int, random: np.random.Generator) -> tuple[Any, Scores]:
    """Values of one field, and what they add to the score that the target follows from, [rows]."""
    if field.kind == "category":
        numbers = random.integers(0, len(field.categories), rows)
        values: list[Any] = [field.categories[number] for number in numbers]
        part = numbers / max(1, len(field.categories) - 1)
    elif field.kind == "text":
        numbers = random.integers(0, len(WORDS), rows)
        values = [_text(int(number), field, random) for number in numbers]
        part = numbers / (len(WORDS) - 1)
    elif field.kind == "date":
        low = 0.0 if field.minimum is None else field.minimum
        high = low + DAYS if field.maximum is None else field.maximum
        part = random.random(rows)
        values = [iso_date(low + (high - low) * share) for share in part]
    else:
        low = 0.0 if field.minimum is None else field.minimum
        high = low + 1 if field.maximum is None else field.maximum
        part = random.random(rows)
        brightness = part[:, None] * random.random((rows, field.width)) if field.kind == "image" else part[:, None]
        scaled = low + (high - low) * brightness
        if field.kind == "image" and field.step:
            scaled = np.round(scaled / field.step) * field.step
        values = scaled.tolist() if field.kind == "image" else scaled[:, 0].tolist()
    if field.nullable:
        missing = random.random(rows) < MISSING_SHARE
        values = [None if gone else value for value, gone in zip(values, missing, strict=True)]
    return values, np.asarray(part, dtype=np.float64)


def _text(number: int, field: InputField, random: np.random.Generator) -> str:
    # First, so that no maximum length cuts it off.
    words = [WORDS[number], *random.choice(OTHERS, 4)]
    return " ".join(words)[: field.max_length].rstrip()


def _targets(use_case: UseCase, ranks: Scores) -> list[Any]:
    target = use_case.target
    if isinstance(target, Quantity):
        low = (1.0 if target.log else 0.0) if target.minimum is None else target.minimum
        high = low + 1 if target.maximum is None else target.maximum
        return list(low + (high - low) * ranks)
    labels = target.output.labels
    return [labels[int(rank * len(labels))] for rank in ranks]
