"""The files of a use case, as text: each fact in a line of its own, meant to be edited."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from pathlib import Path
from textwrap import dedent, wrap

import polars as pl
from rich.cells import cell_len

from portfolio.contract.format import Format
from portfolio.profiling.columns import Column
from portfolio.profiling.draft import Draft

WIDTH = 120
CARD = Path(__file__).parent / "templates" / "card.yaml"
TODO = "TODO"
STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
CALENDAR = {
    re.compile(r"(?:^|(?<!per)[\W_])month$|^月$", re.IGNORECASE): (1, 12),
    re.compile(r"(?:^|(?<!per)[\W_])(?:day|mday)$|^日$", re.IGNORECASE): (1, 31),
    re.compile(r"(?:^|(?<!per)[\W_])(?:hour|hr)$|^時$", re.IGNORECASE): (0, 23),
}
"""What an input of that name can hold, also where the rows so far come from a part of a year or a day. What is counted
per day, or lasts so many months, may grow further."""

FIELDS = {"number": "Number", "category": "Category", "date": "Date", "text": "FreeText"}
LATER_YEARS = 5
"""So long after the last date in the file, new rows still fit."""


def class_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_") if part) or "Own"


def use_case_text(name: str, found: Draft, source: str) -> str:
    """`use_case.py`. `source` is the expression that declares where rows come from."""
    kinds = {FIELDS[column.kind] for column in found.inputs}
    base = "Text" if kinds == {"FreeText"} else "Table"
    source_kind = source[: source.index("(")]
    names = sorted({base, source_kind, "Quantity" if found.quantity else "Classes", *kinds}, key=str.lower)
    lines = [f"from portfolio.contract import {', '.join(sorted(names))}", "", ""]
    lines += [
        f"class {class_name(name)}({base}):",
        *_statement("source", source),
        *_statement("target", _target(found)),
    ]
    if found.metric:
        lines += _statement("metric", python_text(found.metric))
    lines.append("    inputs = [")
    for column in found.inputs:
        lines += python_call(_input(column), 8, end=",")
    lines.append("    ]")
    if found.trusted:
        lines += _statement("trusted", _list(found.trusted))
    if ignored := found.left_out:
        lines += _statement("ignore", _list(ignored))
    if slices := _slices(found):
        lines += _statement("slices", _list(slices))
    return f"{_docstring(name, found)}\n\n" + "\n".join(lines) + "\n"


def source_text(kind: str, place: Sequence[str], found: Draft, **more: str) -> str:
    """The expression of a source: `Folder("data/titanic/files", key="PassengerId")`."""
    arguments = [*place]
    if found.key:
        arguments.append(f"key={python_text(found.key)}")
    if found.split_by:
        arguments.append(f"split_by={_list(found.split_by)}")
    if found.date:
        arguments.append(f"date={python_text(found.date)}")
    arguments += [f"{name}={value}" for name, value in more.items()]
    written, usual = found.sample.written, Format()
    for name in ("encoding", "sheet", "separator", "decimal", "thousands"):
        if getattr(written, name) != getattr(usual, name):
            arguments.append(f"{name}={python_text(getattr(written, name))}")
    for name in ("skip_rows", "skip_footer"):
        if getattr(written, name):
            arguments.append(f"{name}={getattr(written, name)}")
    if written.columns:
        arguments.append(f"columns={_list(written.columns)}")
    if written.missing:
        words = ", ".join(f"{python_text(column)}: {_list(values)}" for column, values in written.missing.items())
        arguments.append(f"missing={{{words}}}")
    return f"{kind}({', '.join(arguments)})"


def _target(found: Draft) -> str:
    column = found.target
    if not found.quantity:
        labels = [label if column.kind == "number" else python_text(label) for label in found.counts]
        return f"Classes({python_text(column.name)}, [{', '.join(labels)}])"
    low, high = _bounds(column, above_zero=found.log)
    return f"Quantity({python_text(column.name)}, {low}, {high}{_unit(column)}{', log=True' if found.log else ''})"


def _input(column: Column) -> str:
    missing = ", missing=True" if column.nullable else ""
    if column.kind == "text":
        return f"FreeText({python_text(column.name)}, {50 * ceil(column.longest * 1.5 / 50)}{missing})"
    if column.kind == "date":
        assert column.first is not None
        assert column.last is not None
        first, last = f"{column.first.year:04}-01-01", f"{column.last.year + LATER_YEARS:04}-12-31"
        return f"Date({python_text(column.name)}, {python_text(first)}, {python_text(last)}{missing})"
    if column.kind == "category":
        return f"Category({python_text(column.name)}, {_list(column.values)}{missing})"
    if column.integer and (column.minimum, column.maximum, column.distinct) == (0, 1, 2):
        return f"Number({python_text(column.name)}, 0, 1, step=1{missing})"
    low, high = _calendar(column) or _bounds(column)
    return f"Number({python_text(column.name)}, {low}, {high}{_unit(column)}{missing})"


def _unit(column: Column) -> str:
    return f", unit={python_text(column.unit)}" if column.unit else ""


def _calendar(column: Column) -> tuple[str, str] | None:
    """The limits of a month, a day or an hour, if the column's name and its values are those of one."""
    assert column.minimum is not None
    assert column.maximum is not None
    for name, (first, last) in CALENDAR.items():
        if column.integer and name.search(column.name) and first <= column.minimum and column.maximum <= last:
            return str(first), str(last)
    return None


def _bounds(column: Column, *, above_zero: bool = False) -> tuple[str, str]:
    """Limits that leave room for values somewhat beyond those in the file."""
    assert column.minimum is not None
    assert column.maximum is not None
    low, high = column.minimum, column.maximum
    room = 0.25 * (high - low)
    if above_zero:
        return _plain(_round_down(low / 2)), _plain(_round_up(high + room))
    if low >= 0:
        return "0", _plain(_round_up(high + room))
    return _plain(-_round_up(-low + room)), _plain(_round_up(high + room) if high > 0 else 0)


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    scale = 10.0 ** floor(log10(value))
    return next((step * scale for step in STEPS if step * scale >= value * (1 - 1e-12)), 10 * scale)


def _round_down(value: float) -> float:
    scale = 10.0 ** floor(log10(value))
    return max((step * scale for step in STEPS if step * scale <= value * (1 + 1e-12)), default=scale)


def _plain(value: float) -> str:
    text = f"{value:.12g}"
    if "e" in text:
        return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    return f"{int(value):_}" if value == int(value) and abs(value) >= 10_000 else text


def _slices(found: Draft) -> list[str]:
    """Categories of few values: groups that are large enough to be looked at one by one."""
    return [column.name for column in found.inputs if column.kind == "category" and 2 <= column.distinct <= 6][:3]


def _docstring(name: str, found: Draft) -> str:
    """What a row is, with a real one: the first with the fewest gaps among the first rows."""
    rows = found.sample.rows
    head = rows.head(200)
    gaps = head.select(pl.sum_horizontal(pl.all().is_null())).to_series()
    row = head.row(int(gaps.arg_min() or 0), named=True)
    wide = min(28, max(cell_len(column) for column in row))
    shown = [
        f"    {column}{' ' * (wide - cell_len(column))}  {_shown(value, found.decisions[column].column)}"
        for column, value in list(row.items())[:40]
    ]
    more = [f"    ... and {len(row) - 40} more columns"] if len(row) > 40 else []
    missing = [f"'{c.name}' in {c.missing_share:.1%}" for c in found.inputs if c.missing_share]
    count = f"{found.sample.total:,} rows"
    if missing:
        count += f"; missing: {', '.join(missing[:4])}" + (" and others" if len(missing) > 4 else "")
    text = "\n".join([f"{TODO}: say in one line what is predicted, and for whom. One row is:", "", *shown, *more, ""])
    text += "\n" + "\n".join(_wrapped(f"{count}."))
    return '"""' + text.replace("\\", "\\\\").replace('"""', "'''") + '\n"""'


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _shown(value: object, column: Column) -> str:
    # The file ends up in git, where a name or a letter of somebody's does not belong.
    if column.kind in ("identifier", "text"):
        return "..."
    text = "" if value is None else re.sub(r"\s+", " ", str(value))
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text or "(missing)"


def python_text(text: str) -> str:
    """A Python string as `ruff format` writes it."""
    quoted = json.dumps(text, ensure_ascii=False)
    if '"' in text and "'" not in text:
        return "'" + quoted[1:-1].replace('\\"', '"') + "'"
    return quoted


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(python_text(text) for text in texts)}]"


def _statement(name: str, value: str) -> list[str]:
    return python_call(f"{name} = {value}", 4)


def python_call(text: str, indent: int, end: str = "") -> list[str]:
    """An expression in lines of up to WIDTH characters, broken at its outermost brackets first, as ruff does."""
    space = " " * indent
    if len(space) + len(text) + len(end) <= WIDTH:
        return [f"{space}{text}{end}"]
    opened = next((place for place, character in _outside(text) if character in "([{"), None)
    if opened is None:
        return [f"{space}{text}{end}"]
    closed = _closing(text, opened)
    head, inner, tail = text[: opened + 1], text[opened + 1 : closed], text[closed:]
    parts = _parts(inner)
    lines = [space + head]
    # A call's arguments may share a line; the elements of a list that was broken up may not.
    if head.endswith("(") and indent + 4 + len(inner) <= WIDTH:
        lines.append(" " * (indent + 4) + inner)
    else:
        for part in parts:
            lines += python_call(part, indent + 4, end=",")
    return [*lines, f"{space}{tail}{end}"]


def _outside(text: str) -> list[tuple[int, str]]:
    """The characters that are in no string, with their places."""
    found, quote, place = [], "", 0
    while place < len(text):
        character = text[place]
        if quote:
            if character == "\\":
                place += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        else:
            found.append((place, character))
        place += 1
    return found


def _closing(text: str, opened: int) -> int:
    depth = 0
    for place, character in _outside(text):
        if place < opened:
            continue
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return place
    raise ValueError(f"{text!r} has an open bracket")


def _parts(inner: str) -> list[str]:
    """What commas divide, outside of strings and brackets."""
    found, depth, start = [], 0, 0
    for place, character in _outside(inner):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            found.append(inner[start:place].strip())
            start = place + 1
    return [*found, inner[start:].strip()]


def card_text(name: str) -> str:
    """`card.yaml`, with what only a person knows marked as TODO in both languages."""
    title = name.replace("_", " ").capitalize()
    return CARD.read_text(encoding="utf-8").format(title=json.dumps(title, ensure_ascii=False))


def prices_text(rare: str = "", labels: Iterable[str] = ()) -> str:
    """The section of the prices. Of classes, with the rare one's name, and how to give each class its own price."""
    text = dedent(
        f"""\
        # {TODO}: your own prices, in yen per item. They decide which answers the machine gives and what it is worth.
        value:
          by_hand_yen: 100         # what an item costs that a person does
          check_yen: 40            # what it costs if a person checks the machine's answer
          error_yen: 300           # what an undetected error costs
        """
    )
    prices = {label: 900 if label == rare else 300 for label in labels}
    if 2 <= len(prices) < 6:
        dearer = json.dumps(prices, ensure_ascii=False)
        text += f"  # By class, if missing {json.dumps(rare, ensure_ascii=False)} costs more: error_yen: {dearer}\n"
    return text


def config_text(found: Draft) -> str:
    """`configs/NAME.yaml`, for data of this size and balance."""
    total = found.sample.total
    if found.quantity:
        text = prices_text() + f"  tolerance: {_plain(tolerance(found))}".ljust(27)
        text += "# how far off an answer may be and still count as right\n"
    else:
        text = prices_text(min(found.counts, key=lambda label: found.counts[label]), found.counts)
    if found.without_target > 0.03:
        allowed = min(0.98, ceil(100 * (found.without_target * 1.3 + 0.02)) / 100)
        text += f"\nvalidate:\n  max_bad_fraction: {allowed:g}".ljust(38)
        text += f"# {found.without_target:.1%} of the rows have no target, and go to quarantine\n"
        if allowed > 0.5:
            text += f"  max_quarantined_fraction: {allowed:g}\n"
    train: dict[str, object] = {"batch_size": 64 if total < 5_000 else 256 if total < 100_000 else 1024}
    network: dict[str, object] = {"hidden": [32], "dropout": 0.2} if total < 2_000 else {}
    if any(column.kind == "text" for column in found.inputs):
        # What `docs/decisions/text.md` found for some thousand sentences.
        train = {"batch_size": 128, "max_epochs": 9, "learning_rate": 0.004, "weight_decay": 0.01, "augment": "true"}
        network = {"kind": "rnn", "layers": 1, "dropout": 0.3}
    if total > 200_000:
        # So many rows leave little to chance: a single network, in fewer passes.
        train |= {"members": 1, "max_epochs": 10, "patience": 2}
    for section, values in {"train": train, "network": network}.items():
        text += f"\n{section}:\n" + "".join(f"  {key}: {value}\n" for key, value in values.items()) if values else ""
    return text


def tolerance(found: Draft) -> float:
    """How far off an answer may be, as a start: twice what a linear model is off, and less than a constant is.

    With less than what models reach, a person would have to check every answer, and no model be worth anything.
    """
    if found.baseline is None or found.baseline.linear == 0:
        return _round_down((found.baseline.constant if found.baseline else 2.0) / 2 or 1.0)
    return min(_round_up(2 * found.baseline.linear), _round_down(found.baseline.constant))
