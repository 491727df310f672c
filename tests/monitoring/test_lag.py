"""What a look leaves to the next, so that an answer or a label that is dated late is missed by none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.monitoring.looks import CLOCKS_APART
from portfolio.monitoring.monitor import look
from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions
from serving.record.record import Record
from tests.monitoring.world import World
from tests.workspace import TOY

ON_ANOTHER_MACHINE = CLOCKS_APART
ON_THE_SAME = timedelta(seconds=5)


def test_what_a_server_writes_whose_clock_is_behind_is_looked_at(workspace: Path, address: str) -> None:
    """A file of SQLite is on the monitor's own machine, which has one clock; PostgreSQL's clients may be anywhere."""
    world, case = World(Store.of(TOY), PredictionLog(address)), load_use_case(TOY)
    world.serve(0, world.rows(300))
    assert sum(one.rows for one in look(case, address)) == 300
    behind = ON_THE_SAME if address.startswith("sqlite") else ON_ANOTHER_MACHINE
    inputs = world.rows(60)
    outputs = world.outputs(inputs)
    at = (datetime.now(UTC) - behind).timestamp()
    decided = np.ones(60, bool).tolist(), np.zeros(60).tolist()
    world.log.append(predictions, [Record("late", at, 1, world.digest, outputs, *decided, "predict", inputs).row()])
    assert sum(one.rows for one in look(case, address, datetime.now(UTC))) == 60
    world.log.close()
