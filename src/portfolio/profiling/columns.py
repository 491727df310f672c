"""What each column of a table is: a number, a category, or something that no model should see; and why."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, Literal

import polars as pl

from portfolio.contract.numbers import CURRENCIES
from portfolio.contract.sources import calendar_days, parsed_dates
from portfolio.core.cells import MISSING
from portfolio.core.errors import SourceError
from portfolio.data.normalize import plainly_signed, without_units

Kind = Literal["number", "category", "date", "text", "identifier", "code", "constant", "empty", "nested"]

MAX_CATEGORIES = 60
"""A category has a column for each of its values in most models."""
ROWS_OF_A_CATEGORY = 12
"""So many on average: a year of monthly figures for each of 47 prefectures has enough of each."""
MOSTLY = 0.98
"""The share of the values that must be numbers, or dates, for the others to be mistakes."""
FEW_WORDS = 3
"""So many different words among numbers may stand for missing ones, if each comes again and again."""
OFTEN = 3
CODED = (-1, -9, *(sign * int("9" * digits) for digits in range(2, 7) for sign in (1, -1)))
"""What stands for a missing number in old data, where it lies far from all others."""


NUMBERED = re.compile(r"(?i:(?:^|[\W_])id)$|[a-z]I[Dd]$|番号$")
"""What a column is called that numbers the rows, if each of its integers comes once."""
MEASURED = (
    rf"^[+-]?([¥$€£]|{CURRENCIES})?\s*([+-]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?)\s*([^\d\s.,:/+-]\S{{0,9}})?$"
)
"""A number with its unit."""
SIDE = re.compile(r"[CD]R\.?", re.IGNORECASE)
"""Credit or debit: on one of them an amount is negative, and each book has its own."""
SCALE = re.compile("[kKMB]|[千万億]")
"""Thousands, or millions: what lacks it beside them is a number of ones."""
EXACT = 2**53
"""Integers from here on are not told apart as floating-point numbers: they name something."""
EXAMPLES = 20
"""Enough to tell what texts are that a person would write otherwise."""
MIN_MEASURED = 10
"""Of fewer different ones, such as 36 months and 60 months, each is a category."""


@dataclass
class Column:
    """One column. Shares are of all rows, and the numbers of its values as far as the sample goes."""

    name: str
    kind: Kind
    missing_share: float
    distinct: int
    values: list[str] = field(default_factory=list)
    """Of a category, its values; of any other, a few examples."""
    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False
    missing_words: tuple[str, ...] = ()
    """Values that stand for a missing one, beside what always does."""
    unit: str = ""
    """Of numbers that are written with one, such as 23.1%."""
    without_unit: bool = False
    """Whether some of them lack it."""
    coded: str = ""
    """One of them, such as 999, that is only likely to."""
    stray: int = 0
    """Values among numbers or dates that are none: their rows will be in quarantine."""
    stray_example: str = ""
    far: int = 0
    """Numbers so far from the others that they are likely to be mistakes; the bounds leave them out."""
    far_example: float = 0.0
    first: date | None = None
    last: date | None = None
    timed: bool = False
    """Of dates: whether they have times of day, which no model sees."""
    unique: bool = False
    longest: int = 0
    """Of texts, the characters of the longest."""
    words: float = 0.0
    """Of texts: how many words, or a third of the characters where none are divided, on average."""
    characters: float = 0.0
    """Of texts that are not divided into words: how many characters, on average."""

    @property
    def nullable(self) -> bool:
        return self.missing_share > 0


def profile(rows: pl.DataFrame) -> dict[str, Column]:
    return {column.name: profile_column(column) for column in rows}


def profile_column(column: pl.Series, *, coded: bool = True) -> Column:
    """What the column is, by all of its values. `coded`: numbers such as 999 may stand for missing ones."""
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object, pl.Duration):
        return Column(column.name, "nested", column.null_count() / len(column), 0)
    if column.dtype in (pl.Date, pl.Datetime):
        return _dates(column, calendar_days(column))
    if column.dtype == pl.Boolean:
        column = column.cast(pl.String)
    if column.dtype.is_integer() and (days := _compact_dates(column.cast(pl.String))) is not None:
        return _dates(column, days)
    if column.dtype.is_integer() and _number(column.min()) >= EXACT:
        texts = column.cast(pl.String)
        return _names(texts, _counts(texts))
    if column.dtype.is_numeric():
        return _numbers(column, column.cast(pl.Float64).fill_nan(None), coded=coded)
    return _texts(column.cast(pl.String), coded=coded)


def _texts(column: pl.Series, *, coded: bool) -> Column:
    texts = column.str.strip_chars()
    texts = texts.set(texts.str.to_lowercase().is_in(MISSING), None).alias(column.name)
    present = texts.drop_nulls()
    if present.is_empty():
        return Column(column.name, "empty", 1.0, 0)
    if (days := _compact_dates(texts)) is not None:
        return _dates(texts, days)
    # Of each value once: what many rows share is the same in all of them.
    counts = _counts(texts)
    is_code = counts["value"].str.contains(r"^[+-]?0\d").any()
    if not is_code and (found := _measured(column, texts, counts, "", coded=coded)):
        return found
    unit, without = _unit(counts["value"])
    if unit and (found := _measured(column, texts, counts, unit, coded=coded)):
        # What has a unit was counted or measured, and names nothing.
        found.unit, found.without_unit = unit, without
        found.kind = "number" if found.kind == "identifier" else found.kind
        return found
    dates = _as_dates(texts, counts["value"])
    if dates is not None:
        return _dates(texts, dates)
    return _names(texts, counts)


def _counts(texts: pl.Series) -> pl.DataFrame:
    return texts.drop_nulls().alias("value").value_counts()


def _names(texts: pl.Series, counts: pl.DataFrame) -> Column:
    """Of texts that are neither numbers nor dates: categories, words, or what names one row or several."""
    present = texts.drop_nulls()
    missing = 1 - len(present) / len(texts)
    distinct = len(counts)
    examples = counts.sort("count", "value", descending=[True, False])["value"].head(EXAMPLES).to_list()
    found = Column(texts.name, "category", missing, distinct, examples, unique=distinct == len(present))
    found.words, found.characters = _words(present), _characters(present)
    found.longest = int(_number(counts["value"].str.len_chars().max()))
    # How many different values there may be grows with the rows: with few of them, a category of each helps nobody.
    allowed = min(MAX_CATEGORIES, max(20, len(texts) // ROWS_OF_A_CATEGORY))
    if distinct == 1:
        found.kind = "constant" if missing == 0 else "category"
        found.values = counts["value"].to_list()
    elif distinct <= allowed and not (found.unique and len(present) > 2):
        found.values = sorted(counts["value"])
    elif found.words >= 4:
        found.kind = "text"
    else:
        found.kind = "identifier" if distinct >= 0.95 * len(present) else "code"
    return found


def _measured(column: pl.Series, texts: pl.Series, counts: pl.DataFrame, unit: str, *, coded: bool) -> Column | None:
    """The column as numbers of this unit, or without one; None if they are something else."""
    numbers = pl.select(without_units(pl.lit(counts["value"]), unit).cast(pl.Float64, strict=False)).to_series()
    if not _are_numbers(counts, numbers):
        return None
    bare = pl.select(without_units(pl.lit(texts), unit).alias(column.name)).to_series()
    return _numbers_with_strays(column, bare, counts.filter(numbers.is_null()), coded=coded)


def _are_numbers(counts: pl.DataFrame, numbers: pl.Series) -> bool:
    """Whether texts, with how often each comes, are numbers but for mistakes and words for missing ones."""
    strays = counts.filter(numbers.is_null())
    stray = int(strays["count"].sum())
    return len(strays) < len(counts) and (
        stray <= (1 - MOSTLY) * int(counts["count"].sum()) or len(strays) <= FEW_WORDS < len(counts) - len(strays)
    )


def _unit(values: pl.Series) -> tuple[str, bool]:
    """What these texts have before or after a number, the same in all or some of them; empty if nothing.

    And whether some have none.
    """
    groups = plainly_signed(pl.lit(values)).str.extract_groups(MEASURED)
    parts = pl.select(groups).to_series().struct.unnest().drop_nulls("2")
    if len(parts) < MIN_MEASURED or parts["2"].str.contains(r"^[+-]?0\d").any():
        return "", False
    units = parts.select(pl.col("1").fill_null("") + pl.col("3").fill_null("")).to_series()
    counts = {str(unit): int(count) for unit, count in units.value_counts(sort=True).rows()}
    without = counts.pop("", 0)
    unit, count = next(iter(counts.items()), ("", 0))
    if SIDE.fullmatch(unit) or (without and SCALE.fullmatch(unit)):
        return "", False
    return (unit, without > 0) if count >= MIN_MEASURED and count + without >= MOSTLY * len(parts) else ("", False)


def _numbers_with_strays(column: pl.Series, texts: pl.Series, strays: pl.DataFrame, *, coded: bool) -> Column:
    found = _numbers(column, texts.cast(pl.Float64, strict=False), coded=coded)
    words = strays.filter(pl.col("count") >= OFTEN)
    if len(words) <= FEW_WORDS:
        found.missing_words += tuple(sorted(words["value"]))
        strays = strays.filter(pl.col("count") < OFTEN)
    if len(strays):
        # They are not missing, and their rows will be refused.
        found.stray, found.stray_example = int(strays["count"].sum()), strays["value"][0]
        found.missing_share = max(0.0, found.missing_share - found.stray / len(column))
        if found.missing_share * len(column) < 0.5:
            found.missing_share = 0.0
    return found


def _numbers(column: pl.Series, numbers: pl.Series, *, coded: bool) -> Column:
    # Infinity is nobody's measurement.
    infinite = numbers.filter(numbers.is_infinite()).unique()
    numbers = pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()
    present = numbers.drop_nulls()
    if present.is_empty():
        return Column(column.name, "empty", 1.0, 0)
    code = _coded(present) if coded else None
    if code is not None:
        present = present.filter(present != code)
    far = _far(present)
    near = present.filter(~far)
    integer = bool((present == present.floor()).all())
    distinct = present.n_unique()
    found = Column(
        column.name,
        "number",
        1 - len(present) / len(column),
        distinct,
        [_plain(value) for value in present.unique().sort().head(2000)][:MAX_CATEGORIES],
        minimum=_number(near.min()),
        maximum=_number(near.max()),
        integer=integer,
        missing_words=tuple("inf" if value > 0 else "-inf" for value in infinite.sort()),
        far=int(far.sum()),
        far_example=_number(present.filter(far).first()) if far.any() else 0.0,
        unique=distinct == len(present) == len(column),
    )
    if code is not None:
        found.coded = _plain(code)
    if distinct == 1:
        found.kind = "constant" if found.missing_share == 0 else "number"
    elif integer and distinct == len(present) >= 20:
        # Of ids that say so, a few may be missing.
        called_id = NUMBERED.search(column.name) is not None and len(present) >= MOSTLY * len(column)
        if called_id or (found.unique and _counts_rows(present)):
            found.kind = "identifier"
    return found


def _far(numbers: pl.Series) -> pl.Series:
    """Which numbers lie a hundred times as far out as all but one in a hundred do: a lost decimal point, for one.

    Bool, one for each. None is, if there are many of them, or hardly any differences.
    """
    middle = _number(numbers.median())
    # Of a column that is mostly zero, what is not zero is no mistake for that.
    others = numbers.filter(numbers != middle)
    low, high = (_number(others.quantile(share)) for share in (0.01, 0.99))
    far = (numbers - middle).abs() > 100 * max(high - middle, middle - low)
    many = far.sum() > 0.01 * len(numbers)
    return far if len(others) >= 100 and not many else far & False


def _counts_rows(numbers: pl.Series) -> bool:
    """Whether unique integers number the rows: one after the other, in order with few gaps, or as long codes.

    Prices in yen are as long, and a file may be sorted by what was measured: those lie far apart.
    """
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    room = (high - low + 1) / len(numbers)
    long_codes = low >= 1e7 and len(_plain(low)) == len(_plain(high))
    return room <= 1.5 or (room <= 10 and numbers.is_sorted()) or (room <= 100 and long_codes)


def _coded(numbers: pl.Series) -> float | None:
    """A number such as 999 that comes again and again, and lies far from all others; None if there is none."""
    if len(numbers) < 20:
        return None
    for end, other in ((_number(numbers.max()), pl.col("x").max()), (_number(numbers.min()), pl.col("x").min())):
        if end not in CODED:
            continue
        rest = numbers.filter(numbers != end).alias("x").to_frame()
        if rest.is_empty():
            continue
        nearest = rest.select(other).item()
        low, high = (_number(rest["x"].quantile(share)) for share in (0.01, 0.99))
        # -1 among numbers that are never negative is near them; 99 among ages up to 98 is not far.
        far = abs(end - nearest) > max(high - low, 1.0) if abs(end) > 9 else nearest >= 0
        if far and (numbers == end).sum() >= 3:
            return end
    return None


def _as_dates(texts: pl.Series, values: pl.Series) -> pl.Series | None:
    """The texts as dates, null where there is none, if nearly all are dates."""
    looks = values.head(200).str.contains(r"^\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}")
    if not looks.any():
        return None
    try:
        dates = parsed_dates(texts)
    except (pl.exceptions.PolarsError, SourceError):
        return None
    present = texts.count()
    return dates if present - dates.count() <= (1 - MOSTLY) * present else None


def _compact_dates(texts: pl.Series) -> pl.Series | None:
    """The texts as dates if each is one such as 20260131, of this century or the last; else they are numbers."""
    if texts.null_count() == len(texts) or not texts.str.contains(r"^(19|20)\d{6}$").all():
        return None
    days = texts.str.to_date("%Y%m%d", strict=False)
    return days if days.null_count() == texts.null_count() else None


def _dates(column: pl.Series, dates: pl.Series) -> Column:
    """`column` is null where a value is missing, `dates` also where it is not a date."""
    present = dates.drop_nulls()
    found = Column(column.name, "date", column.null_count() / max(1, len(column)), present.n_unique())
    if present.is_empty():
        found.kind = "empty"
        return found
    strays = column.filter(dates.is_null() & column.is_not_null())
    if len(strays):
        found.stray, found.stray_example = len(strays), str(strays[0])
    low, high = present.min(), present.max()
    assert isinstance(low, date)
    assert isinstance(high, date)
    found.first, found.last, found.values = low, high, [str(low), str(high)]
    # Of a large file, what is written as a number is read as one.
    found.integer = column.dtype.is_integer()
    found.timed = _are_timed(column)
    return found


def _are_timed(column: pl.Series) -> bool:
    """Whether some have a time of day that is not midnight."""
    if isinstance(column.dtype, pl.Datetime):
        return bool((column.dt.time() != time()).any())
    texts = column.cast(pl.String)
    return bool((texts.str.contains(r"\d:\d\d") & ~texts.str.contains(r"(^|\D)0?0:00(:00)?(\D|$)")).any())


def _words(texts: pl.Series) -> float:
    return max(_divided(texts), _characters(texts) / 3)


def _divided(texts: pl.Series) -> float:
    return _number(texts.head(1000).str.count_matches(r"\S+").mean())


def _characters(texts: pl.Series) -> float:
    """Of texts that are not divided into words; else 0."""
    sample = texts.head(1000)
    wide = _number(sample.str.count_matches(r"[\u3040-\u30ff\u4e00-\u9fff]").mean())
    return _number(sample.str.len_chars().mean()) if wide / 3 > _divided(texts) else 0.0


def _number(value: Any) -> float:
    return float(value or 0.0)


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def twins(rows: pl.DataFrame, columns: Iterable[Column]) -> dict[str, str]:
    """Columns that say the same as an earlier one, under whatever names for its values; and that earlier one.

    Two columns of numbers say the same only if one rises or falls with the other: that each value of the one has a
    value of the other is also true of a postcode and a latitude.
    """
    found: dict[str, str] = {}
    seen: dict[bytes, list[Column]] = {}
    for column in columns:
        digest, distinct = _partition(rows[column.name])
        for other in seen.setdefault(digest, []):
            if column.kind == other.kind == "number":
                same = _same_order(rows[column.name], rows[other.name])
            else:
                # Two columns with a value of its own in each row say the same only if the values are the same.
                texts = [rows[name].cast(pl.String) for name in (column.name, other.name)]
                same = distinct < 0.9 * len(rows) or texts[0].equals(texts[1])
            if same:
                found[column.name] = other.name
                break
        else:
            seen[digest].append(column)
    return found


def _same_order(column: pl.Series, other: pl.Series) -> bool:
    """Whether one rises, or falls, with the other from row to row."""
    ranks, others = (each.cast(pl.Float64, strict=False).rank("dense").cast(pl.Int64) for each in (column, other))
    return ranks.equals(others) or ranks.equals(_number(others.max()) + 1 - others.cast(pl.Float64), check_dtypes=False)


def _partition(column: pl.Series) -> tuple[bytes, int]:
    """A digest of which rows share a value, whatever the values are; and how many values there are."""
    first = pl.DataFrame({"value": column, "row": pl.int_range(len(column), eager=True)}).select(
        pl.col("row").min().over("value")
    )["row"]
    return hashlib.sha256(first.to_numpy().tobytes()).digest(), first.n_unique()
