"""Write the report: one page, and the answers to an interviewer's questions."""

from __future__ import annotations

from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.report.page import write_report


def run(use_case: UseCase, config: Config) -> None:
    write_report(use_case, config)
