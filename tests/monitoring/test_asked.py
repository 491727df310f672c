"""The rows whose true label was asked for and has not come, in both databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(address: str) -> Iterator[PredictionLog]:
    log = PredictionLog(address)
    yield log
    log.close()


def answer(number: int, asked: str | None) -> dict[str, object]:
    """The answer to a request whose number is its time in seconds."""
    rows = 1 if asked is None else asked.count(",") + 1
    return {
        "request_id": f"{number:032x}",
        "answered_at": START + timedelta(seconds=number),
        "protocol": "predict",
        "model_version": 1,
        "digest": "d" * 64,
        "rows": rows,
        "inputs": f'{{"weight":{[[number]] * rows}}}',
        "outputs": "[[1.0,0.0]]",
        "by_machine": "[true]",
        "callers_id": None,
        "asked": asked,
    }


def label(number: int, row: int = 0) -> dict[str, object]:
    return {"request_id": f"{number:032x}", "row": row, "label": '"a"', "right": True, "received_at": START}


def waiting(log: PredictionLog, limit: int = 100) -> list[tuple[int, int]]:
    return [(int(found.request_id, 16), found.row) for found in log.unlabelled(limit)]


def test_the_oldest_rows_that_were_asked_for_and_have_no_label_come_first(log: PredictionLog) -> None:
    several = answer(2, "[0.0,0.02,1.0]")
    log.append(
        predictions,
        [answer(5, "[1.0]"), several, answer(3, "[0.0]"), answer(4, "[1e-05]"), answer(1, "[0.02]"), answer(6, None)],
    )
    assert waiting(log) == [(1, 0), (2, 1), (2, 2), (4, 0), (5, 0)]
    log.add_labels([label(1), label(2, 2), label(3)])
    assert waiting(log) == [(2, 1), (4, 0), (5, 0)]
    assert waiting(log, 2) == [(2, 1), (4, 0)]
    assert len(log.unlabelled(100, START + timedelta(seconds=4))) == 2
    (first, *_) = log.unlabelled(1)
    assert first.answered_at == START + timedelta(seconds=2)
    assert log.inputs({first.request_id}) == {first.request_id: several["inputs"]}


def test_requests_that_have_all_their_labels_hide_none(log: PredictionLog) -> None:
    """More of them than are read at a time, and of the same moment as the one that waits."""
    done = [{**answer(number, "[1.0,1.0]"), "answered_at": START} for number in range(1, 451)]
    log.append(predictions, [*done, {**answer(451, "[1.0,1.0]"), "answered_at": START}])
    log.add_labels([label(number, row) for number in range(1, 451) for row in (0, 1)] + [label(451)])
    assert waiting(log) == [(451, 1)]


def test_the_cost_does_not_grow_with_the_answers_that_nobody_was_asked_about(log: PredictionLog) -> None:
    log.append(predictions, [answer(number, "[0.0]") for number in range(1, 20_001)])
    log.append(predictions, [answer(30_000, "[1.0]")])
    began = time.perf_counter()
    assert waiting(log) == [(30_000, 0)]
    assert time.perf_counter() - began < 0.5
    with log._database.begin() as connection:
        if connection.dialect.name == "sqlite":
            plan = str(
                connection.execute(
                    text(
                        "explain query plan select request_id from predictions "
                        "where asked GLOB '*[1-9]*' order by answered_at"
                    )
                ).all()
            )
            assert "predictions_asked" in plan
