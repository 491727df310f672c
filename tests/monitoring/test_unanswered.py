"""Requests that got no answer, as a look has them."""

from __future__ import annotations

from datetime import datetime, timedelta

from portfolio.bundle.store import Store
from portfolio.contract.use_case import UseCase
from portfolio.monitoring.monitor import look
from portfolio.monitoring.prediction_log.log import PredictionLog
from tests.monitoring.test_monitor import findings
from tests.monitoring.test_prediction_log import rows
from tests.monitoring.world import World, midnight

MINUTE = timedelta(minutes=1)


def fail(world: World, until: datetime, requests: int, status: int = 422, field: str = "weight") -> None:
    row = {"until": until, "digest": world.digest, "model_version": world.version, "status": status, "field": field}
    world.log.count_unanswered([{**row, "requests": requests}])


def test_some_refused_requests_are_told_with_the_field_that_was_wrong(
    world: World, use_case: UseCase, log_file: str
) -> None:
    world.serve(0, world.rows(500), at_once=1)
    fail(world, midnight(0) + MINUTE, 20)
    fail(world, midnight(0) + 5 * MINUTE, 15)
    fail(world, midnight(0) + 5 * MINUTE, 5, status=415, field="")
    (found,) = look(use_case, log_file, midnight(1))
    assert (found.verdict, findings(found)) == ("warn", ["refused_field"])
    told = found.reasons[0].told("en")
    assert "40 of 540 requests were refused (7.4%), most often because of weight (35)" in told


def test_a_few_in_many_are_not_told_and_what_failed_is_told_apart(
    world: World, use_case: UseCase, log_file: str
) -> None:
    world.serve(0, world.rows(500), at_once=1)
    fail(world, midnight(0) + MINUTE, 9)
    fail(world, midnight(0) + MINUTE, 10, status=503, field="")
    (found,) = look(use_case, log_file, midnight(1))
    assert (found.verdict, findings(found)) == ("warn", ["failed"])
    assert found.figures["errors"]["unanswered"][0] == {"status": 503, "field": "", "requests": 10}


def test_where_all_are_refused_there_is_a_look_that_says_so(world: World, use_case: UseCase, log_file: str) -> None:
    fail(world, midnight(0) + MINUTE, 30, status=415, field="")
    (found,) = look(use_case, log_file, midnight(1))
    assert (found.verdict, findings(found), found.rows) == ("warn", ["refused"], 0)


def test_a_minute_across_the_end_of_a_window_is_counted_once(world: World, use_case: UseCase, log_file: str) -> None:
    world.serve(0, world.rows(500))
    fail(world, midnight(1) + MINUTE / 2, 100)
    (first,) = look(use_case, log_file, midnight(1))
    assert first.figures["errors"]["unanswered"] == []
    (second,) = look(use_case, log_file, midnight(1) + MINUTE)
    assert second.figures["errors"]["unanswered"] == [{"status": 422, "field": "weight", "requests": 100}]
    assert look(use_case, log_file, midnight(2)) == []


def test_counts_of_one_minute_add_up_in_any_database_and_old_ones_are_deleted(store: Store, address: str) -> None:
    world = World(store, PredictionLog(address))
    for _ in range(2):
        fail(world, midnight(0), 3)
        fail(world, midnight(0), 4, field="colour")
        fail(world, midnight(2), 1)
    counts = sorted(row["requests"] for row in rows(address, "unanswered"))
    assert counts == [2, 6, 8]
    world.log.prune(midnight(1), labelled=True)
    world.log.close()
    assert [row["requests"] for row in rows(address, "unanswered")] == [2]
