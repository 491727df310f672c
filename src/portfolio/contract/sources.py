"""Sources of raw data: something that delivers batches named by date.

A collected batch never changes; collecting again adds only what is new.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, timedelta
from typing import TYPE_CHECKING

from portfolio.contract.config import Collect

if TYPE_CHECKING:
    import polars as pl


class Source(ABC):
    """Delivers batches by date."""

    @abstractmethod
    def dates(self) -> list[date]:
        """The days for which there are batches by now, in order. Cheap: nothing is fetched."""

    @abstractmethod
    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        """The raw rows of those days. Raises SourceError if the source can't be reached."""


def arrived(collect: Collect) -> list[date]:
    """The days of a collection that have arrived by `until`."""
    days = [collect.start + timedelta(days=number) for number in range(collect.batches)]
    return [day for day in days if day <= collect.until]
