"""What the acts share: the project in which they happen, its rows, and what was found so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.client.simulate import Traffic
from portfolio.contract.config import config_path
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.environment import sqlite_address, state_folder
from portfolio.core.paths import Paths

if TYPE_CHECKING:
    import polars as pl

# Of the days that a source has, and how many at least if some are left; the later ones are the traffic.
KNOWN_SHARE, LEAST_KNOWN, LEAST_LATER = 0.5, 6, 3
# A year of audits passes within a minute: only audited answers say fairly what a model is worth.
AUDIT_SHARE = 1
# Of the later rows, those that only the renewed model is asked about.
HELD_OUT_SHARE = 0.1
MAX_LATER_ROWS = 1_500


@dataclass
class Scene:
    """The current folder is the project."""

    case: UseCase
    until: date | None
    """The last day that has arrived; None for a source with too few days."""
    damaged: date
    later_days: Sequence[date]
    address: str = ""
    drifted: Traffic = field(default_factory=Traffic)
    """What the first champion answered to drifted rows."""
    alarm: bool = False

    @classmethod
    def of(cls, name: str) -> Scene:
        """Choose which days have arrived, and write the config to that."""
        case = load_use_case(name)
        days = case.source.dates()
        known = max(2, round(KNOWN_SHARE * len(days)), min(LEAST_KNOWN, len(days) - LEAST_LATER))
        enough = len(days) > known + 1
        until = days[known - 1] if enough else None
        _configure(name, until)
        damaged = until if until is not None else days[-1] + timedelta(days=1)
        return cls(load_use_case(name), until, damaged, days[known:] if enough else [])

    @property
    def name(self) -> str:
        return self.case.name

    @property
    def paths(self) -> Paths:
        return Paths(self.name)

    @property
    def log_address(self) -> str:
        return sqlite_address(state_folder() / "log" / f"{self.name}.db")

    def champion(self) -> Bundle:
        store = Store.of(self.name)
        champion = store.champion()
        assert champion is not None
        return Bundle.open(store.bundle_folder(champion.digest))

    def evaluation(self) -> dict[str, Any]:
        return dict(files.read_metrics(self.paths.metrics("evaluate"), f"portfolio run {self.name}"))

    @cached_property
    def drift(self) -> str:
        """The first of the use case's own; empty if it has none."""
        return next(iter(self.case.drifts()), "")

    @cached_property
    def test_rows(self) -> pl.DataFrame:
        import polars as pl

        return pl.read_parquet(self.paths.splits / "test.parquet")

    @cached_property
    def _later(self) -> pl.DataFrame:
        """The rows of the days to come, as a server takes them; without such days the test rows."""
        import polars as pl

        from portfolio.data.collect import named_rows
        from portfolio.data.validate import check_rows

        if not self.later_days:
            return self.test_rows
        source, schema, limits = self.case.source, self.case.schema(), self.case.config().validate_
        batches = source.read(list(self.later_days))
        rows = (named_rows(source, day, batch) for day, batch in batches.items())
        good = pl.concat([check_rows(batch, schema, self.case, limits)[0] for batch in rows], how="vertical_relaxed")
        return good.head(MAX_LATER_ROWS) if len(good) else self.test_rows

    def drifted_rows(self, *, held_out: bool) -> pl.DataFrame:
        rows = self.case.drifts()[self.drift](self._later)
        cut = round(len(rows) * (1 - HELD_OUT_SHARE))
        return rows[cut:] if held_out else rows[:cut]


def _configure(name: str, until: date | None) -> None:
    path = config_path(name)
    config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    config["value"] = {**config["value"], "audit_share": AUDIT_SHARE}
    config["collect"] = {**(config.get("collect") or {}), "until": until}
    files.write_text(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
