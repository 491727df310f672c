"""What a use case would declare about a file: the target, the inputs, and why each other column is left out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal
from unicodedata import normalize

import polars as pl

from portfolio.contract.checks import reserved
from portfolio.contract.sources import ROW
from portfolio.contract.tables import sheets_of
from portfolio.core.counted import counted
from portfolio.core.errors import ConfigError, DataError
from portfolio.data.leaks import STRONG, TOLD, explained, find_leaks
from portfolio.data.normalize import dates
from portfolio.profiling.all_rows import look_at_all
from portfolio.profiling.baseline import Baseline, baseline
from portfolio.profiling.codes import is_code
from portfolio.profiling.columns import NUMBERED, Column, profile, profile_column, twins
from portfolio.profiling.look_alikes import alike
from portfolio.profiling.sample import Sample, line_of, with_missing
from portfolio.profiling.several import several
from portfolio.profiling.target import are_grades, as_target, if_classes, target_of
from portfolio.profiling.unsure_dates import UnsureDate, unsure_date
from portfolio.profiling.values import NO_LABEL, model_column, plausible
from portfolio.profiling.words import described, length_of, missing_words, no_input, quoted, share_of, written_otherwise

MIN_ROWS = 50
WORDS_OF_A_TEXT = 2
YEARS_OF_ROWS = 20
"""Dates of more years are rather those of birth, or when something was built."""
DROPPED = "you dropped it"
INDEX = re.compile(r"Unnamed: [\d.]+")
"""What pandas calls the column of its index when it reads a file back."""

Role = Literal["input", "target", "key", "date", "left out"]


@dataclass(frozen=True)
class Wanted:
    """What the user said on the command line; empty where nothing was said."""

    target: str
    key: str = ""
    date: str = ""
    split_by: Sequence[str] = ()
    drop: Sequence[str] = ()
    keep: Sequence[str] = ()
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
    without_target: float
    """The share of the rows that lack the target."""
    key: str = ""
    date: str = ""
    split_by: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    """Inputs that may tell nearly all of the target, since the user said that they are known in time."""
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
            f"{sample.path} has {counted(sample.total, 'row')}. At least {MIN_ROWS} are needed, to train on some and "
            "test on others; a few hundred for a result that says much."
        )
    columns = profile(rows)
    columns[wanted.target] = as_target(rows, profile_column(rows[wanted.target], coded=False))
    for column in columns.values():
        if column.coded and not ask(f"'{column.name}': does {column.coded} stand for a missing value?"):
            columns[column.name] = profile_column(rows[column.name], coded=False)
    target = target_of(sample, columns[wanted.target], wanted.positive)
    decisions = {name: Decision(column, "input") for name, column in columns.items()}
    found = Draft(sample, decisions, *target, without_target=target.column.missing_share)
    found.notes += _said_of_sheets(sample)
    found.notes += [
        f"'{column.name}': {column.coded} was taken to mean missing. If it is a value, delete it from missing= in "
        "use_case.py, and widen the bounds."
        for column in columns.values()
        if column.coded
    ]
    found.notes += if_classes(target, len(rows))
    decisions[wanted.target].role = "target"
    if not found.quantity and are_grades(found.target, list(found.counts)):
        found.notes.append(
            f"If the classes of '{wanted.target}' are in an order, as grades are, say so: Classes(..., ordered=True)."
        )
    found.split_by, found.trusted = tuple(wanted.split_by), tuple(dict.fromkeys(wanted.keep))
    for name in wanted.drop:
        decisions[name] = Decision(columns[name], "left out", DROPPED)
    _choose_key(found, wanted)
    _choose_date(found, wanted, ask)
    _leave_out_kinds(found)
    _choose_text(found, wanted)
    _leave_out_twins(found)
    _leave_out_leaks(found)
    _take_codes_as_categories(found)
    if not sample.whole:
        look_at_all(found)
    _check_kept(found)
    if not found.inputs:
        raise DataError(
            f"{sample.path}: no column is left that a model could learn from. "
            + "; ".join(f"'{name}': {each.why}" for name, each in decisions.items() if each.role != "target")
            + "."
            + _hint_of_text(found)
        )
    _say_of_categories(found)
    missing = {column.name: tuple(missing_words(column)) for column in columns.values() if missing_words(column)}
    found.sample = Sample(sample.path, with_missing(sample.written, missing), rows, sample.total, sample.lazy)
    found.baseline = _baseline(found)
    return found


def _said_of_sheets(sample: Sample) -> list[str]:
    """Which sheet of a workbook was taken, where there are several."""
    if not sample.written.sheet:
        return []
    others = [sheet for sheet in sheets_of(sample.path, str(sample.path)) if sheet != sample.written.sheet]
    return [
        f"The rows are those of the sheet '{sample.written.sheet}'. There are also: {', '.join(others)}. "
        "If the rows are in one of them, move it to the front."
    ]


def _hint_of_text(found: Draft) -> str:
    """Which column of several words could be an input after all."""
    for name, decision in found.decisions.items():
        free = decision.role == "key" or (decision.role == "left out" and decision.why != DROPPED)
        if free and _is_of_words(decision.column):
            return f" For a model of the text alone: --text {quoted(name)}"
    return ""


def _is_of_words(column: Column) -> bool:
    return column.longest > 0 and column.words >= WORDS_OF_A_TEXT and not written_otherwise(column)


def _check_names(rows: pl.DataFrame, wanted: Wanted) -> None:
    named = {"--target": [wanted.target], "--key": [wanted.key], "--date": [wanted.date]}
    named |= {"--split-by": list(wanted.split_by), "--drop": list(wanted.drop), "--text": [wanted.text]}
    named |= {"--keep": list(wanted.keep)}
    for option, names in named.items():
        for name in names:
            if name and name not in rows.columns:
                if name in (normalize("NFC", column) for column in rows.columns):
                    raise ConfigError(
                        f"{option}: '{name}' is written there with its marks apart, as Macs do (Unicode NFD), so that "
                        "it is another name to a program. Rename the column in the file."
                    )
                near = difflib.get_close_matches(name, rows.columns, 1, 0.6)
                meant = f" Did you mean '{near[0]}'?" if near else ""
                raise ConfigError(f"{option}: there is no column '{name}'.{meant} There are: {listed(rows.columns)}.")
    for option in ("--key", "--date", "--drop", "--keep", "--text"):
        if wanted.target in named[option]:
            raise ConfigError(f"{option}: '{wanted.target}' is the target.")
    if wanted.text and wanted.text == wanted.key:
        raise ConfigError(f"'{wanted.text}' can't be both the key and the text. Name it after --key or --text alone.")
    if both := [name for name in wanted.keep if name in wanted.drop]:
        raise ConfigError(f"'{both[0]}' can't be both kept and dropped. Name it after --keep or --drop alone.")


def listed(names: Sequence[str]) -> str:
    """The names, or the first and the last of many: a target is often the last column."""
    shown_names = list(names) if len(names) <= 40 else [*names[:25], "...", *names[-10:]]
    return ", ".join(shown_names)


def _check_reserved(sample: Sample, wanted: Wanted) -> None:
    for name in sample.rows.columns:
        if name == ROW and not wanted.key:
            raise DataError(
                f"{sample.path}: the project adds a column '{ROW}' itself (the place of a row without a key). Name the "
                f"column that names each row, such as --key {ROW}; or rename the one in the file."
            )
        if name not in wanted.drop and (why := reserved(name)):
            raise DataError(f"{sample.path}: {why}. Rename the one in the file, or leave it out: --drop '{name}'.")


def _choose_key(found: Draft, wanted: Wanted) -> None:
    rows = found.sample.rows
    if wanted.key:
        values = rows[wanted.key]
        if values.null_count():
            raise ConfigError(
                f"--key: {counted(values.null_count(), 'row')} without '{wanted.key}', and a key names every row. "
                "Choose another column, or none: a row is then named by its batch and its place in it."
            )
        again = values.filter(values.is_duplicated())
        if len(again):
            raise ConfigError(
                f"--key: {len(again):,} rows share their '{wanted.key}' with another, such as {again[0]!r}, and a key "
                f"names one row. If rows with the same one belong together: --split-by '{wanted.key}'."
            )
        found.key = wanted.key
    else:
        free = [name for name, each in found.decisions.items() if each.role == "input" and name != wanted.text]
        candidates = [found.decisions[name].column for name in free]
        whole = found.sample.whole
        named = [
            column.name
            for column in candidates
            if column.kind == "identifier" and column.unique and not column.missing_share and whole
            if not written_otherwise(column) and not _numbers_the_file(column)
        ]
        for column in filter(_numbers_the_file, candidates):
            found.decisions[column.name].role = "left out"
            found.decisions[column.name].why = (
                "numbers the rows of this file, and the next file may begin anew. If each number is of one row for "
                f"good: --key {quoted(column.name)}"
            )
        found.key = named[0] if named else ""
    if found.key:
        found.decisions[found.key].role = "key"
        found.decisions[found.key].why = "names each row"


def _numbers_the_file(column: Column) -> bool:
    """Whether it is an index that a program wrote beside the rows, rather than a number that each row has for good."""
    if column.kind != "identifier" or not column.unique or column.minimum is None or column.maximum is None:
        return False
    from_the_start = column.minimum in (0, 1) and column.maximum - column.minimum + 1 == column.distinct
    return bool(INDEX.fullmatch(column.name)) or (from_the_start and not NUMBERED.search(column.name))


def _choose_date(found: Draft, wanted: Wanted, ask: Callable[[str], bool]) -> None:
    dates = [
        each.column
        for each in found.decisions.values()
        if each.column.kind == "date" and each.role not in ("left out",)
    ]
    chosen = found.decisions[wanted.date].column if wanted.date else dates[0] if len(dates) == 1 else None
    if chosen is None:
        names = [column.name for column in dates]
        if names:
            found.notes.append(
                f"{listed(list(map(repr, names)))} hold dates, and none of them dates the rows. If one says "
                f"when a row came: --date {quoted(names[0])}"
            )
        return
    if chosen.kind != "date":
        raise ConfigError(f"--date: '{chosen.name}' does not hold dates, but for example '{chosen.values[0]}'.")
    faults = []
    # Somewhere it is tomorrow already.
    if chosen.last and chosen.last > date.today() + timedelta(days=1):
        faults.append(f"it has dates in the future, up to {chosen.last}")
    if chosen.missing_share:
        faults.append(f"{share_of(chosen.missing_share)} of the rows have no date in it")
    if chosen.stray:
        faults.append(_stray_dates(found.sample, chosen))
    unsure = None if faults else unsure_date(found.sample.rows[chosen.name])
    if unsure and (unsure.seems_month_first or not _day_comes_first(found, chosen.name, unsure, ask)):
        faults.append(f"'{unsure.text}' seems to have the month first: write it as {unsure.month_first}")
    if faults and wanted.date:
        raise ConfigError(f"--date: '{chosen.name}' can't date the rows: {' and '.join(faults)}. Correct the file.")
    if faults:
        found.notes.append(
            f"'{chosen.name}' does not date the rows: {' and '.join(faults)}. Correct the file to have it do so."
        )
        return
    if not wanted.date and chosen.first and chosen.last and chosen.last.year - chosen.first.year > YEARS_OF_ROWS:
        found.notes.append(
            f"'{chosen.name}' does not date the rows: it goes from {chosen.first.year} to {chosen.last.year}. If it "
            f"says when a row came: --date {quoted(chosen.name)}"
        )
        return
    found.date = chosen.name
    found.decisions[chosen.name].role = "date"
    found.decisions[chosen.name].why = f"dates the rows: {chosen.first} to {chosen.last}"


def _day_comes_first(found: Draft, name: str, unsure: UnsureDate, ask: Callable[[str], bool]) -> bool:
    if not ask(f"'{name}': does {unsure.text} mean {unsure.day_first}, with the day first?"):
        return False
    found.notes.append(
        f"'{name}': {unsure.text} was read as {unsure.day_first}, with the day first. If the month comes first, "
        f"write it as {unsure.month_first}."
    )
    return True


def _stray_dates(sample: Sample, column: Column) -> str:
    line = line_of(sample, column.name, column.stray_example)
    where = f"line {line}: " if line else ""
    more = f", nor are {column.stray - 1:,} others" if column.stray > 1 else ""
    return f"{where}'{column.stray_example}' is not a date that can be read{more}"


def _leave_out_kinds(found: Draft) -> None:
    for decision in found.decisions.values():
        if decision.role != "input":
            continue
        rows = found.sample.rows
        # What does not date the rows may be learned from.
        is_date = decision.column.kind == "date" and not dates(rows[decision.column.name])[1]
        why = "" if is_date else no_input(decision.column, len(rows))
        if why and decision.column.name in found.split_by:
            why = "rows that share one are in the same split"
        if why:
            decision.role, decision.why = "left out", why
        else:
            decision.why = described(decision.column)


def _choose_text(found: Draft, wanted: Wanted) -> None:
    """Take a column of free text as the only input, if it was named, or if there is nothing else."""
    texts = [
        name
        for name, each in found.decisions.items()
        if each.column.kind == "text" and each.role == "left out" and not written_otherwise(each.column)
    ]
    others = [column for column in found.inputs if column.kind != "date"]
    named = wanted.text or (texts[0] if len(texts) == 1 and not others else "")
    if not named:
        found.notes += [
            f"'{name}' is free text, which a model of the other columns can't use. For a model of the text alone: "
            f"--text {quoted(name)}"
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
        column, "input", f"{length_of(column)} on average, up to {column.longest} characters"
    )


def _leave_out_twins(found: Draft) -> None:
    for name, other in twins(found.sample.rows, found.inputs).items():
        if name in found.trusted:
            continue
        found.decisions[name].role = "left out"
        found.decisions[name].why = f"says the same as '{other}', row by row"


def _leave_out_leaks(found: Draft) -> None:
    columns = {column.name: model_column(found.sample.rows, column) for column in found.inputs}
    target = model_column(found.sample.rows, found.target, NO_LABEL)
    strengths = explained(columns, target, quantity=found.quantity)
    for leak in find_leaks(columns, target, quantity=found.quantity, strengths=strengths):
        for name in set(leak.columns) - set(found.trusted):
            others = [other for other in leak.columns if other != name]
            together = f" together with {', '.join(map(repr, others))}" if others else " alone"
            found.decisions[name].role = "left out"
            found.decisions[name].why = (
                f"gives the target away:{together} it tells {leak.explained:.1%} of it. If it is known before the "
                f"prediction is needed: --keep {quoted(name)}"
            )
    found.strong = {
        column.name: strengths[column.name] for column in found.inputs if STRONG <= strengths[column.name] < TOLD
    }


def _check_kept(found: Draft) -> None:
    for name in found.trusted:
        decision = found.decisions[name]
        if decision.role != "input":
            raise ConfigError(f"--keep: '{name}' can't be an input: {decision.why}. Leave it out of --keep.")


def _take_codes_as_categories(found: Draft) -> None:
    target = model_column(found.sample.rows, found.target, NO_LABEL)
    for column in found.inputs:
        if is_code(column, model_column(found.sample.rows, column), target, quantity=found.quantity):
            column.kind = "category"
            decision = found.decisions[column.name]
            decision.why = described(decision.column)
            decision.why += "; codes, since the target does not rise or fall with them"


def _say_of_categories(found: Draft) -> None:
    for column in [found.target, *found.inputs]:
        if column.kind == "category":
            texts = model_column(found.sample.rows, column, NO_LABEL).drop_nulls()
            counts = dict(texts.alias("value").value_counts().rows())
            found.notes += [f"'{column.name}': {said}." for said in alike(counts)]
        if column.kind == "category" and column is not found.target and (said := several(column.values)):
            found.notes.append(f"'{column.name}': {said}.")


def _baseline(found: Draft) -> Baseline | None:
    rows = found.sample.rows
    by_kind = {
        kind: [plausible(rows, column) for column in found.inputs if column.kind == kind]
        for kind in ("number", "date", "category", "text")
    }
    numbers = by_kind["number"] + by_kind["date"]
    target = plausible(rows, found.target, NO_LABEL)
    groups = rows.select(found.split_by) if found.split_by else None
    return baseline(numbers, by_kind["category"], by_kind["text"], target, quantity=found.quantity, groups=groups)
