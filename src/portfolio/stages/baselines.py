"""Fit the simpler candidates, and export each as a bundle."""

from __future__ import annotations

import json

from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.paths import PARAMETERS_NAME, Paths
from portfolio.data.dataset import load_split
from portfolio.training.baselines import baselines
from portfolio.training.export import write_candidate


def run(use_case: UseCase, config: Config) -> None:
    folder = Paths(use_case.name).models / "baselines"
    train, val = load_split(use_case, "train"), load_split(use_case, "val")
    for name, fit in baselines(use_case, train).items():
        fitted = fit()
        write_candidate(folder / name, use_case, config, fitted, train, val)
        files.write_text(folder / name / PARAMETERS_NAME, json.dumps(fitted.parameters, indent=1) + "\n")
