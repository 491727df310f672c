"""Give every candidate its policy, name the best, and run each as the bundle that would be served on the test split.

The policies and the best are chosen on the validation rows, so that the test rows measure what they have not picked.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from portfolio.bundle.bundle import Bundle, copy_bundle
from portfolio.bundle.manifest import read_manifest, write_manifest
from portfolio.bundle.policy import VALUE, Policy, saved
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import DataError
from portfolio.core.paths import TRAIN_SECONDS_NAME, Paths
from portfolio.core.types import Array
from portfolio.data.dataset import Split, load_split
from portfolio.evaluation.calibration import reliability, softened
from portfolio.evaluation.metrics import from_means, row_statistics
from portfolio.evaluation.statistics import CONFIDENCE, SAMPLES, interval, resampled_means
from portfolio.evaluation.value import choose_policy, curve


@dataclass(frozen=True)
class Candidate:
    """One candidate with its answers to the validation and test rows, [rows, outputs]."""

    bundle: Bundle
    policy: Policy
    val: Array
    test: Array


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    val, test = load_split(use_case, "val"), load_split(use_case, "test")
    _check_classes(use_case, test)
    with files.replaced_folder(paths.bundles) as folder:
        found = {
            name: _with_policy(fitted, folder / name, use_case, config, val, test)
            for name, fitted in paths.fitted().items()
        }
        evaluation, evidence = compare(use_case, config, found, val, test)
        for name, candidate in found.items():
            _tell_figures(candidate.bundle, evaluation["candidates"][name])
        costs = {
            name: {
                "train_seconds": float((fitted / TRAIN_SECONDS_NAME).read_text()),
                "latency_ms": round(found[name].bundle.latency_ms(test.inputs), 4),
                "model_bytes": found[name].bundle.model_bytes,
            }
            for name, fitted in paths.fitted().items()
        }
    for name, content in {"evaluate": evaluation, "evidence": evidence, "costs": costs}.items():
        files.write_text(paths.metrics(name), json.dumps(content, indent=1) + "\n")
    best = evaluation["best"]
    files.write_text(paths.best, json.dumps({"folder": str(paths.bundles / best)}) + "\n")
    for name, figures in evaluation["candidates"].items():
        shown = (use_case.metric, VALUE, "by_machine")
        print(f"{name}: " + ", ".join(f"{key} {figures[key]:,.4g}" for key in shown))
    figures = evaluation["candidates"][best]
    print(
        f"best by value on the validation rows: {best} ({figures[VALUE]:,.0f} yen per 1,000 items, {use_case.metric} "
        f"{figures[use_case.metric]:,.4f} on {len(test):,} test rows); {evidence['choice']}"
    )


def _with_policy(fitted: Path, folder: Path, use_case: UseCase, config: Config, val: Split, test: Split) -> Candidate:
    """Choose the policy on the validation rows, write the bundle that has it, and run that on the test rows."""
    manifest, _ = read_manifest(fitted)
    answers = Bundle.open(fitted).predict(val.inputs)
    wrong = use_case.wrong(val.targets, answers, config.value)
    policy = choose_policy(config.value.prices, config.value.thresholds, answers, wrong)
    copy_bundle(fitted, folder, manifest.model_copy(update={"policy": policy, "card": use_case.card_texts()}))
    bundle = Bundle.open(folder)
    found = bundle.predict(test.inputs)
    if not np.isfinite(found).all():
        raise DataError(f"The candidate '{fitted.name}' gives no finite answer to some test rows. Train it again.")
    return Candidate(bundle, policy, answers, found)


def _tell_figures(bundle: Bundle, figures: dict[str, float]) -> None:
    """Write what was measured into the manifest, for those who are served."""
    manifest, _ = read_manifest(bundle.folder)
    write_manifest(bundle.folder, manifest.model_copy(update={"figures": figures}))


def compare(
    use_case: UseCase, config: Config, candidates: dict[str, Candidate], val: Split, test: Split
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
    use_case: UseCase, config: Config, candidates: dict[str, Candidate], val: Split
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
    config: Config, candidates: dict[str, Candidate], figures: dict[str, dict[str, float]], resampled: dict[str, Array]
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
        return top, within_noise, f"within noise of it: {names}, none of them simpler"
    if config.value.prefer == "simplest":
        return simpler[0], within_noise, f"the simplest within noise of {top}, as value.prefer says"
    return top, within_noise, f"within noise of it: {names}; value.prefer says to take the best"


def _columns(use_case: UseCase, config: Config, candidate: Candidate, targets: Array) -> Array:
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


def _curve(use_case: UseCase, config: Config, candidate: Candidate, val: Split, test: Split) -> dict[str, Any]:
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


def _calibration(use_case: UseCase, candidate: Candidate, test: Split) -> dict[str, Any] | None:
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
    for by, column in use_case.slices(test.rows).items():
        labels = column.cast(str).to_numpy()
        found[by] = {
            str(label): {
                "rows": int((labels == label).sum()),
                VALUE: float(columns[labels == label, -3].mean()),
                "by_machine": float(columns[labels == label, -1].mean()),
            }
            for label in np.unique(labels)
        }
    return found


def _check_classes(use_case: UseCase, test: Split) -> None:
    if use_case.output.task != "classification":
        return
    counts = np.bincount(test.targets, minlength=len(use_case.output.classes))
    missing = [name for name, count in zip(use_case.output.classes, counts, strict=True) if count == 0]
    if missing:
        raise DataError(
            f"The test split of '{use_case.name}' has no row of class {', '.join(missing)}, so recall and AUC can't be "
            f"measured there. Collect more, or raise prepare.test_fraction in configs/{use_case.name}.yaml."
        )
