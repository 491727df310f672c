"""Against cases that were worked out by hand."""

from math import log, sqrt

import numpy as np
import pytest

from portfolio.bundle.manifest import METRICS, ORDERED_METRICS, Output
from portfolio.evaluation.metrics import from_means, precision_recall, row_statistics, score
from portfolio.evaluation.statistics import resampled_means

THREE = Output(task="classification", name="letter", classes=("a", "b", "c"))
TWO = Output(task="classification", name="side", classes=("left", "right"))
VALUE = Output(task="regression", name="price")


def test_classification() -> None:
    targets = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.1, 0.2, 0.7]], dtype=np.float32)
    # Chosen: a, b, b, c. Precision 1, 1/2, 1; recall 1/2, 1, 1; F1 2/3, 2/3, 1.
    # One against the rest: a 1.0 (0.8 and 0.2 over 0.1 twice); b 2/3 (0.6 over 0.1 and 0.2, not 0.7); c 1.0.
    expected = {
        "accuracy": 3 / 4,
        "precision": (1 + 1 / 2 + 1) / 3,
        "balanced_accuracy": (1 / 2 + 1 + 1) / 3,
        "f1": (2 / 3 + 2 / 3 + 1) / 3,
        "auc": (1 + 2 / 3 + 1) / 3,
        # b is ranked second, behind a row of another class.
        "average_precision": (1 + 1 / 2 + 1) / 3,
        "log_loss": -(log(0.8) + log(0.2) + log(0.6) + log(0.7)) / 4,
    }
    assert score(THREE, targets, probabilities) == pytest.approx(expected, abs=1e-6)


def test_two_classes() -> None:
    targets = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.45, 0.55], [0.2, 0.8]], dtype=np.float32)
    # Chosen: left, right, right, right. Of the four pairs of a left and a right row, one is in the wrong order.
    expected = {
        "accuracy": 3 / 4,
        "precision": (1 + 2 / 3) / 2,
        "balanced_accuracy": (1 / 2 + 1) / 2,
        "f1": (2 / 3 + 4 / 5) / 2,
        "auc": 3 / 4,
        # As many of one as of the other: the first. Of its rows, one is ranked first, and the other third.
        "average_precision": (1 + 2 / 3) / 2,
        "log_loss": -(log(0.9) + log(0.4) + log(0.55) + log(0.8)) / 4,
    }
    assert score(TWO, targets, probabilities) == pytest.approx(expected, abs=1e-6)


def test_a_class_that_is_never_chosen_has_no_precision_and_no_warning() -> None:
    found = score(TWO, np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    assert found["precision"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["accuracy"] == 1 / 2


def test_a_class_without_a_row_is_left_out_of_the_averages() -> None:
    targets = np.array([0, 0, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.1, 0.7], [0.1, 0.6, 0.3]])
    # Chosen: a, c, b. Of a and b: precision 1 and 1, recall 1/2 and 1, F1 2/3 and 1.
    found = score(THREE, targets, probabilities)
    assert [found[name] for name in ("precision", "balanced_accuracy", "f1")] == pytest.approx([1, 3 / 4, 5 / 6])


def test_regression() -> None:
    found = score(VALUE, np.array([1.0, 2.0, 3.0, 6.0]), np.array([[1.0], [4.0], [3.0], [5.0]]))
    # Errors 0, 2, 0, -1; the mean is 3, squared deviations 4 + 1 + 0 + 9.
    assert found == pytest.approx({"mae": 3 / 4, "mse": 5 / 4, "rmse": sqrt(5 / 4), "r2": 1 - 5 / 14})


def test_the_metrics_that_a_use_case_may_name_are_those_that_are_measured() -> None:
    measured = {
        "classification": score(TWO, np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])),
        "regression": score(VALUE, np.array([1.0, 2.0]), np.array([[1.0], [3.0]])),
    }
    assert {task: set(found) for task, found in measured.items()} == {
        task: set(names) for task, names in METRICS.items()
    }


@pytest.mark.parametrize("classes", [2, 3])
def test_the_average_precision_is_that_of_scikit_learn_ties_included(classes: int) -> None:
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(0)
    targets = np.minimum(random.geometric(0.7, 400) - 1, classes - 1)
    probabilities = np.round(random.dirichlet(np.ones(classes), 400) + 0.3 * np.eye(classes)[targets], 1)
    output = THREE if classes == 3 else TWO
    by_class = [average_precision_score(targets == number, probabilities[:, number]) for number in range(classes)]
    expected = by_class[1] if classes == 2 else np.mean(by_class)
    assert score(output, targets, probabilities)["average_precision"] == pytest.approx(expected)


def test_under_other_weights_the_average_precision_is_close_to_that_of_the_weighted_rows() -> None:
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(0)
    targets = (random.random(2000) < 0.1).astype(int)
    right = np.clip(random.normal(0.3 + 0.3 * targets, 0.15), 0.01, 0.99)
    rows = row_statistics(TWO, targets, np.column_stack([1 - right, right]))
    found, expected = [], []
    for _ in range(50):
        weights = random.exponential(size=len(targets))
        found.append(float(from_means(TWO, weights @ rows / weights.sum())[0]["average_precision"]))
        expected.append(average_precision_score(targets, right, sample_weight=weights))
    assert np.std(found) == pytest.approx(np.std(expected), rel=0.1)
    assert np.corrcoef(found, expected)[0, 1] > 0.98


@pytest.mark.parametrize("name", ["auc", "average_precision"])
def test_where_a_class_is_rare_no_resampled_figure_is_over_1(name: str) -> None:
    targets = np.repeat([0, 1], [300, 2])
    # One of the two rows is before all others, the other before nearly all.
    right = np.append(np.linspace(0.01, 0.5, 300), [0.495, 0.9])
    statistics = row_statistics(TWO, targets, np.stack([1 - right, right], axis=1))
    whole, _ = from_means(TWO, resampled_means(statistics))
    assert whole[name].min() >= 0
    assert whole[name].max() <= 1


def test_in_an_order_an_error_counts_by_how_far_it_is_off() -> None:
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(0)
    targets = random.integers(0, 3, 100)
    answers = np.clip(targets + random.integers(-1, 2, 100) * random.integers(0, 3, 100), 0, 2)
    found = score(
        Output(task="classification", name="grade", classes=("a", "b", "c"), ordered=True), targets, np.eye(3)[answers]
    )
    assert found["class_distance"] == pytest.approx(np.abs(targets - answers).mean())
    assert found["quadratic_kappa"] == pytest.approx(cohen_kappa_score(targets, answers, weights="quadratic"))
    assert set(found) == {*METRICS["classification"], *ORDERED_METRICS}


def test_the_curve_has_at_each_recall_the_precision_of_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_curve

    random = np.random.default_rng(0)
    targets = (random.random(500) < 0.1).astype(int)
    right = np.round(np.clip(random.normal(0.3 + 0.3 * targets, 0.15), 0.01, 0.99), 2)
    found = precision_recall(targets, np.column_stack([1 - right, right]))
    precision, recall, _ = precision_recall_curve(targets, right)
    for at, value in zip(found["recall"][1:], found["precision"][1:], strict=True):
        # The highest threshold that finds as many.
        assert value == pytest.approx(precision[np.flatnonzero(recall >= at - 1e-9)[-1]])
    assert found["by_chance"] == pytest.approx(targets.mean())
