"""Try every candidate on made-up rows: what can't be exported is said before anything is trained."""

from __future__ import annotations

import json

from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.paths import Paths
from portfolio.training.checks import check_candidates, check_network


def run(use_case: UseCase, config: Config) -> None:
    names = check_candidates(use_case)
    check_network(use_case, config)
    files.write_text(Paths(use_case.name).checked, json.dumps({"candidates": names}, indent=1) + "\n")
    print(f"can be exported: {', '.join([*names, 'network'])}")
