"""How a file of a use case was written, as it declares it."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Pydantic reads those of typing from Python 3.12 on.
from typing_extensions import TypedDict

from portfolio.core.errors import ConfigError


class Written(TypedDict, total=False):
    """What a use case may say of how its CSV files were written."""

    encoding: str
    separator: str
    decimal: str
    thousands: str
    skip_rows: int
    skip_footer: int
    missing: Mapping[str, tuple[str, ...]]
    columns: Sequence[str]
    sheet: str


@dataclass(frozen=True)
class Format:
    """How a CSV file was written. Raises ConfigError for what can't be.

    `decimal` is the decimal mark, `thousands` what stands between groups of three digits. `skip_rows` lines stand
    before the names of the columns, and up to `skip_footer` lines after the last row: one there that reads as a row is
    one. `missing` has, by column, what stands for a missing value there, such as 999, beside what always does.
    `columns` names the columns of a file that does not do so itself; they come before the first row then. `sheet` names
    the sheet of a workbook, which else is the first one. Of a workbook, what comes before and after its rows, `columns`
    and `missing` count too.
    """

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    skip_rows: int = 0
    skip_footer: int = 0
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Sequence[str] = ()
    sheet: str = ""

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ConfigError(
                f"There is no encoding '{self.encoding}'. Common ones are utf-8, utf-16, cp932, cp1252, latin-1."
            ) from error
        if len(self.separator) != 1:
            raise ConfigError(rf"separator={self.separator!r} must be one character, such as ';' or '\t'.")
        if self.decimal not in (".", ","):
            raise ConfigError(f"decimal={self.decimal!r} must be '.' or ','.")
        if self.thousands not in ("", ",", ".", " ", "'") or self.thousands == self.decimal:
            raise ConfigError(
                f"thousands={self.thousands!r} must be what stands between groups of three digits: ',', '.', ' ' or "
                '"\'", and not the decimal mark.'
            )
        for column, words in self.missing.items():
            if isinstance(words, str) or not all(isinstance(word, str) for word in words):
                raise ConfigError(f"missing: write the values of '{column}' as a list of texts, such as [\"999\"].")
        if self.skip_rows < 0 or self.skip_footer < 0:
            raise ConfigError("skip_rows and skip_footer are numbers of lines, and can't be negative.")
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ConfigError(f"columns= has {', '.join(map(repr, twice))} twice. Each column needs a name of its own.")
