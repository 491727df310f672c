from __future__ import annotations

import numpy as np
import pytest

from portfolio.bundle.store import Store
from portfolio.monitoring.explain import explain
from portfolio.monitoring.prediction_log.log import PredictionLog
from tests.monitoring.world import World


@pytest.fixture
def world(store: Store) -> World:
    return World(store, PredictionLog(f"sqlite:///{store.folder / 'log.db'}"))


def test_what_moved_tells_the_two_apart(world: World) -> None:
    told = explain(world.manifest, world.rows(800), world.rows(600, shift=1))
    assert told is not None
    assert told.auc > 0.7
    assert told.by[0][:2] == ("weight", "value")
    assert told.by[1][2] < 0.02


def test_without_change_they_are_not_told_apart(world: World) -> None:
    told = explain(world.manifest, world.rows(800), world.rows(800))
    assert told is not None
    assert 0.4 < told.auc < 0.6
    assert explain(world.manifest, world.rows(800), world.rows(50)) is None


def test_fields_that_only_go_together_otherwise_are_found(world: World) -> None:
    rows = world.rows(1000)
    heavy = rows["weight"][:, 0] > 0
    rows["colour"] = np.where(heavy, "green", "yellow").astype(object).reshape(-1, 1)
    told = explain(world.manifest, world.rows(1000), rows)
    assert told is not None
    assert told.auc > 0.65
    assert {name for name, _, lost in told.by if lost > 0.05} == {"weight", "colour"}
