"""The network candidate of a use case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from portfolio.contract.loading import load_use_case
from portfolio.data.dataset import as_split
from portfolio.training.network import fit_network
from tests.workspace import write_use_case

BARE = """
from portfolio.contract import Csv, Number, Quantity, Table


class Bare(Table):
    source = Csv(path="rows.csv", key="id", start="2026-01-05")
    target = Quantity("price")
    inputs = [Number("size", 0, 1)]

    def preprocessor(self):
        return None
"""
CONFIG = """
value: {by_hand_yen: 10, check_yen: 4, error_yen: 50, tolerance: 1}
train: {accelerator: cpu, max_epochs: 1}
"""


def test_a_number_is_trained_on_as_it_is_where_there_is_no_preprocessor(workspace: Path) -> None:
    """A warning of torch's, that it was given what polars or pandas alone may write to, would fail it."""
    write_use_case("bare", BARE, config=CONFIG)
    case = load_use_case("bare")
    sizes = np.linspace(0, 1, 40)
    rows = pl.DataFrame({"id": [str(number) for number in range(40)], "size": sizes, "price": 2 * sizes})
    train, val = as_split(case, rows[:30]), as_split(case, rows[30:])
    fitted = fit_network(case, case.config(), train, val)
    assert fitted.width == 1
    assert fitted.predict(val.inputs).shape == (10, 1)
