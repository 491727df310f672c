"""On made answers to made rows: what the gate lets through, what it refuses, and the reason that it gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import SplitRule
from portfolio.bundle.policy import Policy
from portfolio.contract.config import Config
from portfolio.contract.loading import load_use_case
from portfolio.core.types import Array
from portfolio.data.dataset import Split
from portfolio.evaluation import gate
from portfolio.evaluation.gate import Verdict
from tests.tiny import tiny_bundle
from tests.workspace import edit_config

ROWS = 400
TARGETS = np.arange(ROWS) % 2


class Answers(Bundle):
    """A real bundle, whose answers to the test rows are given."""

    answers: Array

    def predict(self, inputs: dict[str, Array]) -> Array:
        return self.answers[: len(next(iter(inputs.values())))]


Model = Callable[..., Answers]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model that is wrong, and sure of it, on the given rows."""

    def build(wrong: Any = (), **manifest: Any) -> Answers:
        bundle = tiny_bundle(tmp_path / "bundle")
        changed = bundle.manifest.model_copy(update=manifest)
        built = Answers(bundle.folder, changed, bundle.digest, bundle.model_bytes, bundle._session)
        right = np.ones(ROWS, dtype=bool)
        right[list(wrong)] = False
        chosen = np.where(right, TARGETS, 1 - TARGETS)
        built.answers = np.where(chosen[:, None] == [0, 1], 0.95, 0.05).astype(np.float32)
        return built

    return build


@pytest.fixture
def config(workspace: Path) -> Config:
    edit_config("toy", value={"by_hand_yen": 6, "check_yen": 2, "error_yen": 200})
    return load_use_case("toy").config()


@pytest.fixture
def judge(config: Config, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    ripe = pl.Series(TARGETS).replace_strict({0: "false", 1: "true"})
    batches = ["2026-01-05"] * 350 + ["2026-01-06"] * 50
    rows = pl.DataFrame({"melon": [f"melon-{row}" for row in range(ROWS)], "batch": batches, "ripe": ripe})
    test = Split({"pixels": np.zeros((ROWS, 4), dtype=np.float32)}, TARGETS, rows)
    monkeypatch.setattr(gate, "load_split", lambda case, name: test)
    return lambda old, new, earlier=(): gate.judge(
        load_use_case("toy"), load_use_case("toy").config(), old, new, earlier
    )


def failed(verdict: Verdict) -> list[str]:
    assert verdict.promoted == all(check.passed for check in verdict.checks)
    return [check.name for check in verdict.checks if not check.passed]


def test_the_first_model_is_compared_with_doing_all_by_hand(judge: Any, model: Model) -> None:
    verdict = judge(None, model())
    assert verdict.promoted
    # All right, and all by machine: each saves the 6 yen that it costs by hand. In 400 rows without an error, the error
    # rate may still be 0.9% (Clopper and Pearson), and an error costs 200 yen.
    assert (
        "+6,000 yen per 1,000 items (+4,201 to +6,000) compared with doing everything by hand (checking "
        "every answer: +4,000), on 400 test rows" in verdict.reason
    )


def test_a_first_model_that_costs_more_than_it_saves_is_refused(judge: Any, model: Model) -> None:
    assert failed(judge(None, model(range(0, ROWS, 5)))) == ["value"]


def test_better_by_more_than_noise_is_let_through(judge: Any, model: Model) -> None:
    assert judge(model(range(40)), model(range(5))).promoted


@pytest.mark.parametrize("worse_by", [0, 1, 40])
def test_equal_and_worse_are_refused(judge: Any, model: Model, worse_by: int) -> None:
    verdict = judge(model(range(40)), model(range(40 + worse_by)))
    assert "value" in failed(verdict)
    assert "not better than the champion by more than noise" in verdict.reason


def test_better_by_no_more_than_noise_is_refused(judge: Any, model: Model) -> None:
    """One mistake less out of 400 rows could be luck."""
    assert failed(judge(model(range(40)), model(range(39)))) == ["value"]


def test_better_as_a_whole_and_worse_on_a_slice_is_refused_by_name(judge: Any, model: Model) -> None:
    """The newest batch, of 50 rows, pays for the others."""
    verdict = judge(model(range(100)), model(range(350, 380)))
    assert failed(verdict) == ["slices"]
    assert verdict.reason.startswith("worse on batch 2026-01-06 (-")


def test_fresh_rows_come_first(judge: Any, model: Model) -> None:
    """The last 50 rows came after the champion was trained. What is gained there is lost among all rows."""
    noise = set(range(0, 340, 20))
    old, new = noise | set(range(352, 360)), {row + 2 for row in noise}
    trained = {"batches": ("2026-01-05",)}
    assert failed(judge(model(old), model(new))) == ["value"]
    verdict = judge(model(old, **trained), model(new))
    assert verdict.promoted
    assert "on 50 test rows that came after the champion was trained: better than the champion (" in verdict.reason
    (value,) = [check for check in verdict.checks if check.name == "value"]
    assert value.figures["rows"] == ROWS
    assert value.figures["alpha"] == pytest.approx(gate.alpha(50, []) / 2)


def test_what_is_not_seen_on_fresh_rows_may_be_seen_on_all(judge: Any, model: Model) -> None:
    verdict = judge(model(range(40), batches=("2026-01-05",)), model(range(5)))
    assert verdict.promoted
    assert "on 400 test rows: better than the champion (" in verdict.reason


def test_too_few_fresh_rows_are_no_test_of_their_own(judge: Any, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MIN_FRESH", 51)
    verdict = judge(model(range(352, 372), batches=("2026-01-05",)), model())
    (value,) = [check for check in verdict.checks if check.name == "value"]
    assert value.figures["alpha"] == pytest.approx(gate.alpha(ROWS, []))
    refused = judge(model(range(352, 354), batches=("2026-01-05",)), model())
    assert failed(refused) == ["value"]
    assert "Only 50 of these rows came after the champion was trained; 51 are needed" in refused.reason


def test_an_answer_that_is_no_number_is_refused(judge: Any, model: Model) -> None:
    broken = model()
    broken.answers[7, 1] = np.nan
    verdict = judge(model(range(40)), broken)
    assert failed(verdict) == ["finite answers"]
    assert "no finite answer for 1 of 400 test rows" in verdict.reason


def test_other_fields_are_refused_with_the_remedy(judge: Any, model: Model) -> None:
    old = model(range(40))
    (field,) = old.manifest.inputs
    new = model(inputs=(field.model_copy(update={"name": "ink"}),))
    verdict = judge(old, new)
    assert failed(verdict) == ["fields"]
    assert "ink, pixels differ" in verdict.reason
    assert "--force" in verdict.reason


@pytest.mark.parametrize(("bound", "name"), [("max_latency_ms", "latency"), ("max_model_mb", "size")])
def test_a_model_that_is_too_slow_or_too_large_is_refused(judge: Any, model: Model, bound: str, name: str) -> None:
    edit_config("toy", gate={bound: 1e-9})
    verdict = judge(model(range(40)), model())
    assert failed(verdict) == [name]
    assert "the limit is" in verdict.reason


def test_each_is_judged_under_its_own_policy(judge: Any, model: Model, config: Config) -> None:
    """The same model, which a person now checks: without its 45 mistakes it is worth more."""
    asks = Policy(prices=config.value.prices)
    verdict = judge(model(range(0, ROWS, 9), policy=None), model(range(0, ROWS, 9), policy=asks))
    assert verdict.promoted
    # 45 mistakes of 200 yen on 400 rows saved, for 400 checks of 2 yen.
    assert "+20,500 yen per 1,000 items" in verdict.reason


def test_all_tries_against_one_champion_share_one_error_rate() -> None:
    """Whatever comes, new rows or the same ones: the shares never add up to more than 5%."""
    for rows in (
        [400] * 3000,
        [272 + 84 * week for week in range(3000)],
        [100 * 2**doubling for doubling in range(40)],
        *np.random.default_rng(0).integers(1, 3000, size=(20, 60)).tolist(),
    ):
        shares = [gate.alpha(count, rows[:number]) for number, count in enumerate(rows[:300])]
        assert all(share > 0 for share in shares)
        assert sum(shares) < gate.ALPHA


def test_fresh_rows_open_a_new_round() -> None:
    worn = gate.alpha(400, [400] * 20)
    assert gate.alpha(799, [400] * 20) == worn
    assert gate.alpha(800, [400] * 20) > 50 * worn
    # The first judgement of all has the largest share.
    assert gate.alpha(400, []) > gate.alpha(800, [400] * 20)


def test_what_was_enough_at_first_is_not_enough_after_many_tries(judge: Any, model: Model) -> None:
    old, new = model(range(40)), model(range(28))
    assert judge(old, new).promoted
    worn = judge(old, new, earlier=[ROWS] * 30)
    assert failed(worn) == ["value"]
    assert "the limit of try 31 is" in worn.reason


def test_one_row_of_a_slice_is_not_enough_to_call_it_worse(judge: Any, model: Model) -> None:
    """And the verdict says how many are."""
    verdict = judge(model(range(100)), model([*range(5), 399]))
    assert verdict.promoted
    (slices,) = [check for check in verdict.checks if check.name == "slices"]
    assert "fewer than" in slices.told("en")
    assert "more errors in a slice can't be told from noise" in slices.told("en")


def test_nobody_is_judged_on_rows_that_either_was_trained_on(judge: Any, model: Model) -> None:
    """With a smaller test fraction than today's, part of today's test rows were the champion's training rows."""
    whole, half = (SplitRule(test_fraction=share, val_fraction=0.001, key="melon") for share in (0.89, 0.45))
    old, new = model(range(40), split=half), model(range(5), split=whole)
    (value,) = [check for check in judge(old, new).checks if check.name == "value"]
    assert 0.35 * ROWS < value.figures["rows"] < 0.55 * ROWS
    # The identity of a row was another one: which rows it saw can't be told.
    gone = judge(model(range(40), split=half.model_copy(update={"key": "crate"})), new)
    assert failed(gone) == ["unseen rows"]
    assert "promote by hand with --force" in gone.reason


def test_a_verdict_of_an_earlier_version_can_be_told() -> None:
    """What it lacks is shown as unknown; it is not a reason for the report, or the next run, to fail."""
    figures = {"mean": 12.0, "low": 1.0, "high": 20.0, "checking_all": 4.0, "rows": 10, "tries": 1}
    checks = [
        {"name": "value", "passed": False, "finding": "not_better_than_champion", "figures": figures},
        {"name": "old", "passed": False, "finding": "a_finding_that_is_gone", "figures": {}},
    ]
    verdict = Verdict.from_dict({"checks": checks})
    assert "+12 yen per 1,000 items" in verdict.reason
    assert "p = ?; the limit of try 1 is ?" in verdict.reason
    assert verdict.reason.endswith("a finding that is gone")
    assert "p = ?" in verdict.told("ja")
