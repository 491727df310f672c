"""The decision is the action of least expected cost, for one row as for many, and whatever the errors cost."""

from __future__ import annotations

import numpy as np
import pytest

from portfolio.bundle.policy import Decider, Policy, Prices, half_widths, levels

CLASSES = ("stays", "leaves")
RATIOS = tuple(np.linspace(0.1, 3, 9))


def policy(error_yen: object, tolerance: float | None = None) -> Policy:
    return Policy(prices=Prices(by_hand_yen=10, check_yen=4, error_yen=error_yen), tolerance=tolerance)  # type: ignore[arg-type]


def test_the_machine_answers_where_an_error_is_expected_to_cost_no_more_than_a_check() -> None:
    found = Decider(policy(40), CLASSES, ())(np.array([[0.95, 0.05], [0.85, 0.15], [0.02, 0.98]]))
    assert found.answers.tolist() == [0, 0, 1]
    assert found.error_yen == pytest.approx([2, 6, 0.8])
    assert found.by_machine.tolist() == [True, False, True]


def test_the_answer_that_costs_least_need_not_be_the_most_probable_one() -> None:
    """To miss a customer who leaves costs 40 times what a needless offer does."""
    decide = Decider(policy({"leaves": 200, "stays": {"leaves": 5}}), CLASSES, ())
    found = decide(np.array([[0.9, 0.1], [0.99, 0.01]]))
    assert found.answers.tolist() == [1, 0]
    assert found.error_yen == pytest.approx([0.9 * 5, 0.01 * 200])
    assert found.by_machine.tolist() == [False, True]
    assert found.certainty == pytest.approx([0.1, 0.99])


def test_a_value_is_answered_where_its_interval_is_narrow_enough() -> None:
    decide = Decider(policy(40, tolerance=20.0), (), RATIOS)
    scales = np.array([5.0, 8.0, 20.0, 1000.0])
    found = decide(np.column_stack([[100, 100, 100, 100], scales]))
    # A check costs a tenth of an error, so the 90% interval must lie within the tolerance.
    half = half_widths(np.column_stack([[100] * 4, scales]), RATIOS, level=0.9)
    assert found.by_machine.tolist() == (half <= 20).tolist()
    assert found.certainty[-1] == pytest.approx(0)
    assert (np.diff(found.certainty) <= 0).all()


def test_no_interval_is_said_to_cover_more_than_its_rows_can_show() -> None:
    """Of n errors the largest covers n of the next n + 1, and no more can be said."""
    found = Decider(policy(40, tolerance=1e9), (), RATIOS)(np.array([[1.0, 1.0]]))
    assert found.certainty == pytest.approx([len(RATIOS) / (len(RATIOS) + 1)])
    assert levels(9) == pytest.approx(np.arange(0.1, 1, 0.1))


@pytest.mark.parametrize(
    ("decide", "outputs"),
    [
        (Decider(policy(40), CLASSES, ()), np.random.default_rng(0).dirichlet([1, 1], 200)),
        (Decider(policy({"leaves": 200, "stays": 5}), CLASSES, ()), np.random.default_rng(0).dirichlet([1, 1], 200)),
        (Decider(policy(40, tolerance=2.0), (), RATIOS), np.random.default_rng(0).random((200, 2)) + 0.1),
        (Decider(None, CLASSES, ()), np.random.default_rng(0).dirichlet([1, 1], 200)),
    ],
    ids=["one price", "prices by class", "a value", "no policy"],
)
def test_a_row_is_decided_alike_alone_and_among_others(decide: Decider, outputs: np.ndarray) -> None:
    outputs = outputs.astype(np.float32)
    alone = [decide.row(row) for row in outputs.tolist()]
    together = zip(*(column.tolist() for column in decide(outputs)), strict=True)
    assert alone == list(together)


def test_without_a_policy_the_machine_answers_all() -> None:
    assert Decider(None, CLASSES, ())(np.array([[0.5, 0.5]])).by_machine.all()
