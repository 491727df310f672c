"""Give every candidate the policy, name the best, and run each as the bundle that would be served on the test split.

The best is chosen on the validation rows, so that the test rows measure what they have not picked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import Promise, read_manifest, write_manifest
from portfolio.bundle.policy import VALUE
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.errors import DataError
from portfolio.core.labels import listed
from portfolio.core.paths import Paths
from portfolio.data.dataset import Split, load_split
from portfolio.evaluation.comparison import compare, evaluate_candidate
from portfolio.evaluation.promise import promise

LEAST_MISSED = 0.01
"""The share of the rows that any constant answer must be wrong for."""


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    val, test = load_split(use_case, "val"), load_split(use_case, "test")
    _check_classes(use_case, test)
    _check_tolerance(use_case, config, val, test)
    with files.replaced_folder(paths.bundles) as folder:
        found = {
            name: evaluate_candidate(fitted, folder / name, use_case, config, val, test)
            for name, fitted in paths.fitted().items()
        }
        evaluation, evidence = compare(use_case, config, found, val, test)
        for name, candidate in found.items():
            _tell(candidate.bundle, evaluation["candidates"][name], promise(use_case, config, candidate, test))
    for name, content in {"evaluate": evaluation, "evidence": evidence}.items():
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
        + "".join(f"; {doubt}" for doubt in _doubts(use_case, figures, evidence["candidates"][best]["by_class"], test))
    )


def _doubts(
    use_case: UseCase, figures: dict[str, float], by_class: dict[str, list[float]], test: Split
) -> Iterator[str]:
    """What the figures of the best candidate hide: their owner should know before it is served."""
    if figures["by_machine"] == 0:
        yield "it leaves every answer to a person, so it adds nothing to checking all of them"
    for place, recall in enumerate(by_class.get("recall", [])):
        if recall == 0 and (rows := int(np.sum(test.targets == place))):
            yield f"it finds none of the {counted(rows, 'test row')} of '{use_case.output.classes[place]}'"


def _tell(bundle: Bundle, figures: dict[str, float], promised: Promise) -> None:
    """Write what was measured into the manifest, for those who are served and for the monitor."""
    manifest, _ = read_manifest(bundle.folder)
    write_manifest(bundle.folder, manifest.model_copy(update={"figures": figures, "promise": promised}))


def _check_tolerance(use_case: UseCase, config: Config, *splits: Split) -> None:
    """Raises DataError if hardly an answer need be wrong: a constant one lies within the tolerance of most values.

    Not of all of them: one value that lies far out leaves a model as little to be worth.
    """
    if use_case.output.task != "regression":
        return
    tolerance = config.value.tolerance or 0
    values = np.sort(np.concatenate([split.targets for split in splits]).ravel())
    # For each value, how many there are from it on that one answer is right for.
    right = np.searchsorted(values, values + 2 * tolerance, side="right") - np.arange(len(values))
    first, most = int(right.argmax()), int(right.max())
    if len(values) - most < LEAST_MISSED * len(values):
        low, high = float(values[first]), float(values[first + most - 1])
        raise DataError(
            f"value.tolerance is {tolerance:g}, and {most:,} of {len(values):,} values of {use_case.output.name} lie "
            f"between {low:g} and {high:g}: to answer {(low + high) / 2:g} would hardly ever be wrong, so no model can "
            f"be worth much more. Lower the tolerance in configs/{use_case.name}.yaml."
        )


def _check_classes(use_case: UseCase, test: Split) -> None:
    """Tell which classes can't be measured. Raises DataError if there is only one: then no answer can be wrong."""
    if use_case.output.task != "classification":
        return
    counts = np.bincount(test.targets, minlength=len(use_case.output.classes))
    missing = [name for name, count in zip(use_case.output.classes, counts, strict=True) if count == 0]
    if len(counts) - len(missing) < 2:
        raise DataError(
            f"The test split of '{use_case.name}' has rows of one class only; there is no row of class "
            f"{listed(missing)}. Nothing can be measured there. Collect more, or raise prepare.test_fraction in "
            f"configs/{use_case.name}.yaml."
        )
    if missing:
        print(
            f"warning: the test split has no row of class {listed(missing)}: what the models do with that is not "
            "measured, and averages over classes leave it out"
        )
