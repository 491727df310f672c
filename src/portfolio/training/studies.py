"""Studies of bias and variance: models fitted many times, each time with one thing changed.

They take minutes, so they are not part of the loop. `portfolio study NAME` runs one through DVC (studies/dvc.yaml),
which keeps the result until something that it depends on changes. The test rows are not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from portfolio.bundle.policy import VALUE
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.hashing import uniform
from portfolio.core.paths import Paths
from portfolio.core.terminal import counted_progress
from portfolio.data.dataset import Split, as_split, load_split
from portfolio.data.split import identities
from portfolio.evaluation.metrics import LOSS, score
from portfolio.evaluation.value import yen_by_row
from portfolio.training.baselines import baselines
from portfolio.training.export import Fitted, as_served
from portfolio.training.lightning import OnEpoch
from portfolio.training.network import NETWORK, fit_network

AS_CONFIGURED = "as configured"


@dataclass(frozen=True)
class Training:
    """One model to fit: one of the repetitions of a study's point."""

    point: str
    repetition: str
    train: Split
    val: Split
    fit: Callable[[OnEpoch], Fitted]
    aside: Split | None = None
    """Rows for calibration. With them, the value in yen is measured too, of the bundle that would be served."""
    by_row: bool = False
    """Whether each row was assigned to a side on its own, although the use case names rows that belong together."""


def run(name: str, use_case: UseCase, config: Config) -> None:
    """Run one study, and write metrics/<use_case>/studies/<name>.json.

    It has the study's points in order, each with the number of its training rows, the network's parameters, and the
    metrics on the rows that were trained on and on those that were not, a list with one figure per repetition. What was
    measured on rows that were assigned one by one is kept apart, under `by_row`.
    """
    train, val = load_split(use_case, "train"), load_split(use_case, "val")
    trainings = list(TRAININGS[name](use_case, config, train, val))
    metrics = list(dict.fromkeys([LOSS[use_case.output.task], use_case.metric]))
    points: dict[bool, dict[str, dict[str, Any]]] = {False: {}, True: {}}
    with counted_progress() as progress:
        task = progress.add_task("", total=len(trainings))
        for training in trainings:
            what = f"{training.point}, {training.repetition}{', row by row' if training.by_row else ''}"
            progress.update(task, description=what)

            def on_epoch(epoch: int, _: float, what: str = what) -> bool:
                progress.update(task, description=f"{what}, epoch {epoch}")
                return False

            fitted = training.fit(on_epoch)
            point = points[training.by_row].setdefault(training.point, {"name": training.point, "repetitions": []})
            point |= {"train_rows": len(training.train), "parameters": getattr(fitted, "parameters", None)}
            point["repetitions"].append(training.repetition)
            for side, split in (("train", training.train), ("val", training.val)):
                scores = score(use_case.output, split.targets, fitted.predict(split.inputs))
                for metric in metrics:
                    point.setdefault(side, {}).setdefault(metric, []).append(scores[metric])
            if training.aside is not None:
                value = _value(use_case, config, fitted, training, training.aside)
                point["val"].setdefault(VALUE, []).append(value)
            progress.advance(task)
    result = {"study": name, "metrics": metrics, "points": list(points[False].values())}
    if points[True]:
        result["by_row"] = list(points[True].values())
    files.write_text(Paths(use_case.name).study(name), json.dumps(result, indent=1) + "\n")


def _value(use_case: UseCase, config: Config, fitted: Fitted, training: Training, aside: Split) -> float:
    """Yen saved per 1,000 rows that were held out, by the bundle that the stages would make of the model."""
    held_out = training.val
    found = as_served(training.point, use_case, config, fitted, training.train, aside, held_out)
    decisions = found.decisions(found.test)
    return 1000 * float(yen_by_row(use_case.output, config.value, held_out.targets, found.test, decisions).mean())


def _network(use_case: UseCase, config: Config, train: Split, val: Split) -> Callable[[OnEpoch], Fitted]:
    return lambda on_epoch: fit_network(use_case, config, train, val, on_epoch)


def _learning_curve(use_case: UseCase, config: Config, train: Split, val: Split) -> Iterator[Training]:
    """More and more of the training rows: the first rows of an order that each seed shuffles differently."""
    for fraction in config.studies.learning_curve:
        for seed in config.studies.seeds:
            order = np.random.default_rng(seed).permutation(len(train))
            part = train.take(np.sort(order[: round(fraction * len(train))]))
            fit = _network(use_case, config.changed({"train.seed": seed}), part, val)
            yield Training(f"{len(part):,} rows", f"seed {seed}", part, val, fit)


def _capacity(use_case: UseCase, config: Config, train: Split, val: Split) -> Iterator[Training]:
    """Networks from small to large."""
    for changes in config.studies.capacity:
        point = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in changes.items())
        yield from _seeded(point, use_case, config.changed(changes), train, val)


def _ablation(use_case: UseCase, config: Config, train: Split, val: Split) -> Iterator[Training]:
    """Each measure against overfitting, switched the other way."""
    for point, changes in {AS_CONFIGURED: {}, **config.studies.ablation}.items():
        yield from _seeded(point, use_case, config.changed(changes), train, val)


def _seeded(point: str, use_case: UseCase, config: Config, train: Split, val: Split) -> Iterator[Training]:
    for seed in config.studies.seeds:
        fit = _network(use_case, config.changed({"train.seed": seed}), train, val)
        yield Training(point, f"seed {seed}", train, val, fit)


def _cross_validate(use_case: UseCase, config: Config, train: Split, val: Split) -> Iterator[Training]:
    """Every candidate on each fold of the training and validation rows. Rows that belong together share a fold.

    Where there are such rows, all of it once more with each row assigned to a fold on its own. How much better the
    candidates then look is what they learn about a row from the rows that belong to it.
    """
    rows = as_split(use_case, pl.concat([train.rows, val.rows]))
    yield from _folds(use_case, config, rows, identities(use_case.source, rows.rows), by_row=False)
    if use_case.source.split_by:
        yield from _folds(use_case, config, rows, rows.rows.select(use_case.key), by_row=True)


def _folds(use_case: UseCase, config: Config, rows: Split, units: pl.DataFrame, *, by_row: bool) -> Iterator[Training]:
    """Every candidate on each fold. Part of the other folds is set aside; all candidates are fitted on the rest.

    That part decides when the network stops training, and calibrates all candidates.
    """
    folds = np.floor(uniform(units, salt="fold") * config.studies.cross_validate)
    aside = uniform(units, salt="early stopping") < config.prepare.val_fraction
    for fold in range(config.studies.cross_validate):
        held_out, stop, fit_on = (
            rows.take(mask) for mask in (folds == fold, (folds != fold) & aside, (folds != fold) & ~aside)
        )
        fits = {name: _without_epochs(fit) for name, fit in baselines(use_case, fit_on).items()}
        for point, fit in {**fits, NETWORK: _network(use_case, config, fit_on, stop)}.items():
            yield Training(point, f"fold {fold + 1}", fit_on, held_out, fit, stop, by_row)


def _without_epochs(fit: Callable[[], Fitted]) -> Callable[[OnEpoch], Fitted]:
    return lambda _: fit()


TRAININGS = {
    "learning-curve": _learning_curve,
    "capacity": _capacity,
    "ablation": _ablation,
    "cross-validate": _cross_validate,
}
