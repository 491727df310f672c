"""Write the config as the other stages depend on it: checked, and with the defaults of what the file leaves out.

They name its sections as DVC params, so that a comment or another stage's section runs nothing anew.
"""

from __future__ import annotations

import json

from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.paths import Paths


def run(use_case: UseCase, config: Config) -> None:
    files.write_text(Paths(use_case.name).config, json.dumps(config.sections(), indent=1) + "\n")
    # What `validate` depends on. Without it DVC ends with a missing folder; with it the stage says what to do.
    Paths(use_case.name).batches.parent.mkdir(parents=True, exist_ok=True)
    print(f"{', '.join(config.sections())}")
