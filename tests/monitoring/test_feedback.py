"""Labels that came back become a batch, once; what speaks against some of them is told, and those are quarantined."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from portfolio.cli.main import app
from portfolio.contract.loading import load_use_case
from portfolio.contract.targets import Classes, Quantity
from portfolio.core.errors import DataError
from portfolio.core.paths import Paths
from portfolio.data.batches import FAIR
from portfolio.monitoring.feedback import Taken, refuse, take_feedback, waiting_labels
from tests.checkouts import make_repository
from tests.monitoring.answered import NOBODY, PERSON, START, Answered, address, bundle_in_store
from tests.workspace import TOY, collect, edit_config, run_stage

PATHS = Paths(TOY)


@pytest.fixture
def answered(workspace: Path, tmp_path: Path) -> Iterator[Answered]:
    log = Answered(bundle_in_store(tmp_path / "bundle"))
    yield log
    log.close()


def take() -> Taken:
    case = load_use_case(TOY)
    return take_feedback(case, case.config().retrain, address(), PATHS.batches)


def melons(count: int, first: float = 2.1) -> list[tuple[float | None, str]]:
    return [(first + number / 1000, "yellow") for number in range(count)]


def quarantined() -> dict[str, int]:
    """The reasons of the rows in quarantine, with their numbers."""
    frames = [pl.read_parquet(path, columns=["reason"]) for path in PATHS.quarantine.glob("*.parquet")]
    return dict(pl.concat(frames)["reason"].value_counts().iter_rows()) if frames else {}


def clean_feedback() -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(PATHS.clean.glob("*-feedback-*.parquet"))])


def test_labels_become_rows_as_the_data_have_them(answered: Answered) -> None:
    collect(TOY)
    (one,) = answered.add([(2.5, "yellow")], ["ripe"])
    (other,) = answered.add([(None, "green")], ["unripe"], ripe=0.4, asked=PERSON)
    answered.add([(1.0, "green")], ["ripe"], asked=NOBODY)
    taken = take()
    assert (taken.rows, taken.refused) == (2, 0)
    assert taken.notes == ["labels that nobody had asked for, which are left out: 1"]
    run_stage("validate", TOY)
    assert set(clean_feedback().drop(FAIR).rows()) == {
        (f"{one}-0", 2.5, "yellow", "true"),
        (f"{other}-0", None, "green", "false"),
    }
    run_stage("prepare", TOY)
    rows = pl.concat([pl.read_parquet(path) for path in PATHS.splits.glob("*.parquet")])
    assert rows["batch"].str.contains("-feedback-001").sum() == 2


def test_each_label_is_taken_once_and_a_later_correction_is_told(answered: Answered) -> None:
    first, second = answered.add(melons(2), ["ripe", "ripe"])
    assert take().rows == 2
    assert take().path is None
    answered.correct(first, "unripe")
    answered.add(melons(1, 2.9), ["ripe"])
    taken = take()
    assert taken.path is not None
    assert taken.path.stem.endswith("-feedback-002")
    assert taken.rows == 1
    assert "labels that were corrected after a batch had them: 1" in taken.notes[0]
    assert second not in taken.notes[0]


def test_labels_wait_until_a_batch_has_them(answered: Answered) -> None:
    case = load_use_case(TOY)

    def waiting() -> int:
        return waiting_labels(case, address(), PATHS.batches)

    answered.add(melons(3), ["ripe"] * 3)
    answered.add(melons(4, 2.2), ["ripe"] * 4, asked=NOBODY)
    assert waiting() == 3
    take()
    assert waiting() == 0
    # Of before the batch by the clock of another server.
    answered.add(melons(1, 2.5), ["ripe"], at=START + timedelta(minutes=1, seconds=30))
    answered.add(melons(2, 2.9), ["ripe"] * 2, at=START + timedelta(hours=1))
    assert waiting() == 3
    assert take().rows == 3
    assert waiting() == 0


def test_the_labels_of_a_batch_that_was_deleted_are_taken_again_and_no_other_batch_is_touched(
    answered: Answered,
) -> None:
    batches = []
    for first in (2.1, 2.5):
        answered.add(melons(2, first), ["ripe", "ripe"])
        batches.append(take().path)
    deleted, kept = batches
    assert deleted is not None
    assert kept is not None
    labels, content = pl.read_parquet(deleted), kept.read_bytes()
    deleted.unlink()
    again = take().path
    assert again is not None
    assert again not in batches
    assert pl.read_parquet(again).equals(labels)
    assert kept.read_bytes() == content


def test_labels_that_contradict_each_other_are_quarantined(answered: Answered) -> None:
    collect(TOY)
    answered.add([(2.1234, "yellow")] * 2 + melons(10, 2.2), ["ripe", "unripe"] + ["ripe"] * 10)
    assert take().refused == 2
    run_stage("validate", TOY)
    assert quarantined() == {"the same inputs have 2 different labels": 2}
    assert len(clean_feedback()) == 10


def test_of_a_flood_one_row_is_kept_also_across_batches(answered: Answered) -> None:
    collect(TOY)
    edit_config(TOY, validate={"min_rows": 500})
    answered.add([(2.1234, "yellow")] * 400 + melons(3, 2.2), ["ripe"] * 403, request_id="a" * 32)
    taken = take()
    assert taken.refused == 399
    answered.add([(2.1234, "yellow")], ["ripe"])
    assert take().refused == 1
    run_stage("validate", TOY)
    assert len(clean_feedback()) == 4
    assert sum(quarantined().values()) == 400


def test_what_the_source_repeats_too_may_come_back_as_often(answered: Answered) -> None:
    """One melon in ten has no weight, and of those some are ripe and some are not."""
    collect(TOY)
    answered.add([(None, "yellow")] * 5 + melons(50, 2.2), ["ripe", "unripe"] * 2 + ["ripe"] * 51)
    assert take().refused == 0
    answered.add([(None, "yellow")] * 80, ["ripe"] * 80)
    assert 40 < take().refused < 80


def test_labels_against_certain_answers_are_told_with_figures(answered: Answered) -> None:
    answered.add(melons(100), ["ripe"] * 80 + ["unripe"] * 20)
    (note,) = take().notes
    assert note.startswith(
        "of what the machine answered alone: 20 of 100 labels contradict an answer of at least 90% certainty on "
        "familiar inputs; 5.0 would be expected"
    )


def test_what_people_say_is_looked_at_apart(answered: Answered) -> None:
    """A reviewer may mistake the buttons, while what is audited is right."""
    answered.add(melons(40), ["ripe"] * 40)
    answered.add(melons(60, 2.3), ["unripe"] * 60, asked=PERSON)
    taken = take()
    assert taken.refused == 60
    assert "of what people decided: 60 of 60 labels contradict an answer" in taken.notes[0]


def test_as_many_contradictions_as_calibration_allows_are_no_news(answered: Answered) -> None:
    answered.add(melons(100), ["ripe"] * 93 + ["unripe"] * 7)
    assert take().notes == []


def test_labels_that_are_turned_round_are_not_learned_from(answered: Answered) -> None:
    collect(TOY)
    answered.add(melons(60), ["ripe"] * 20 + ["unripe"] * 40)
    assert take().refused == 60
    run_stage("validate", TOY)
    assert not list(PATHS.clean.glob("*-feedback-*"))
    ((reason, count),) = quarantined().items()
    assert count == 60
    assert "40 of 60 labels contradict" in reason
    assert "retrain.max_contradicted" in reason
    # The remedy that it names.
    for path in PATHS.batches.glob("*-feedback-*"):
        path.unlink()
    edit_config(TOY, retrain={"max_contradicted": 1})
    assert (take().rows, take().path) == (60, None)


def test_a_batch_that_turned_out_to_be_wrong_is_refused_for_good(answered: Answered) -> None:
    collect(TOY)
    answered.add(melons(5), ["ripe"] * 5)
    batch = take().path
    assert batch is not None
    answered.add(melons(3, 2.5), ["ripe"] * 3)
    take()
    case = load_use_case(TOY)
    with pytest.raises(DataError, match=f"no batch of labels 'mine'. The newest are: {batch.stem}, "):
        refuse(case, PATHS.batches, "mine", "a mistake")
    make_repository(Path.cwd())
    told = CliRunner().invoke(app, ["refuse", TOY, batch.stem, "--because", "a colleague mixed up the buttons"])
    assert "Refused: 5 rows" in told.output, told.output
    run_stage("validate", TOY)
    assert quarantined() == {"a colleague mixed up the buttons": 5}
    assert len(clean_feedback()) == 3
    assert take().path is None


def test_errors_on_inputs_that_the_model_has_never_seen_are_its_own(answered: Answered) -> None:
    """It is they for which it must be trained again."""
    answered.add(melons(60, 5), ["unripe"] * 60)
    taken = take()
    assert (taken.rows, taken.refused, taken.notes) == (60, 0, [])


def test_one_bad_row_does_not_cost_the_labels_of_others(answered: Answered) -> None:
    collect(TOY)
    answered.add([(12.0, "yellow"), *melons(4)], ["ripe"] * 5)
    take()
    run_stage("validate", TOY)
    assert list(quarantined().values()) == [1], quarantined()
    assert len(clean_feedback()) == 4


def test_a_burst_is_told(answered: Answered) -> None:
    answered.add(melons(20), ["ripe"] * 20)
    answered.add(melons(80, 2.3), ["ripe"] * 80, request_id="b" * 32)
    assert take().notes == [
        "a burst: 81 of 100 labels came within one minute",
        "a burst: 80 of 100 labels are of one request",
    ]


def test_answers_of_another_use_case_in_the_same_database_are_left_alone(answered: Answered) -> None:
    other = Answered("f" * 64)
    other.add(melons(3), ["ripe"] * 3)
    other.close()
    taken = take()
    assert taken.path is None
    assert "isn't in the store, left out: 3" in taken.notes[0]


def test_labels_of_classes_that_are_named_anew_are_those_of_the_model_that_answered(
    answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(TOY)
    answered.add(melons(2), ["ripe", "unripe"])
    take()
    monkeypatch.setattr(type(load_use_case(TOY)), "target", Classes("ripe", {False: "未熟", True: "完熟"}))
    (later,) = answered.add(melons(1, 2.9), ["ripe"])
    taken = take()
    assert (taken.rows, taken.refused, taken.notes) == (1, 0, [])
    run_stage("validate", TOY)
    assert (f"{later}-0", "true") in clean_feedback().select("melon", "ripe").rows()
    assert quarantined() == {}


@pytest.mark.parametrize("target", [Quantity("ripe", 0, 1), Classes("good", {False: "unripe", True: "ripe"})])
def test_labels_of_another_target_are_left_out(
    answered: Answered, monkeypatch: pytest.MonkeyPatch, target: Classes | Quantity
) -> None:
    """Whoever said whether a melon is ripe has not said what it costs, or whether it is good."""
    answered.add(melons(2), ["ripe", "unripe"])
    take()
    answered.add(melons(3, 2.5), ["ripe"] * 3)
    case = type(load_use_case(TOY))
    monkeypatch.setattr(case, "target", target)
    monkeypatch.setattr(case, "metric", "")
    edit_config(TOY, value={"tolerance": 0.1} if isinstance(target, Quantity) else {})
    taken = take()
    assert taken.path is None
    assert taken.notes == ["labels of answers by a model of another target, left out: 5"]
    assert waiting_labels(load_use_case(TOY), address(), PATHS.batches) == 0


def test_a_batch_that_lacks_the_key_of_now_is_not_called_damaged(
    answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered.add(melons(2), ["ripe", "unripe"])
    path = take().path
    assert path is not None
    monkeypatch.setattr(load_use_case(TOY).source, "key", "fruit")
    with pytest.raises(DataError, match=r"Every batch of 'toy' is bad\. Most common:\n  .*fruit"):
        run_stage("validate", TOY)
    with pytest.raises(DataError, match=r"lacks the column fruit.*Delete it, and its labels are taken again"):
        take()
    path.unlink()
    assert take().rows == 2


def test_a_damaged_batch_is_named_with_what_brings_it_back(answered: Answered) -> None:
    collect(TOY)
    answered.add(melons(3), ["ripe"] * 3)
    path = take().path
    assert path is not None
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="dvc checkout"):
        run_stage("validate", TOY)
    with pytest.raises(DataError, match="dvc checkout"):
        take()


def test_only_a_fair_sample_is_used_to_judge_models(answered: Answered) -> None:
    """Audited answers all are; of those that a person was asked about anyway, as small a share as was audited."""
    collect(TOY)
    audited = answered.add(melons(50), ["ripe"] * 50)
    answered.add(melons(200, 1.1), ["unripe"] * 200, ripe=0.4, asked=PERSON)
    take()
    run_stage("validate", TOY)
    fair = clean_feedback().filter(FAIR)["melon"]
    assert {f"{one}-0" for one in audited} <= set(fair)
    assert len(fair) < 50 + 20
    run_stage("prepare", TOY)
    splits = {path.stem: pl.read_parquet(path) for path in PATHS.splits.glob("*.parquet")}
    back = pl.col("batch").str.contains("-feedback-")
    judged = {*splits["val"].filter(back)["melon"], *splits["test"].filter(back)["melon"]}
    assert judged
    assert judged <= set(fair)
    assert splits["train"].filter(back).height + len(judged) == 250
    assert FAIR not in splits["train"].columns
