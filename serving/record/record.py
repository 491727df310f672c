"""One answered request, as it goes into the prediction log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Table

from portfolio.core.types import Array
from portfolio.monitoring.prediction_log.tables import predictions, shadow_predictions

# From so many values on, it pays to look whether all are whole numbers: those are written in a tenth of the time.
MANY = 256


@dataclass(slots=True)
class Record:
    """One answered request. Without inputs it is a shadow's answer, which nobody saw."""

    request_id: str
    answered_at_seconds: float
    version: int
    digest: str
    outputs: Array
    by_machine: list[bool]
    asked: list[float]
    protocol: str = ""
    inputs: dict[str, Array] | None = None
    callers_id: str | None = None
    bytes: int = 0
    """Roughly what it occupies while it waits."""

    @property
    def table(self) -> Table:
        return shadow_predictions if self.inputs is None else predictions

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "request_id": self.request_id,
            "answered_at": datetime.fromtimestamp(self.answered_at_seconds, UTC),
            "model_version": self.version,
            "digest": self.digest,
            "outputs": as_json(self.outputs),
            "by_machine": as_json(self.by_machine),
        }
        if self.inputs is not None:
            columns = ",".join(f"{as_json(name)}:{_shortest(array)}" for name, array in self.inputs.items())
            row |= {"protocol": self.protocol, "rows": len(self.outputs), "inputs": f"{{{columns}}}"}
            row["asked"] = as_json(self.asked)
            row["callers_id"] = self.callers_id
        return row


def as_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _shortest(array: Array) -> str:
    """An array as JSON, in the fewest characters: pixels are whole numbers, and 5 says as much as 5.0."""
    if array.dtype == object:
        return as_json(array.tolist())
    if array.size >= MANY:
        with np.errstate(invalid="ignore"):
            whole = array.astype(np.int32)
        if (whole == array).all():
            return as_json(whole)
    return as_json(array).replace(".0,", ",").replace(".0]", "]")
