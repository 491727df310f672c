"""kill -9 of the flow that deletes old answers, beside a server that goes on answering."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from bench.reliability import toy
from bench.reliability.asking import wait_until
from bench.reliability.flows import Flow, trained
from bench.reliability.steps import MOMENTS, aftermath
from bench.rows import Row
from portfolio.monitoring.prediction_log import tables
from portfolio.monitoring.prediction_log.log import PredictionLog
from tests.workspace import TOY

DAYS = (100, 1)
"""How long ago the answers were given: those of the first are to be deleted, but for what has a label."""
ROWS = 20
LABELLED = 10
"""One of so many answers has a label."""
MADE_UP = "made-up-"
"""What the ids of the answers begin with that no server has given."""
OF_ANSWERS = (tables.predictions, tables.shadow_predictions, tables.feedback, tables.feedback_history)
WITHOUT_AN_ANSWER = """
    SELECT count(*) FROM (
        SELECT request_id FROM shadow_predictions UNION ALL SELECT request_id FROM feedback
        UNION ALL SELECT request_id FROM feedback_history EXCEPT SELECT request_id FROM predictions
    )
"""


def pruning_killed(work: Path, *, answers: int = 20_000) -> list[Row]:
    """The pruning flow is killed at each of its steps, and run again: the log has what an undisturbed run leaves."""
    project = toy.copy(trained(), work / "project")
    log = project / ".state" / "log" / f"{TOY}.db"
    flow = Flow("pruning", {}, project, work / "run.log", toy.prefect())
    kills = in_between = halves = differing = asked = 0
    free: list[int] = []
    now = datetime.now(UTC)
    with toy.served(project) as url:
        asked += toy.ask(url, *toy.rows(ROWS, seed=0)).rows
        wait_until(lambda: toy.logged_rows(project) == asked)
        _fill(log, answers, now)
        full = _contents(log)
        seconds = flow.run()
        left = _contents(log)
        for seed, (step, moment) in enumerate(product(seconds, MOMENTS), start=1):
            _fill(log, answers, now)
            kills += flow.kill(moment, step, seconds[step])
            in_between += left < _contents(log) < full
            halves += _count(log, WITHOUT_AN_ANSWER)
            asked += toy.ask(url, *toy.rows(ROWS, seed)).rows
            flow.run()
            differing += _contents(log) != left
            free.append(_count(log, "PRAGMA freelist_count"))
        wait_until(lambda: _count(log, f"SELECT sum(rows) FROM predictions WHERE {_is_made_up('NOT')}") == asked)
    damaged = _count(log, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'")
    return [
        Row("old answers", answers, "", at_least=1),
        Row("steps of the pruning flow", len(seconds), "", at_least=1),
        Row(
            "kills, at the start, in the middle and at the end of each", kills, "", at_least=len(MOMENTS) * len(seconds)
        ),
        Row("kills that left a part of the old answers", in_between, "", at_least=1),
        Row("labels and shadow answers whose answer was gone after a kill", halves, "", at_most=0),
        Row("logs that differ from that of an undisturbed run", differing, "", at_most=0),
        Row("logs whose room was not given back", sum(map(bool, free)), "", at_most=0),
        Row("damage to the log", damaged, "", at_most=0),
        *aftermath(project, []),
    ]


def _fill(log: Path, answers: int, now: datetime) -> None:
    """Let the log have so many old answers, and as many new ones as have a label; what it has already is left."""
    rows: dict[Any, list[tables.Row]] = {table: [] for table in (*OF_ANSWERS, tables.looks)}
    for days, count in zip(DAYS, (answers, answers // LABELLED), strict=True):
        at = now - timedelta(days=days)
        for number in range(count):
            of_answer = {"request_id": f"{MADE_UP}{days}-{number}", "digest": "0" * 64, "model_version": 1}
            outputs = {"answered_at": at, "outputs": json.dumps([[0.9, 0.1]] * ROWS), "by_machine": "[]"}
            inputs = {"inputs": json.dumps({"weight": [1.5] * ROWS}), "rows": ROWS, "asked": "[]"}
            rows[tables.predictions].append(of_answer | outputs | inputs | {"protocol": "predict", "callers_id": None})
            rows[tables.shadow_predictions].append(of_answer | outputs)
            label = of_answer | {"row": 0, "label": '"ripe"', "right": True, "received_at": at, "replaced_at": at}
            if number % LABELLED == 0:
                rows[tables.feedback].append(label)
                rows[tables.feedback_history].append(label)
        window = {"looked_at": at, "start": at, "end": at, "acted_at": None}
        found = {"digest": "0" * 64, "model_version": 1, "rows": 0, "labels": 0, "verdict": "healthy"}
        looks = {"look_id": f"{MADE_UP}{days}", "reasons": "[]", "figures": "{}"}
        rows[tables.looks].append(window | found | looks)
    prediction_log = PredictionLog(f"sqlite:///{log}")
    for table, of_table in rows.items():
        prediction_log.append(table, of_table)
    prediction_log.close()


def _contents(log: Path) -> Counter[tuple[Any, ...]]:
    """The rows of all tables that no server has made."""
    found: Counter[tuple[Any, ...]] = Counter()
    with closing(sqlite3.connect(log)) as connection:
        for table in OF_ANSWERS:
            found.update(connection.execute(f"SELECT '{table.name}', * FROM {table.name} WHERE {_is_made_up()}"))
        found.update(connection.execute("SELECT 'looks', look_id FROM looks"))
    return found


def _is_made_up(verb: str = "") -> str:
    return f"request_id {verb} LIKE '{MADE_UP}%'"


def _count(log: Path, query: str) -> int:
    with closing(sqlite3.connect(log)) as connection:
        return int(connection.execute(query).fetchone()[0] or 0)
