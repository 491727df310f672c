"""Answered requests of the log as arrays: what the model was given, what it said, and who decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from portfolio.bundle.manifest import InputField, Manifest
from portfolio.bundle.policy import Decisions
from portfolio.core.types import Array
from portfolio.monitoring.prediction_log.tables import Row


@dataclass(frozen=True)
class Answered:
    """So many rows, each a row of a request. All are [rows, ...]."""

    inputs: dict[str, Array]
    """By field, float32 or texts [rows, width], as the graph took them."""
    outputs: Array
    decisions: Decisions
    """Of which `by_machine` is what the server did, who also sends to a person what training never saw."""


def answered(manifest: Manifest, requests: Sequence[Row]) -> Answered:
    """The rows of requests with `inputs`, `outputs` and `by_machine` as JSON."""
    outputs = np.array([row for rows in _column(requests, "outputs") for row in rows], dtype=np.float32)
    by_machine = np.array([one for rows in _column(requests, "by_machine") for one in rows], dtype=bool)
    given = _column(requests, "inputs")
    inputs = {
        field.name: _array(field, [value for columns in given for value in columns[field.name]])
        for field in manifest.inputs
    }
    decisions = manifest.decider()(outputs.reshape(len(by_machine), -1))
    return Answered(inputs, outputs, decisions._replace(by_machine=by_machine))


def _column(requests: Sequence[Row], name: str) -> list[Any]:
    """One call for many short texts takes a third of the time."""
    found: list[Any] = orjson.loads(f"[{','.join(row[name] for row in requests)}]")
    return found


def _array(field: InputField, values: list[list[object]]) -> Array:
    if field.is_string:
        return np.array([value or "" for (value,) in values], dtype=object).reshape(-1, 1)
    # As float32, since an edge of a bin may be a value that many rows have.
    return np.array(values, dtype=np.float32).reshape(len(values), field.width)
