"""Run every candidate's bundle, the one that would be served, on the test split; name the best."""

from __future__ import annotations

import json

import polars as pl

from portfolio import files
from portfolio.bundle import Bundle
from portfolio.config import Config
from portfolio.dataset import load_split
from portfolio.metrics import score
from portfolio.paths import Paths
from portfolio.use_case import UseCase


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    test = load_split(use_case, "test")
    scores, predictions = {}, {}
    for name, folder in paths.candidates().items():
        predictions[name] = Bundle.open(folder).predict(test.inputs)
        scores[name] = score(use_case.output, test.targets, predictions[name])
    sign = 1 if use_case.greater_is_better else -1
    best = max(scores, key=lambda name: sign * scores[name][use_case.metric])
    chosen = predictions[best]
    with files.replaced(paths.plot("predictions")) as partial:
        pl.DataFrame(
            {
                "actual": test.targets,
                "predicted": chosen.argmax(axis=1) if use_case.output.task == "classification" else chosen[:, 0],
            }
        ).write_csv(partial)
    files.write_text(
        paths.metrics("evaluate"),
        json.dumps({"test_rows": len(test), "best": best, "candidates": scores}, indent=1) + "\n",
    )
    files.write_text(paths.best, json.dumps({"candidate": best, "folder": str(paths.candidates()[best])}) + "\n")
    for name, values in scores.items():
        print(f"{name}: " + ", ".join(f"{key} {value:,.4f}" for key, value in values.items()))
    print(f"best by {use_case.metric}: {best}")
