"""Run every candidate's bundle, the one that would be served, on the test split; name the best."""

from __future__ import annotations

import json

from portfolio import files, plots
from portfolio.bundle import Bundle
from portfolio.config import Config
from portfolio.dataset import load_split
from portfolio.metrics import score
from portfolio.paths import Paths
from portfolio.use_case import UseCase


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    test = load_split(use_case, "test")
    scores = {}
    for name, folder in paths.candidates().items():
        predictions = Bundle.open(folder).predict(test.inputs)
        scores[name] = score(use_case.output, test.targets, predictions)
        plots.predictions(paths.plots / "predictions" / f"{name}.png", use_case.output, test.targets, predictions)
    sign = 1 if use_case.greater_is_better else -1
    best = max(scores, key=lambda name: sign * scores[name][use_case.metric])
    files.write_text(
        paths.metrics("evaluate"),
        json.dumps({"test_rows": len(test), "best": best, "candidates": scores}, indent=1) + "\n",
    )
    files.write_text(paths.best, json.dumps({"folder": str(paths.candidates()[best])}) + "\n")
    for name, values in scores.items():
        print(f"{name}: " + ", ".join(f"{key} {value:,.4f}" for key, value in values.items()))
    print(f"best by {use_case.metric}: {best} ({scores[best][use_case.metric]:,.4f} on {len(test):,} test rows)")
