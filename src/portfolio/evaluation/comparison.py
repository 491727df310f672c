"""All candidates on the same rows: their figures, the evidence behind them, and which of them is best by value."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from portfolio.bundle.bundle import Bundle, copy_bundle
from portfolio.bundle.manifest import read_manifest
from portfolio.bundle.policy import INTERVAL_LEVEL, VALUE, Decisions, half_widths
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import DataError
from portfolio.core.paths import VAL_ERROR_SCALE_NAME
from portfolio.core.types import Array
from portfolio.data.dataset import Split
from portfolio.data.split import units
from portfolio.evaluation.calibration import reliability, softened
from portfolio.evaluation.error_kinds import error_kinds
from portfolio.evaluation.metrics import from_means, precision_recall, row_statistics
from portfolio.evaluation.statistics import CONFIDENCE, SAMPLES, Outcomes, interval, mean_interval, resampled_means
from portfolio.evaluation.value import bounds, curve, error_yen, is_right, yen_by_row

COVERAGE = "interval_coverage"
"""What the metrics files call the share of true values that the predicted intervals cover."""
TRUST_ALL, BY_MACHINE = "trust_all_yen_per_1000", "by_machine"
"""And the value if every answer were trusted, and the share that the machine answers."""

SHARES = tuple(share / 20 for share in range(21))
"""Of the rows that the machine could answer, the surest first: where the curve is drawn."""


@dataclass(frozen=True)
class Evaluated:
    """One candidate with its answers to the validation and test rows, [rows, outputs]."""

    bundle: Bundle
    val: Array
    test: Array

    def decisions(self, predictions: Array) -> Decisions:
        return self.bundle.decider(predictions)


def evaluate_candidate(
    fitted: Path, folder: Path, use_case: UseCase, config: Config, val: Split, test: Split
) -> Evaluated:
    """Write the bundle that has the policy, and run it on the validation and test rows."""
    manifest, _ = read_manifest(fitted)
    texts = {"policy": config.value.policy, "card": use_case.card_texts()}
    copy_bundle(fitted, folder, manifest.model_copy(update=texts))
    bundle = Bundle.open(folder)
    found = bundle.predict(test.inputs)
    if not np.isfinite(found).all():
        raise DataError(f"The candidate '{fitted.name}' gives no finite answer to some test rows. Train it again.")
    on_val = bundle.predict(val.inputs)
    if use_case.output.task == "regression":
        # The graph's own scales have seen these rows, so they would be too small here.
        on_val[:, 1] = np.load(fitted / VAL_ERROR_SCALE_NAME)
    return Evaluated(bundle, on_val, found)


def compare(
    use_case: UseCase, config: Config, candidates: dict[str, Evaluated], val: Split, test: Split
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures of all candidates on the test rows, and the evidence behind them: intervals, curves, slices.

    The best is named by the value on the validation rows.
    """
    together = units(use_case.source, test.rows)
    measured = {name: measure(use_case, config, candidate, test) for name, candidate in candidates.items()}
    best, on_val, choice = _choose(use_case, config, candidates, val)
    evidence = {
        "rows": len(test),
        "units": len(np.unique(together)) if together is not None else len(test),
        "val_rows": len(val),
        "samples": SAMPLES,
        "prices": config.value.prices.model_dump(),
        "confidence": CONFIDENCE,
        "best": best,
        "within_noise": choice["within_noise"],
        "choice": choice["words"],
        "slices": _slices(use_case, test, measured[best]),
        "error_kinds": error_kinds(use_case.inputs, test.inputs, ~_right(use_case, config, candidates[best], test)),
        "candidates": {
            name: {
                "intervals": _intervals(use_case, config, measured[name], together),
                "val": on_val[name],
                "difference_to_best": _difference(config, measured[name], measured[best], together),
                "by_class": {key: values.tolist() for key, values in measured[name].by_class(use_case).items()},
                "curve": _curve(use_case, config, candidate, val, test),
                "calibration": _calibration(use_case, candidate, test),
                "precision_recall": _precision_recall(use_case, candidate, test),
                "predicted_interval": _predicted_interval(use_case, candidate, measured[name], test),
            }
            for name, candidate in candidates.items()
        },
    }
    figures = {name: found.figures(use_case) for name, found in measured.items()}
    return {"test_rows": len(test), "best": best, "candidates": figures}, evidence


def _right(use_case: UseCase, config: Config, candidate: Evaluated, test: Split) -> Array:
    """Whether each answer to the test rows is right, bool [rows]."""
    answers = candidate.decisions(candidate.test).answers
    return is_right(use_case.output, config.value, test.targets, candidate.test, answers)


@dataclass(frozen=True)
class Measured:
    """What each test row adds to a candidate's figures."""

    statistics: Array
    """To the metrics, [rows, k]."""
    means: dict[str, Array]
    """To each figure that is the mean of something bounded, by its name: [rows]."""

    def figures(self, use_case: UseCase) -> dict[str, float]:
        whole, _ = from_means(use_case.output, self.statistics.mean(axis=0))
        means = {name: values.mean() for name, values in self.means.items()}
        return {name: float(value) for name, value in (whole | means).items()}

    def by_class(self, use_case: UseCase) -> dict[str, Array]:
        return from_means(use_case.output, self.statistics.mean(axis=0))[1]


def measure(use_case: UseCase, config: Config, candidate: Evaluated, test: Split) -> Measured:
    decisions = candidate.decisions(candidate.test)
    trusted = decisions._replace(by_machine=np.ones_like(decisions.by_machine))
    output = use_case.output
    means = {
        VALUE: 1000 * yen_by_row(output, config.value, test.targets, candidate.test, decisions),
        TRUST_ALL: 1000 * yen_by_row(output, config.value, test.targets, candidate.test, trusted),
        BY_MACHINE: decisions.by_machine,
    }
    if output.task == "classification":
        means["accuracy"] = decisions.answers == test.targets
    else:
        half = half_widths(candidate.test, candidate.bundle.manifest.error_ratios)
        means[COVERAGE] = np.abs(candidate.test[:, 0].astype(np.float64) - test.targets) <= half
    return Measured(row_statistics(output, test.targets, candidate.test, decisions.answers), means)


def _intervals(
    use_case: UseCase, config: Config, found: Measured, together: Array | None
) -> dict[str, tuple[float, float]]:
    """Bootstrap intervals of the metrics; of a mean of something bounded, one that an unseen error does not escape."""
    resampled, _ = from_means(use_case.output, resampled_means(found.statistics, together))
    in_yen = tuple(1000 * bound for bound in bounds(config.value))
    return {key: interval(values) for key, values in resampled.items()} | {
        key: mean_interval(Outcomes.of(values, together), *(in_yen if key in (VALUE, TRUST_ALL) else (0, 1)))
        for key, values in found.means.items()
    }


def _difference(config: Config, found: Measured, best: Measured, together: Array | None) -> tuple[float, float]:
    if found is best:
        return 0.0, 0.0
    spread = 1000 * np.subtract(*bounds(config.value)[::-1])
    return mean_interval(Outcomes.of(found.means[VALUE] - best.means[VALUE], together), -spread, spread)


def _choose(
    use_case: UseCase, config: Config, candidates: dict[str, Evaluated], val: Split
) -> tuple[str, dict[str, dict[str, Any]], dict[str, Any]]:
    """The best by expected value on the validation rows, each candidate's figures there, and the choice in words."""
    together = units(use_case.source, val.rows)
    worst, best = bounds(config.value)
    yen, expected = {}, {}
    for name, candidate in candidates.items():
        decisions = candidate.decisions(candidate.val)
        yen[name] = yen_by_row(use_case.output, config.value, val.targets, candidate.val, decisions)
        expected[name] = 1000 * expected_value(yen[name], decisions.by_machine, worst)
    # Of equals the smallest model comes first.
    by_size = sorted(candidates, key=lambda name: candidates[name].bundle.model_bytes)
    top = max(by_size, key=expected.__getitem__)
    spread = best - worst
    differences = {
        name: tuple(1000 * np.array(mean_interval(Outcomes.of(yen[name] - yen[top], together), -spread, spread)))
        if name != top
        else (0.0, 0.0)
        for name in candidates
    }
    within_noise = [name for name in by_size if name != top and differences[name][1] >= 0]
    chosen, words = choose(by_size, top, within_noise, config.value.prefer)
    figures = {
        name: {
            VALUE: 1000 * float(yen[name].mean()),
            "expected": expected[name],
            "interval": tuple(1000 * np.array(mean_interval(Outcomes.of(yen[name], together), worst, best))),
            "difference_to_top": differences[name],
        }
        for name in candidates
    }
    return chosen, figures, {"within_noise": within_noise, "words": words}


def expected_value(yen: Array, by_machine: Array, worst: float) -> float:
    """The mean of the value of rows like these, [rows], in yen an item, under Jeffreys' prior on the machine's errors.

    One more row that the machine answered, wrong with probability 1/2: no error in 200 rows is not an error rate of 0.
    """
    answered = int(np.count_nonzero(by_machine))
    if not answered:
        return float(yen.mean())
    prior = (worst + yen[by_machine].max()) / 2
    mean = (yen[by_machine].sum() + prior) / (answered + 1)
    return float((answered * mean + yen[~by_machine].sum()) / len(yen))


def choose(by_size: list[str], top: str, within_noise: list[str], prefer: str) -> tuple[str, str]:
    """The candidate to register, and the choice in words.

    `top` is expected to be worth the most. If the config prefers the simplest, the smallest within noise is taken.
    """
    simpler = [name for name in within_noise if by_size.index(name) < by_size.index(top)]
    if not within_noise:
        return top, "it is worth the most, by more than noise"
    names = ", ".join(within_noise)
    if not simpler:
        return top, f"it is expected to be worth the most, and nothing within noise of it ({names}) is simpler"
    if prefer == "simplest":
        return simpler[0], f"it is the simplest within noise of {top} (value.prefer: simplest)"
    return top, f"it is expected to be worth the most (within noise of it: {names}; value.prefer: best)"


def _curve(use_case: UseCase, config: Config, candidate: Evaluated, val: Split, test: Split) -> dict[str, Any]:
    """Yen per 1,000 items by the share that the machine answers, the surest rows first."""

    def on(split: Split, predictions: Array) -> list[float]:
        decisions = candidate.decisions(predictions)
        lost = error_yen(use_case.output, config.value, split.targets, predictions, decisions.answers)
        return list((1000 * curve(config.value, decisions, lost, np.array(SHARES))).tolist())

    return {"share": list(SHARES), "val": on(val, candidate.val), "test": on(test, candidate.test)}


def _calibration(use_case: UseCase, candidate: Evaluated, test: Split) -> dict[str, Any] | None:
    if use_case.output.task != "classification":
        return None
    temperature = candidate.bundle.manifest.temperature
    after = reliability(candidate.test, test.targets)
    # The graph divided the logits by the temperature; dividing by its inverse brings back what the model said.
    before = reliability(softened(candidate.test, 1 / temperature), test.targets)
    return {"temperature": temperature, "ece": after.ece, "ece_before": before.ece, "bins": dataclasses.asdict(after)}


def _precision_recall(use_case: UseCase, candidate: Evaluated, test: Split) -> dict[str, Any] | None:
    return precision_recall(test.targets, candidate.test) if use_case.output.task == "classification" else None


def _predicted_interval(use_case: UseCase, candidate: Evaluated, found: Measured, test: Split) -> dict[str, Any] | None:
    """Of a regression: the level of the predicted intervals, their width, and by slice how many values they cover."""
    if use_case.output.task != "regression":
        return None
    half = half_widths(candidate.test, candidate.bundle.manifest.error_ratios)
    return {
        "level": INTERVAL_LEVEL,
        "median_width": float(2 * np.median(half)),
        "slices": _by_slice(use_case, test, {"coverage": found.means[COVERAGE]}),
    }


def _slices(use_case: UseCase, test: Split, found: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """By way of grouping and by slice: how many rows, their value, and the share that the machine answers."""
    return _by_slice(use_case, test, {name: found.means[name] for name in (VALUE, BY_MACHINE)})


def _by_slice(use_case: UseCase, test: Split, values: dict[str, Array]) -> dict[str, dict[str, dict[str, float]]]:
    """By way of grouping and by slice: how many rows, and the means of the values [rows]."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for by, column in use_case.groups(test.rows).items():
        labels, places, rows = np.unique(column.to_numpy(), return_inverse=True, return_counts=True)
        means = {name: np.bincount(places, of_row) / rows for name, of_row in values.items()}
        found[by] = {
            str(label): {"rows": int(rows[place]), **{name: float(mean[place]) for name, mean in means.items()}}
            for place, label in enumerate(labels)
        }
    return found
