from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from portfolio.bundle.store import Store
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.monitoring.looks import Look, Looks
from portfolio.monitoring.monitor import look
from portfolio.monitoring.outcome import Outcome
from portfolio.monitoring.prediction_log import window
from portfolio.monitoring.prediction_log.database import Database
from portfolio.monitoring.prediction_log.log import PredictionLog
from tests.monitoring.world import COLOURS, OUTPUT, World, midnight
from tests.workspace import TOY


def findings(found: Look) -> list[str]:
    """By name; each has a sentence in both languages, and all the figures that are in it."""
    for reason in found.reasons:
        for language in ("en", "ja"):
            assert reason.told(language) != reason.finding.replace("_", " ")
            assert "?" not in reason.told(language)
    return [reason.finding for reason in found.reasons]


def test_without_change_the_model_is_as_promised(world: World, use_case: UseCase, log_file: str) -> None:
    for day in range(3):
        world.serve(day, world.rows(500))
        (found,) = look(use_case, log_file, midnight(day + 1))
        assert (found.verdict, findings(found)) == ("healthy", ["as_promised_seen"])
        assert found.rows == 500
        yen = found.figures["yen_per_1000"]
        assert yen["estimated"]["trusted"]
        assert yen["estimated"]["low"] < yen["seen"]["high"]
        assert yen["seen"]["low"] < yen["estimated"]["high"]
    assert look(use_case, log_file, midnight(3)) == []
    kept = Looks(log_file)
    assert [one.start for one in kept.last(3)][:2] == [midnight(2), midnight(1)]
    kept.close()


def test_a_shift_is_told_with_where_it_went_and_asks_for_no_retraining(
    world: World, use_case: UseCase, log_file: str
) -> None:
    world.serve(0, world.rows(500, shift=1))
    (found,) = look(use_case, log_file, midnight(1))
    assert found.verdict == "warn"
    assert {"input_moved", "output_share_moved"} <= set(findings(found))
    weight = next(one for one in found.figures["drift"] if one["field"] == "weight")
    assert weight["from"] == pytest.approx(0, abs=0.15)
    assert weight["to"] == pytest.approx(1, abs=0.25)
    assert not next(one for one in found.figures["drift"] if one["field"] == "colour")["drifted"]


def test_errors_that_the_model_does_not_know_of_are_harm(world: World, use_case: UseCase, log_file: str) -> None:
    verdicts = []
    for day in range(4):
        rows = world.rows(500)
        targets = world.targets(rows)
        wrong = world.random.random(500) < 0.1
        world.serve(day, rows, targets=np.where(wrong, 1 - targets, targets))
        verdicts.append(look(use_case, log_file, midnight(day + 1))[0])
    assert verdicts[-1].verdict == "harmful"
    assert {"errors_cost_more", "model_does_not_know"} <= set(findings(verdicts[-1]))
    yen = verdicts[-1].figures["yen_per_1000"]
    assert yen["seen"]["value"] < yen["promised"] - 1000
    told = next(reason.figures for reason in verdicts[-1].reasons if reason.finding == "errors_cost_more")
    assert told["mean_yen"] > told["limit_yen"]


def test_harm_that_is_over_is_said_to_be_over_and_may_come_again(
    world: World, use_case: UseCase, log_file: str
) -> None:
    def verdict(day: int, error_rate: float) -> str:
        rows = world.rows(300)
        targets = world.targets(rows)
        wrong = world.random.random(300) < error_rate
        world.serve(day, rows, targets=np.where(wrong, 1 - targets, targets))
        return look(use_case, log_file, midnight(day + 1))[0].verdict

    assert [verdict(day, 0.2) for day in range(5)][-1] == "harmful"
    assert "harmful" not in [verdict(day, 0) for day in range(5, 12)][3:]
    assert "harmful" in [verdict(day, 0.2) for day in range(12, 15)]


def test_silence_after_a_promotion_is_told(world: World, use_case: UseCase, log_file: str) -> None:
    world.serve(0, world.rows(100))
    look(use_case, log_file, midnight(1))
    world.store.name_champion("f" * 64, 2)
    (found,) = look(use_case, log_file, midnight(3))
    assert (found.model_version, found.verdict, findings(found)) == (2, "warn", ["stale"])
    assert look(use_case, log_file, midnight(3) + (midnight(1) - midnight(0)) / 2) == []
    (found,) = look(use_case, log_file, midnight(4))
    assert found.reasons[0].figures["hours"] == pytest.approx(72, abs=3)


def test_a_group_that_gets_worse_is_seen_though_labels_of_all_are_few(
    world: World, use_case: UseCase, log_file: str
) -> None:
    for day in range(6):
        rows = world.rows(500)
        targets = world.targets(rows)
        wrong = (rows["colour"][:, 0] == COLOURS[1]) & (world.random.random(500) < 0.15)
        world.serve(day, rows, targets=np.where(wrong, 1 - targets, targets))
        (found,) = look(use_case, log_file, midnight(day + 1))
    worse = [reason.figures["slice"] for reason in found.reasons if reason.finding == "slice_costs_more"]
    assert worse == ["colour yellow"]


def test_rows_that_go_to_people_are_harm_without_a_label(world: World, use_case: UseCase, log_file: str) -> None:
    rows = world.rows(500)
    rows["weight"] = (rows["weight"] * 0.2).astype(np.float32)
    world.serve(0, rows, labels=False)
    (found,) = look(use_case, log_file, midnight(1))
    assert found.verdict == "harmful"
    assert "people_decide_more" in findings(found)


@pytest.mark.parametrize(("probes", "others"), [(60, 0), (90, 450), (4000, 60)])
def test_a_row_that_is_sent_again_and_again_is_no_harm(
    world: World, use_case: UseCase, log_file: str, probes: int, others: int
) -> None:
    """An uptime probe that the model is unsure of: it says of one row what it has said before."""
    probe = {"weight": np.full((probes, 1), 0.05, dtype=np.float32), "colour": np.full((probes, 1), "green", object)}
    for day in range(15):
        rows = world.rows(others)
        both = {name: np.concatenate([rows[name], column]) for name, column in probe.items()}
        world.serve(day, both, labels=False, at_once=probes + others)
        (found,) = look(use_case, log_file, midnight(day + 1))
        assert found.verdict == "warn"
        assert "outside_support" not in findings(found)


def test_labels_that_nobody_asked_for_are_left_out(world: World, use_case: UseCase, log_file: str) -> None:
    world.audit_share = 0.0
    rows = world.rows(500)
    world.serve(0, rows)
    (found,) = look(use_case, log_file, midnight(1))
    asked = found.labels
    unasked = [
        {"request_id": f"{0:08x}{start:024x}", "row": row, "label": '"no"', "right": None, "received_at": midnight(1)}
        for start in range(0, 500, 10)
        for row in range(10)
    ]
    world.log.add_labels(unasked)
    (again,) = look(use_case, log_file, midnight(2))
    assert again.labels == 500 - asked
    assert again.figures["errors"]["unasked_labels"] == again.labels
    assert again.figures["harm"]["labels"] == 0
    assert again.figures["yen_per_1000"]["seen"] is None


def test_short_windows_miss_nothing_and_count_nothing_twice(world: World, use_case: UseCase, log_file: str) -> None:
    world.serve(0, world.rows(241))
    hour = (midnight(1) - midnight(0)) / 24
    found = [one for number in range(24) for one in look(use_case, log_file, midnight(0) + hour * (number + 1))]
    assert [one.rows for one in found[:5]] == [20, 30, 40, 50, 10]
    enough = [one for one in found if one.rows >= 50]
    assert sum(one.rows for one in enough) + found[-1].rows * (found[-1] not in enough) == 241
    assert {one.verdict for one in found} == {"insufficient_data", "healthy"}
    audited = found[-1].figures["harm"]["labels"]
    assert 0 < audited < sum(one.labels for one in found) < 241


def test_a_look_that_broke_off_has_looked_at_nothing(world: World, use_case: UseCase, log_file: str) -> None:
    """Of two versions that answered, it would else be told of one, and the other's answers would never be looked at."""
    other = World(world.store, world.log, test_rows=1000)
    world.serve(0, world.rows(500))
    other.serve(1, other.rows(300))
    database = Database(log_file)
    with database.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER broken BEFORE INSERT ON looks WHEN EXISTS (SELECT * FROM looks) "
                "BEGIN SELECT RAISE(ABORT, 'as if the process was killed here'); END"
            )
        )
    with pytest.raises(IntegrityError):
        look(use_case, log_file, midnight(2))
    with database.begin() as connection:
        connection.execute(text("DROP TRIGGER broken"))
    database.close()
    assert sorted(one.rows for one in look(use_case, log_file, midnight(2))) == [300, 500]


def test_a_window_that_is_read_in_many_parts_is_read_once(
    world: World, use_case: UseCase, log_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("ROWS_AT_ONCE", 60), ("REQUESTS_AT_ONCE", 3), ("LABELS_AT_ONCE", 7)):
        monkeypatch.setattr(window, name, size)
    rows = world.rows(503)
    world.serve(0, rows)
    (found,) = look(use_case, log_file, midnight(1))
    machine = world.decider(world.outputs(rows)).by_machine
    assert found.rows == 503
    assert found.figures["machine_share"] == pytest.approx(machine.mean())
    assert 0 < found.figures["harm"]["labels"] < machine.sum()
    assert found.labels == (~machine).sum() + found.figures["harm"]["labels"]


def test_a_label_that_was_corrected_counts_once(log_file: str, use_case: UseCase) -> None:
    world = World(Store.of(TOY), PredictionLog(log_file), audit_share=1.0)
    world.serve(0, world.rows(100))
    (before,) = look(use_case, log_file, midnight(1))
    assert before.labels == 100
    row = {"request_id": f"{0:08x}{0:024x}", "row": 0, "right": None, "received_at": midnight(1)}
    corrected = [world.log.add_labels([{**row, "label": label}], [0])[0].name for label in ('"no"', '"yes"')]
    assert "corrected" in corrected
    (found,) = look(use_case, log_file, midnight(2))
    assert found.figures["harm"]["labels"] == before.figures["harm"]["labels"]


def corrected(world: World, day: int, row: int, label: str, received_at: datetime) -> None:
    """What was said of a row that was served alone with nine others is replaced."""
    place = {"request_id": f"{day:08x}{row - row % 10:024x}", "row": row % 10}
    said = {**place, "label": f'"{label}"', "right": None, "received_at": received_at}
    assert world.log.add_labels([said], [0])[0].name == "corrected"


def test_a_correction_does_not_bring_back_an_alarm_that_was_over(log_file: str, use_case: UseCase) -> None:
    world = World(Store.of(TOY), PredictionLog(log_file), audit_share=1.0)

    def verdict(day: int, error_rate: float) -> str:
        rows = world.rows(200)
        targets = world.targets(rows)
        wrong = world.random.random(200) < error_rate
        labelled[day] = np.where(wrong, 1 - targets, targets)
        world.serve(day, rows, targets=labelled[day])
        return look(use_case, log_file, midnight(day + 1))[0].verdict

    labelled: dict[int, Array] = {}
    assert [verdict(day, 0.2) for day in range(2)][-1] == "harmful"
    assert [verdict(day, 0) for day in range(2, 6)][-1] == "healthy"
    kept = Looks(log_file)
    before = kept.last()[0].figures["harm"]
    kept.close()
    corrected(world, 5, 0, OUTPUT.classes[1 - labelled[5][0]], midnight(6))
    (found,) = look(use_case, log_file, midnight(7))
    assert found.verdict != "harmful"
    assert found.figures["harm"]["labels"] == before["labels"]
    assert found.figures["harm"]["evidence"] < 10 * before["evidence"]


def test_a_correction_does_not_bring_back_an_alarm_that_came_and_went_in_a_day(
    log_file: str, use_case: UseCase
) -> None:
    world = World(Store.of(TOY), PredictionLog(log_file), audit_share=1.0)
    rows = world.rows(1200)
    targets = world.targets(rows)
    wrong = (world.random.random(1200) < 0.3) & (np.arange(1200) < 200)
    world.serve(0, rows, targets=np.where(wrong, 1 - targets, targets))
    hours = [midnight(0) + timedelta(hours=hour + 1) for hour in range(24)]
    verdicts = [one.verdict for hour in hours for one in look(use_case, log_file, hour)]
    assert "harmful" in verdicts[:6]
    assert "harmful" not in verdicts[12:]
    corrected(world, 0, 1199, OUTPUT.classes[1 - targets[1199]], midnight(1))
    (found,) = look(use_case, log_file, midnight(2))
    assert found.verdict != "harmful"


def test_a_correction_leaves_the_figures_of_the_window_to_its_own_labels(log_file: str, use_case: UseCase) -> None:
    world = World(Store.of(TOY), PredictionLog(log_file), audit_share=1.0)
    world.serve(0, world.rows(500))
    look(use_case, log_file, midnight(1))
    world.serve(1, world.rows(100))
    corrected(world, 0, 0, "no", midnight(1) + timedelta(hours=1))
    (found,) = look(use_case, log_file, midnight(2))
    assert found.rows == 100
    assert found.labels == 101
    assert found.figures["quality"]["seen"]["labels"] == 101
    assert found.figures["harm"]["labels"] > 101


def test_wrong_labels_that_are_corrected_are_harm_no_more(log_file: str, use_case: UseCase) -> None:
    world = World(Store.of(TOY), PredictionLog(log_file), audit_share=1.0)
    rows = world.rows(300)
    targets = world.targets(rows)
    world.serve(0, rows, targets=1 - targets)
    assert look(use_case, log_file, midnight(1))[0].verdict == "harmful"
    place = {"right": None, "received_at": midnight(1)}
    labels = [
        place | {"request_id": f"{0:08x}{number - number % 10:024x}", "row": number % 10, "label": f'"{label}"'}
        for number, label in enumerate(np.array(["no", "yes"])[targets])
    ]
    assert {outcome.name for outcome in world.log.add_labels(labels, range(300))} == {"corrected"}
    (found,) = look(use_case, log_file, midnight(2))
    assert found.verdict != "harmful"
    assert found.figures["harm"]["evidence"] < 100


def test_what_is_unlike_training_makes_the_estimate_untrusted(world: World, use_case: UseCase, log_file: str) -> None:
    world.serve(0, world.rows(500, shift=8))
    (found,) = look(use_case, log_file, midnight(1))
    assert {"outside_support", "outside"} <= set(findings(found))
    assert not found.figures["yen_per_1000"]["estimated"]["trusted"]


def test_a_model_that_nobody_asks_is_said_to_be_stale_each_day(world: World, use_case: UseCase, log_file: str) -> None:
    world.serve(0, world.rows(100))
    look(use_case, log_file, midnight(1))
    world.store.name_champion(world.digest, 1)
    assert look(use_case, log_file, midnight(1) + (midnight(1) - midnight(0)) / 2) == []
    for day in (3, 4):
        (found,) = look(use_case, log_file, midnight(day))
        assert (found.verdict, findings(found)) == ("warn", ["stale"])
        assert found.reasons[0].figures["hours"] == pytest.approx(24 * (day - 1), abs=3)
        assert look(use_case, log_file, midnight(day) + (midnight(1) - midnight(0)) / 2) == []
    world.serve(5, world.rows(100))
    (found,) = look(use_case, log_file, midnight(6))
    assert found.start == midnight(1)


def test_a_day_with_half_the_rows_of_any_before_is_told(world: World, use_case: UseCase, log_file: str) -> None:
    for day in range(9):
        world.serve(day, world.rows(200 if day == 8 else 600))
        (found,) = look(use_case, log_file, midnight(day + 1))
    assert found.verdict == "warn"
    assert "volume_fell" in findings(found)


def test_a_change_of_volume_is_told_of_what_is_served_though_a_label_comes_for_a_later_version(
    world: World, use_case: UseCase, log_file: str
) -> None:
    later = World(world.store, world.log, version=2)
    later.serve(0, later.rows(600), labels=False)
    world.store.name_champion(world.digest, world.version)
    for day in range(1, 10):
        world.serve(day, world.rows(200 if day == 9 else 600))
        if day == 9:
            row = {"request_id": f"{0:08x}{0:024x}", "row": 0, "label": '"no"', "right": None}
            world.log.add_labels([{**row, "received_at": midnight(9)}])
        found = look(use_case, log_file, midnight(day + 1))
    assert [(one.model_version, "volume_fell" in findings(one)) for one in found] == [(2, False), (1, True)]


def test_a_look_of_a_clock_that_was_ahead_hides_nothing(world: World, use_case: UseCase, log_file: str) -> None:
    world.serve(0, world.rows(100))
    (before,) = look(use_case, log_file, midnight(1))
    ahead = datetime.now(UTC) + timedelta(days=365)
    kept = Looks(log_file)
    kept.add(replace(before, start=midnight(1), end=ahead, looked_at=ahead, look_id="ahead", verdict="harmful"))
    world.serve(1, world.rows(100))
    (found,) = look(use_case, log_file, midnight(2))
    assert (found.start, found.rows) == (midnight(1), 100)
    assert kept.last() == [found]
    assert kept.wanted(world.digest) is None
    kept.close()


def test_what_labels_said_stands_while_the_bundle_is_away(world: World, use_case: UseCase, log_file: str) -> None:
    folder, away = world.store.bundle_folder(world.digest), world.store.folder / "away"
    counts = []
    for day in range(3):
        world.serve(day, world.rows(200))
        if day == 1:
            folder.rename(away)
        (found,) = look(use_case, log_file, midnight(day + 1))
        if day == 1:
            assert findings(found) == ["bundle_gone"]
            away.rename(folder)
        counts.append(found.figures["harm"]["labels"])
    assert counts[2] > counts[0] > 0


def test_evidence_of_a_version_that_made_other_bets_is_begun_anew(
    world: World, use_case: UseCase, log_file: str
) -> None:
    world.serve(0, world.rows(100))
    (before,) = look(use_case, log_file, midnight(1))
    state = before.figures["state"]
    state["share"]["money"] = state["labels"]["whole"]["money"] = [0.5, 0.5]
    kept = Looks(log_file)
    kept.add(replace(before, look_id="earlier", looked_at=datetime.now(UTC)))
    kept.close()
    world.serve(1, world.rows(100))
    (found,) = look(use_case, log_file, midnight(2))
    assert 0 < found.figures["harm"]["labels"] < 100


def test_a_group_that_is_named_by_a_number_is_found_again(world: World) -> None:
    """The test rows have it in double precision, and requests in single."""
    promise = world.manifest.promise
    assert promise is not None
    by_slice = {"weight": {"0.1": ((0.0, 10),)}}
    manifest = world.manifest.model_copy(update={"promise": promise.model_copy(update={"by_slice": by_slice})})
    request = {"inputs": '{"weight": [[0.1]], "colour": [["green"]]}', "outputs": "[[0, 1]]", "by_machine": "[true]"}
    outcome = Outcome(manifest)
    label = {"request_id": "a" * 32, "row": 0, "label": '"no"', "received_at": midnight(0)}
    outcome.add([{**label, "request": {**request, "asked": "[0.5]"}}])
    assert [list(costs.by_slice) for costs in outcome.costs.values()] == [[("weight", "0.1")]]
