"""True labels, put into the prediction log: judged by the bundle that gave the answer, and kept once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import orjson

from portfolio.monitoring.prediction_log.labels import Replaced
from portfolio.monitoring.prediction_log.log import PredictionLog
from serving.errors import RequestError
from serving.record.feedback import Judge, TrueLabel
from serving.record.record import as_json

UNKNOWN = "unknown_request"
OutcomeName = Literal["stored", "unchanged", "corrected"]


class Stored(NamedTuple):
    """A true label as it is in the log. `outcome` is "stored", "unchanged", or "corrected" if it `replaced` another."""

    request_id: str
    label: str | float
    right: bool | None
    outcome: OutcomeName
    replaced: Replaced | None = None


Outcome = Stored | RequestError


def is_unknown(outcome: Outcome) -> bool:
    """Whether there is no such answer in the log, or not yet."""
    return isinstance(outcome, RequestError) and outcome.code == UNKNOWN


class Labels:
    """Puts labels into a log. For one thread at a time."""

    def __init__(self, log: PredictionLog, judge: Judge) -> None:
        self._log = log
        self._judge = judge

    def store(self, labels: Sequence[TrueLabel], received_at: datetime) -> list[Outcome]:
        """Store labels, in one transaction, with the time at which they came. Returns what became of each.

        Raises what the log raises.
        """
        outcomes: dict[int, Outcome] = {}
        answers = self._log.answers({label.request_id for label in labels if label.request_id})
        named = self._log.answers_to({label.callers_id for label in labels if label.callers_id})
        outputs: dict[str, list[list[float]]] = {}
        rows: dict[int, dict[str, Any]] = {}
        for index, label in enumerate(labels):
            try:
                answer = _answer(label, answers, named)
                request_id = answer["request_id"]
                if request_id not in outputs:
                    outputs[request_id] = orjson.loads(answer["outputs"])
                text, right = self._judge.verdict(answer["digest"], outputs[request_id][label.row], label.label)
            except RequestError as error:
                outcomes[index] = error
                continue
            rows[index] = {
                "request_id": request_id,
                "row": label.row,
                "label": as_json(text),
                "right": right,
                "received_at": received_at,
            }
        corrections = {place for place, index in enumerate(rows) if labels[index].correction}
        added = self._log.add_labels(list(rows.values()), corrections)
        for (index, row), outcome in zip(rows.items(), added, strict=True):
            if outcome.name == "kept":
                outcomes[index] = _second(row["request_id"], row["row"], outcome.label)
            else:
                label = orjson.loads(outcome.label)
                outcomes[index] = Stored(row["request_id"], label, outcome.right, outcome.name, outcome.replaced)
        return [outcomes[index] for index in range(len(labels))]


def _answer(
    label: TrueLabel, answers: dict[str, dict[str, Any]], named: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """The answer that a label belongs to. Raises RequestError if there is none, or no such row, or more than one."""
    if label.request_id:
        found = [answers[label.request_id]] if label.request_id in answers else []
    else:
        found = named.get(label.callers_id or "", [])
    if len(found) > 1:
        ids = ", ".join(answer["request_id"] for answer in found[:5])
        raise RequestError(
            409,
            "several_answers",
            f"{len(found)} requests had the X-Request-ID {label.callers_id}. Send the request_id of one: {ids}",
        )
    if not found or label.row >= found[0]["rows"]:
        raise RequestError(
            404,
            UNKNOWN,
            f"No answer {label.request_id or label.callers_id} with a row {label.row}. Send the request_id of an "
            "answer, or the X-Request-ID of its request as callers_id.",
        )
    return found[0]


def _second(request_id: str, row: int, given: str) -> RequestError:
    return RequestError(
        409,
        "second_label",
        f"Row {row} of {request_id} already has the label {given}, which is kept. To replace it, send "
        '"correction": true.',
    )
