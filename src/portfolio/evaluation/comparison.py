"""All candidates on the same rows: their figures, the evidence behind them, and which of them is best by value."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.policy import VALUE, Policy, saved
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.data.dataset import Split
from portfolio.evaluation.calibration import reliability, softened
from portfolio.evaluation.metrics import from_means, row_statistics
from portfolio.evaluation.statistics import CONFIDENCE, SAMPLES, interval, resampled_means
from portfolio.evaluation.value import curve


@dataclass(frozen=True)
class Evaluated:
    """One candidate with its answers to the validation and test rows, [rows, outputs]."""

    bundle: Bundle
    policy: Policy
    val: Array
    test: Array


def compare(
    use_case: UseCase, config: Config, candidates: dict[str, Evaluated], val: Split, test: Split
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures of all candidates on the test rows, and the evidence behind them: intervals, curves, slices.

    The best is named by the value on the validation rows.
    """
    columns = [_columns(use_case, config, candidate, test.targets) for candidate in candidates.values()]
    width = columns[0].shape[1]
    means = resampled_means(np.column_stack(columns))
    resampled = {
        name: _figures(use_case, means[:, number * width : (number + 1) * width])[0]
        for number, name in enumerate(candidates)
    }
    exact = {name: _figures(use_case, part.mean(axis=0)) for name, part in zip(candidates, columns, strict=True)}
    figures = {name: {key: float(value) for key, value in whole.items()} for name, (whole, _) in exact.items()}
    on_val, resampled_on_val = _value_on_val(use_case, config, candidates, val)
    best, within_noise, choice = choose(config, candidates, on_val, resampled_on_val)
    evidence = {
        "rows": len(test),
        "val_rows": len(val),
        "samples": SAMPLES,
        "prices": config.value.prices.model_dump(),
        "confidence": CONFIDENCE,
        "best": best,
        "within_noise": within_noise,
        "choice": choice,
        "slices": _slices(use_case, test, columns[list(candidates).index(best)]),
        "candidates": {
            name: {
                "intervals": {key: interval(values) for key, values in resampled[name].items()},
                "val": {
                    VALUE: on_val[name][VALUE],
                    "interval": interval(resampled_on_val[name]),
                    "difference_to_best": interval(resampled_on_val[name] - resampled_on_val[best]),
                },
                "difference_to_best": interval(resampled[name][VALUE] - resampled[best][VALUE]),
                "by_class": {key: values.tolist() for key, values in exact[name][1].items()},
                "policy": candidate.policy.model_dump(),
                "curve": _curve(use_case, config, candidate, val, test),
                "calibration": _calibration(use_case, candidate, test),
            }
            for name, candidate in candidates.items()
        },
    }
    return {"test_rows": len(test), "best": best, "candidates": figures}, evidence


def _value_on_val(
    use_case: UseCase, config: Config, candidates: dict[str, Evaluated], val: Split
) -> tuple[dict[str, dict[str, float]], dict[str, Array]]:
    """Each candidate's value on the validation rows, as a figure and resampled."""
    columns = []
    for candidate in candidates.values():
        wrong = use_case.wrong(val.targets, candidate.val, config.value)
        columns.append(1000 * saved(config.value.prices, candidate.policy.by_machine(candidate.val), wrong))
    resampled = resampled_means(np.column_stack(columns))
    figures = {name: {VALUE: float(column.mean())} for name, column in zip(candidates, columns, strict=True)}
    return figures, {name: resampled[:, number] for number, name in enumerate(candidates)}


def choose(
    config: Config, candidates: dict[str, Evaluated], figures: dict[str, dict[str, float]], resampled: dict[str, Array]
) -> tuple[str, list[str], str]:
    """The candidate to register, those within noise of the best, and the choice in words.

    Of equals, and of those within noise if the config prefers the simplest, the smallest model comes first.
    """
    by_size = sorted(candidates, key=lambda name: candidates[name].bundle.model_bytes)
    top = max(by_size, key=lambda name: figures[name][VALUE])
    within_noise = [name for name in by_size if name != top and interval(resampled[name] - resampled[top])[1] >= 0]
    simpler = [name for name in within_noise if by_size.index(name) < by_size.index(top)]
    if not within_noise:
        return top, [], "no other candidate is within noise of it"
    names = ", ".join(within_noise)
    if not simpler:
        return top, within_noise, f"it is worth the most, and nothing within noise of it ({names}) is simpler"
    if config.value.prefer == "simplest":
        return simpler[0], within_noise, f"it is the simplest within noise of {top} (value.prefer: simplest)"
    return top, within_noise, f"it is worth the most (within noise of it: {names}; value.prefer: best)"


def _columns(use_case: UseCase, config: Config, candidate: Evaluated, targets: Array) -> Array:
    """What each row adds to the figures, [rows, k]: to the metrics, the value, that of trusting all, the share."""
    wrong = use_case.wrong(targets, candidate.test, config.value)
    by_machine = candidate.policy.by_machine(candidate.test)
    prices = config.value.prices
    return np.column_stack(
        [
            row_statistics(use_case.output, targets, candidate.test),
            1000 * saved(prices, by_machine, wrong),
            1000 * saved(prices, np.ones_like(by_machine), wrong),
            by_machine,
        ]
    )


def _figures(use_case: UseCase, means: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    whole, by_class = from_means(use_case.output, means[..., :-3])
    worth = {VALUE: means[..., -3], "trust_all_yen_per_1000": means[..., -2], "by_machine": means[..., -1]}
    return {**whole, **worth}, by_class


def _curve(use_case: UseCase, config: Config, candidate: Evaluated, val: Split, test: Split) -> dict[str, Any]:
    """Yen per 1,000 items by threshold, on the rows that it is chosen on and on those that it is measured on."""
    value = config.value

    def on(split: Split, answers: Array) -> list[float]:
        wrong = use_case.wrong(split.targets, answers, value)
        thresholds = np.array(value.thresholds)
        return list((1000 * curve(value.prices, candidate.policy.rule, thresholds, answers, wrong)).tolist())

    return {
        "threshold": list(value.thresholds),
        "val": on(val, candidate.val),
        "test": on(test, candidate.test),
    }


def _calibration(use_case: UseCase, candidate: Evaluated, test: Split) -> dict[str, Any] | None:
    if use_case.output.task != "classification":
        return None
    temperature = candidate.bundle.manifest.temperature
    after = reliability(candidate.test, test.targets)
    # The graph divided the logits by the temperature; dividing by its inverse brings back what the model said.
    before = reliability(softened(candidate.test, 1 / temperature), test.targets)
    return {"temperature": temperature, "ece": after.ece, "ece_before": before.ece, "bins": dataclasses.asdict(after)}


def _slices(use_case: UseCase, test: Split, columns: Array) -> dict[str, dict[str, dict[str, float]]]:
    """By way of grouping and by slice: how many rows, their value, and the share that the machine answers."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for by, column in use_case.groups(test.rows).items():
        labels = column.to_numpy()
        found[by] = {
            str(label): {
                "rows": int((labels == label).sum()),
                VALUE: float(columns[labels == label, -3].mean()),
                "by_machine": float(columns[labels == label, -1].mean()),
            }
            for label in np.unique(labels)
        }
    return found
