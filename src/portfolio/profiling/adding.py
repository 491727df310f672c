"""Adding a use case: its files are written, all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from portfolio.contract.config import config_path
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import USE_CASES
from portfolio.core import files
from portfolio.profiling import project, writing
from portfolio.profiling.draft import Draft
from portfolio.profiling.origins import Origin


def write(name: str, found: Draft, origin: Origin) -> list[Path]:
    """The use case of a table or of texts. On any error nothing of it is left."""

    def use_case_text() -> str:
        return writing.use_case_text(name, found, origin.declare(name, found))

    return write_files(name, use_case_text, lambda: writing.config_text(found))


def write_files(name: str, use_case_text: Callable[[], str], config_text: Callable[[], str]) -> list[Path]:
    """Write the files, and check the use case that they make. On any error nothing of it is left.

    `use_case_text` also puts the first data in their place.
    """
    with project.added(name):
        written = {
            USE_CASES / name / "use_case.py": use_case_text(),
            USE_CASES / name / "card.yaml": writing.card_text(name),
            config_path(name): config_text(),
        }
        for path, text in written.items():
            files.write_text(path, text)
        project.list_use_case(name)
        load_use_case(name)
    return list(written)
