"""Adding a use case: its files are written, all of them or none."""

from __future__ import annotations

from pathlib import Path

from portfolio.contract.config import config_path
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import USE_CASES
from portfolio.core import files
from portfolio.profiling import project, writing
from portfolio.profiling.draft import Draft
from portfolio.profiling.origins import Origin


def write(name: str, found: Draft, origin: Origin) -> list[Path]:
    """Write the files, and check the use case that they make. On any error nothing of it is left."""
    with project.added(name):
        written = {
            USE_CASES / name / "use_case.py": writing.use_case_text(name, found, origin.declare(name, found)),
            USE_CASES / name / "card.yaml": writing.card_text(name),
            config_path(name): writing.config_text(found),
        }
        for path, text in written.items():
            files.write_text(path, text)
        project.list_use_case(name)
        load_use_case(name)
    return list(written)
