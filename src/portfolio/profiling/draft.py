"""What a use case would declare about a file: the target, the inputs, and why each other column is left out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import polars as pl

from portfolio.contract.checks import RESERVED
from portfolio.contract.csv_file import plain_numbers
from portfolio.contract.sources import ROW
from portfolio.core.cells import MISSING
from portfolio.core.errors import ConfigError, DataError
from portfolio.data.leaks import STRONG, TOLD, explained, find_leaks
from portfolio.data.normalize import without_units
from portfolio.profiling.baseline import Baseline, baseline
from portfolio.profiling.codes import is_code
from portfolio.profiling.columns import MAX_CATEGORIES, Column, profile, profile_column, twins
from portfolio.profiling.sample import Sample, with_missing

MIN_ROWS = 50
MAX_CLASSES = 100
MAX_COUNT_CLASSES = 20
"""A target of more different numbers is a quantity."""
MIN_ROWS_PER_CLASS = 5

UNSURE_DATE = re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}\b")
WITH_UNIT = re.compile(r"[$€£¥￥]\s*[+-]?\d[\d.,]*$|[+-]?\d[\d.,]*\s*([%円人件個]|[mck]?m|m?l|[mk]?g|m²|min|h)$")

MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
PERIOD = re.compile(
    rf"(明治|大正|昭和|平成|令和)\s*(\d+|元)年度?|({MONTH})[a-z]*\W*(\d{{2}}|\d{{4}})|\d{{4}}([-/.]|年)\d{{1,2}}月?|"
    r"\d{4}\W?q[1-4]",
    re.IGNORECASE,
)
"""A year, a quarter or a month: the next one has a name of its own."""

NO_LABEL = [word for word in MISSING if word != "none"]
"""A class may well be called none."""

Role = Literal["input", "target", "key", "date", "left out"]


@dataclass(frozen=True)
class Wanted:
    """What the user said on the command line; empty where nothing was said."""

    target: str
    key: str = ""
    date: str = ""
    split_by: Sequence[str] = ()
    drop: Sequence[str] = ()
    positive: str = ""
    text: str = ""


@dataclass
class Decision:
    column: Column
    role: Role
    why: str = ""


@dataclass
class Draft:
    """Everything that the use case's files are written from."""

    sample: Sample
    decisions: dict[str, Decision]
    target: Column
    quantity: bool
    counts: dict[str, int]
    """Rows of the sample by label, in the order in which the classes are declared; empty for a quantity."""
    log: bool
    key: str
    date: str
    split_by: tuple[str, ...]
    without_target: float
    """The share of the rows that lack the target."""
    baseline: Baseline | None = None
    strong: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_lopsided(self) -> bool:
        """Whether nearly all rows are of one class, so that the share of right answers says little."""
        return bool(self.counts) and max(self.counts.values()) > 0.9 * sum(self.counts.values())

    @property
    def metric(self) -> str:
        """The metric to declare; empty for the usual one."""
        if not self.is_lopsided:
            return ""
        return "average_precision" if len(self.counts) == 2 else "balanced_accuracy"

    @property
    def inputs(self) -> list[Column]:
        return [found.column for found in self.decisions.values() if found.role == "input"]

    @property
    def left_out(self) -> list[str]:
        """The columns to be ignored: a split may still read them."""
        return [name for name, found in self.decisions.items() if found.role in ("left out", "date")]


def draft(sample: Sample, wanted: Wanted, ask: Callable[[str], bool] = lambda question: True) -> Draft:
    """Decide; `ask` is asked what only a person knows, and says yes or no.

    Raises ConfigError for what was named and is not there, DataError for data that can't be learnt from.
    """
    rows = sample.rows
    _check_names(rows, wanted)
    _check_reserved(sample, wanted)
    if len(rows.columns) < 2:
        raise DataError(f"{sample.path} has one column, '{rows.columns[0]}'. A model needs a target and an input.")
    if sample.total < MIN_ROWS:
        raise DataError(
            f"{sample.path} has {sample.total} rows. At least {MIN_ROWS} are needed, to train on some and test on "
            "others; a few hundred for a result that says much."
        )
    columns = profile(rows)
    columns[wanted.target] = _as_target(rows, profile_column(rows[wanted.target], coded=False))
    for column in columns.values():
        if column.coded and not ask(f"'{column.name}': does {column.coded} stand for a missing value?"):
            columns[column.name] = profile_column(rows[column.name], coded=False)
    found = _target(sample, columns[wanted.target], wanted)
    decisions = {name: Decision(column, "input") for name, column in columns.items()}
    found.decisions = decisions
    found.notes += [
        f"'{column.name}': {column.coded} was taken to mean missing. If it is a value, delete it from missing= in "
        "use_case.py, and widen the bounds."
        for column in columns.values()
        if column.coded
    ]
    decisions[wanted.target].role = "target"
    if not found.quantity and len(found.counts) > 2 and found.target.kind == "number":
        found.notes.append(
            f"If the classes of '{wanted.target}' are in an order, as grades are, say so: Classes(..., ordered=True)."
        )
    found.split_by = tuple(wanted.split_by)
    for name in wanted.drop:
        decisions[name] = Decision(columns[name], "left out", "you dropped it")
    _choose_key(found, wanted)
    _choose_date(found, wanted)
    _leave_out_kinds(found)
    _choose_text(found, wanted)
    _leave_out_twins(found)
    _leave_out_leaks(found)
    _take_codes_as_categories(found)
    if not sample.whole:
        _look_at_all(found)
    if not found.inputs:
        raise DataError(
            f"{sample.path}: no column is left that a model could learn from. "
            + "; ".join(f"'{name}': {each.why}" for name, each in decisions.items() if each.role != "target")
            + "."
        )
    missing = {column.name: tuple(_missing_words(column)) for column in columns.values() if _missing_words(column)}
    found.sample = Sample(sample.path, with_missing(sample.written, missing), rows, sample.total, sample.lazy)
    found.baseline = _baseline(found)
    return found


def _check_names(rows: pl.DataFrame, wanted: Wanted) -> None:
    named = {"--target": [wanted.target], "--key": [wanted.key], "--date": [wanted.date]}
    named |= {"--split-by": list(wanted.split_by), "--drop": list(wanted.drop), "--text": [wanted.text]}
    for option, names in named.items():
        for name in names:
            if name and name not in rows.columns:
                near = difflib.get_close_matches(name, rows.columns, 1, 0.6)
                meant = f" Did you mean '{near[0]}'?" if near else ""
                raise ConfigError(f"{option}: there is no column '{name}'.{meant} There are: {listed(rows.columns)}.")
    for option, name in (("--key", wanted.key), ("--date", wanted.date), *(("--drop", name) for name in wanted.drop)):
        if name and name == wanted.target:
            raise ConfigError(f"{option}: '{name}' is the target.")


def listed(names: Sequence[str]) -> str:
    """The names, or the first and the last of many: a target is often the last column."""
    shown_names = list(names) if len(names) <= 40 else [*names[:25], "...", *names[-10:]]
    return ", ".join(shown_names)


def _check_reserved(sample: Sample, wanted: Wanted) -> None:
    for name, meaning in ({ROW: "the place of a row without a key"} | RESERVED).items():
        if name in sample.rows.columns and name != wanted.key:
            raise DataError(
                f"{sample.path}: the project adds a column '{name}' itself ({meaning}). Rename the one in the file."
            )


def _as_target(rows: pl.DataFrame, column: Column) -> Column:
    """The column as a target: of labels, a code is as good as any, and a word for nothing may be a class."""
    if column.kind in ("constant", "category") and column.missing_share:
        word = rows[column.name].cast(pl.String).str.strip_chars().str.to_lowercase() == "none"
        if word.sum() >= MIN_ROWS_PER_CLASS:
            labels = _label_counts(rows[column.name], column)
            column.kind, column.values, column.distinct = "category", sorted(labels), len(labels)
            column.missing_share = 1 - sum(labels.values()) / len(rows)
    if column.kind in ("code", "identifier", "text"):
        counts = rows[column.name].cast(pl.String).value_counts()
        if len(counts) <= MAX_CLASSES and column.distinct * MIN_ROWS_PER_CLASS <= len(rows):
            column.kind, column.values = "category", sorted(value for value in counts[column.name] if value is not None)
    return column


def _target(sample: Sample, column: Column, wanted: Wanted) -> Draft:
    name, rows = column.name, sample.rows
    where = f"{sample.path}: the target '{name}'"
    if column.kind in ("constant", "empty") or column.distinct < 2:
        raise DataError(f"{where} has one value or none: there is nothing to predict. Choose another column.")
    if column.kind in ("date", "nested"):
        raise DataError(f"{where} holds {'dates' if column.kind == 'date' else 'lists'}, which no model here predicts.")
    quantity = column.kind == "number" and (column.distinct > MAX_COUNT_CLASSES or not column.integer)
    if column.kind in ("identifier", "text", "code"):
        raise DataError(
            f"{where} has {column.distinct:,} different values in {len(rows):,} rows, such as '{column.values[0]}': "
            f"too many to be classes (up to {MAX_CLASSES}, of {MIN_ROWS_PER_CLASS} rows or more), and they are no "
            "numbers. Choose another column, or group its values."
        )
    counts: dict[str, int] = {}
    log = False
    if quantity:
        log = _is_skewed(model_column(rows, column), column)
        if wanted.positive:
            raise ConfigError(f"--positive is for a class, and the target '{name}' is a quantity. Leave it out.")
    else:
        counts = _ordered(_label_counts(rows[name], column), wanted.positive)
    return Draft(sample, {}, column, quantity, counts, log, "", "", (), column.missing_share)


def _label_counts(values: pl.Series, column: Column) -> dict[str, int]:
    labels = values.cast(pl.Float64).cast(pl.Int64) if column.kind == "number" else values.cast(pl.String)
    texts = labels.cast(pl.String).str.strip_chars()
    texts = texts.filter(texts.is_not_null() & ~texts.str.to_lowercase().is_in(NO_LABEL)).alias("label")
    counts = texts.value_counts()
    return dict(sorted(zip(counts["label"], counts["count"], strict=True), key=lambda item: _sorting(item[0])))


def _sorting(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


YES = ("1", "yes", "y", "true", "t", "positive", "はい", "有", "あり")


def _ordered(counts: dict[str, int], positive: str) -> dict[str, int]:
    """With the class of interest last, as scikit-learn has it: the one that was named; of two, yes, or the rarer."""
    if positive and positive not in counts:
        raise ConfigError(f"--positive: there is no class '{positive}'. There are: {', '.join(counts)}.")
    if not positive and len(counts) == 2:
        said = [label for label in counts if label.lower() in YES]
        positive = said[0] if said else min(counts, key=lambda label: counts[label])
    return {label: count for label, count in counts.items() if label != positive} | (
        {positive: counts[positive]} if positive else {}
    )


def _is_skewed(values: pl.Series, column: Column) -> bool:
    """Whether a logarithm would help: the values are above 0, and some are many times the median."""
    if column.minimum is None or column.minimum <= 0:
        return False
    numbers = values.drop_nulls()
    high, median = numbers.quantile(0.99), numbers.median()
    return isinstance(high, float) and isinstance(median, float) and high > 4 * median


def _choose_key(found: Draft, wanted: Wanted) -> None:
    rows = found.sample.rows
    if wanted.key:
        column = rows[wanted.key]
        if column.null_count():
            raise ConfigError(
                f"--key: {column.null_count():,} rows have no '{wanted.key}', and a key names every row. Choose "
                "another column, or none: a row is then named by its batch and its place in it."
            )
        again = column.filter(column.is_duplicated())
        if len(again):
            raise ConfigError(
                f"--key: {len(again):,} rows share their '{wanted.key}' with another, such as {again[0]!r}, and a key "
                f"names one row. If rows with the same one belong together: --split-by '{wanted.key}'."
            )
        found.key = wanted.key
    else:
        free = [name for name, each in found.decisions.items() if each.role == "input"]
        candidates = [found.decisions[name].column for name in free]
        whole = found.sample.whole
        named = [
            column.name
            for column in candidates
            if column.kind == "identifier" and column.unique and not column.missing_share and whole
            if not _written_otherwise(column)
        ]
        found.key = named[0] if named else ""
    if found.key:
        found.decisions[found.key].role = "key"
        found.decisions[found.key].why = "names each row"


def _choose_date(found: Draft, wanted: Wanted) -> None:
    dates = [
        each.column
        for each in found.decisions.values()
        if each.column.kind == "date" and each.role not in ("left out",)
    ]
    chosen = found.decisions[wanted.date].column if wanted.date else dates[0] if len(dates) == 1 else None
    if chosen is None:
        return
    if chosen.kind != "date":
        raise ConfigError(f"--date: '{chosen.name}' does not hold dates, but for example '{chosen.values[0]}'.")
    faults = []
    if chosen.last and chosen.last > date.today():
        faults.append(f"it has dates in the future, up to {chosen.last}")
    if chosen.missing_share or chosen.stray:
        faults.append(f"{chosen.missing_share:.1%} of the rows have no date in it")
    if faults and wanted.date:
        raise ConfigError(f"--date: '{chosen.name}' can't date the rows: {' and '.join(faults)}. Correct the file.")
    if faults:
        found.notes.append(f"'{chosen.name}' does not date the rows: {' and '.join(faults)}.")
        return
    found.date = chosen.name
    found.decisions[chosen.name].role = "date"
    found.decisions[chosen.name].why = f"dates the rows: {chosen.first} to {chosen.last}"


def _leave_out_kinds(found: Draft) -> None:
    for decision in found.decisions.values():
        if decision.role != "input":
            continue
        why = _no_input(decision.column, len(found.sample.rows))
        if why and decision.column.name in found.split_by:
            why = "rows that share one are in the same split"
        if why:
            decision.role, decision.why = "left out", why
        else:
            _describe_input(decision)


def _choose_text(found: Draft, wanted: Wanted) -> None:
    """Take a column of free text as the only input, if it was named, or if there is nothing else."""
    texts = [name for name, each in found.decisions.items() if each.column.kind == "text" and each.role == "left out"]
    named = wanted.text or (texts[0] if len(texts) == 1 and not found.inputs else "")
    if not named:
        found.notes += [
            f"'{name}' is free text, which a model of the other columns can't use. For a model of the text alone: "
            f"--text {_quoted(name)}"
            for name in texts
            if found.inputs
        ]
        return
    column = found.decisions[named].column
    if not column.longest:
        raise ConfigError(f"--text: '{named}' does not hold texts. Name a column of words or sentences.")
    for decision in found.decisions.values():
        if decision.role == "input":
            decision.role, decision.why = "left out", f"a model of texts takes '{named}' alone"
    column.kind = "text"
    found.decisions[named] = Decision(
        column, "input", f"{column.words:.0f} words on average, up to {column.longest} characters"
    )


def _no_input(column: Column, total: int) -> str:
    """Why no model here can use the column; empty if one can."""
    if not column.name:
        return "has no name, as an index that a program wrote"
    if other := _written_otherwise(column):
        return other
    distinct = f"{column.distinct:,} different values in {total:,} rows"
    return {
        "constant": "the same in every row",
        "empty": "empty in every row",
        "date": "a date: a model can use what follows from it, such as the weekday; add that as a column",
        "nested": "lists, or bytes",
        "text": f"free text ({column.words:.0f} words on average)",
        "identifier": f"names the rows rather than describing them ({distinct})",
        "code": f"too many to be categories ({distinct}); if rows that share one belong together: "
        f"--split-by {_quoted(column.name)}",
    }.get(column.kind, "")


def _written_otherwise(column: Column) -> str:
    """Of texts that are dates or numbers to a person: how to write them; empty for any other column."""
    texts = column.kind in ("category", "identifier", "code") and column.distinct > 2
    if texts and all(PERIOD.fullmatch(value.strip()) for value in column.values):
        return (
            f"points in time, such as {column.values[0]}, of which new rows have later ones: write them as 2026-01-31 "
            "to date the rows, or the month or the year as a number"
        )
    if column.kind in ("identifier", "code") and column.values:
        example = column.values[0]
        if UNSURE_DATE.match(example):
            return f"dates with the day or the month first, such as {example}: write them as 2026-01-31"
        if WITH_UNIT.match(example):
            return f"numbers with a sign or a unit, such as {example}: write the numbers alone"
    return ""


def _describe_input(decision: Decision) -> None:
    column, said = decision.column, []
    if column.kind == "number" and column.minimum is not None and column.maximum is not None:
        said.append(f"{shown(column.minimum)} to {shown(column.maximum)} {column.unit}".rstrip())
    elif column.kind == "category":
        said.append(
            ", ".join(" ".join(value.split()) for value in column.values[:5])
            + (f" and {column.distinct - 5} more" if column.distinct > 5 else "")
        )
    words = _missing_words(column)
    if column.missing_share:
        said.append(f"missing in {share_of(column.missing_share)}" + (f" ({', '.join(words)} too)" if words else ""))
    if column.stray:
        said.append(f"{column.stray:,} values are not numbers, such as '{column.stray_example}': rejected")
    if column.far:
        said.append(f"{column.far:,} values are far from all others, such as {shown(column.far_example)}: rejected")
    decision.why = "; ".join(said)


def shown(value: float) -> str:
    """Four digits as in years; thousands are divided from five digits on."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def share_of(part: float) -> str:
    """A share as people say it: what there is of it is never 0."""
    return f"{part:.1%}" if part >= 0.001 else "under 0.1%"


def _missing_words(column: Column) -> list[str]:
    return [*column.missing_words, *([column.coded] if column.coded else [])]


def _leave_out_twins(found: Draft) -> None:
    for name, other in twins(found.sample.rows, found.inputs).items():
        found.decisions[name].role = "left out"
        found.decisions[name].why = f"says the same as '{other}', row by row"


def _leave_out_leaks(found: Draft) -> None:
    columns = {column.name: model_column(found.sample.rows, column) for column in found.inputs}
    target = model_column(found.sample.rows, found.target, NO_LABEL)
    strengths = explained(columns, target, quantity=found.quantity)
    for leak in find_leaks(columns, target, quantity=found.quantity, strengths=strengths):
        for name in leak.columns:
            others = [other for other in leak.columns if other != name]
            together = f" together with {', '.join(map(repr, others))}" if others else " alone"
            found.decisions[name].role = "left out"
            found.decisions[name].why = (
                f"gives the target away:{together} it tells {leak.explained:.1%} of it. If it is known before the "
                f"prediction is needed, take it as an input and add it to `trusted`"
            )
    found.strong = {
        column.name: strengths[column.name] for column in found.inputs if STRONG <= strengths[column.name] < TOLD
    }


def _take_codes_as_categories(found: Draft) -> None:
    target = model_column(found.sample.rows, found.target, NO_LABEL)
    for column in found.inputs:
        if is_code(column, model_column(found.sample.rows, column), target, quantity=found.quantity):
            column.kind = "category"
            decision = found.decisions[column.name]
            _describe_input(decision)
            decision.why += "; codes, since the target does not rise or fall with them"


def model_column(rows: pl.DataFrame, column: Column, missing: Sequence[str] = MISSING) -> pl.Series:
    """The values as a model would see them: numbers, or texts; null for what is missing, such as those words."""
    values = rows[column.name]
    if column.kind != "number":
        texts = values.cast(pl.String).str.strip_chars()
        return texts.set(texts.str.to_lowercase().is_in(missing), None)
    if values.dtype == pl.String:
        values = pl.select(without_units(pl.lit(values), column.unit)).to_series()
    numbers = values.cast(pl.Float64, strict=False).fill_nan(None)
    return numbers.set(numbers == float(column.coded), None) if column.coded else numbers


def _look_at_all(found: Draft) -> None:
    """Bounds, categories and missing values by all rows, where the sample had only some of them."""
    lazy, schema = found.sample.lazy, found.sample.lazy.collect_schema()
    exprs, categories = [], []
    for column in [*found.inputs, found.target]:
        value = pl.col(column.name)
        if column.kind == "number":
            if schema[column.name] == pl.String:
                value = without_units(plain_numbers(value, found.sample.written), column.unit)
            number = value.cast(pl.Float64, strict=False)
            number = pl.when(number.is_finite()).then(number)
            if column.coded:
                number = pl.when(number != float(column.coded)).then(number)
            near = number.filter(_is_near(number, column))
            exprs += [
                near.min().alias(f"min {column.name}"),
                near.max().alias(f"max {column.name}"),
                number.null_count().alias(f"null {column.name}"),
            ]
        elif column.kind == "category":
            if schema[column.name].is_float() and column.integer:
                value = value.cast(pl.Int64)
            text = value.cast(pl.String).str.strip_chars()
            text = pl.when(~text.str.to_lowercase().is_in(MISSING)).then(text)
            exprs.append(text.null_count().alias(f"null {column.name}"))
            categories.append((column, text.alias("value")))
    plans = [lazy.select(exprs), *(lazy.select(text).group_by("value").len() for _, text in categories)]
    totals, *values = pl.collect_all(plans, engine="streaming")
    stated = totals.row(0, named=True)
    for column in [*found.inputs, found.target]:
        if column.kind == "number":
            column.minimum, column.maximum = stated[f"min {column.name}"], stated[f"max {column.name}"]
        if f"null {column.name}" in stated:
            column.missing_share = stated[f"null {column.name}"] / found.sample.total - column.stray / len(
                found.sample.rows
            )
    for (column, _), table in zip(categories, values, strict=True):
        counts = dict(table.drop_nulls().rows())
        column.distinct, column.values = len(counts), sorted(counts)
        if column is found.target:
            found.counts = {label: counts.get(label, 0) for label in found.counts} | {
                label: count for label, count in counts.items() if label not in found.counts
            }
        elif len(counts) > MAX_CATEGORIES:
            # The rare ones are not declared: their rows would otherwise be hundreds of columns of zeros.
            found.decisions[column.name].role = "left out"
            found.decisions[column.name].why = f"too many to be categories ({len(counts):,} in all rows)"
    for decision in found.decisions.values():
        if decision.role == "input":
            _describe_input(decision)


def _is_near(number: pl.Expr, column: Column) -> pl.Expr:
    """Whether a number is not so far from those of the sample that it is likely to be a mistake."""
    assert column.minimum is not None
    assert column.maximum is not None
    room = 100 * (column.maximum - column.minimum)
    return number.is_between(column.minimum - room, column.maximum + room) if room else pl.lit(True)


def _baseline(found: Draft) -> Baseline | None:
    rows = found.sample.rows
    by_kind = {
        kind: [model_column(rows, column) for column in found.inputs if column.kind == kind]
        for kind in ("number", "category", "text")
    }
    target = model_column(rows, found.target, NO_LABEL)
    groups = rows.select(found.split_by) if found.split_by else None
    return baseline(
        by_kind["number"], by_kind["category"], by_kind["text"], target, quantity=found.quantity, groups=groups
    )


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
