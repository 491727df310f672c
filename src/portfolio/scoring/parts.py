"""The parts of an output, joined: the columns of their rows may be of any type that Parquet has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl


def joined(parts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """One after the other. A column that is not of one type in all of them is text, which says the same of each."""
    kinds: dict[str, set[pl.DataType]] = {}
    for part in parts:
        for name, kind in part.collect_schema().items():
            kinds.setdefault(name, set()).add(kind)
    mixed = {name for name, of in kinds.items() if not _is_one(of - {pl.Null()})}
    return pl.concat([_with_text(part, mixed) for part in parts], how="diagonal_relaxed")


def flat(rows: pl.LazyFrame) -> pl.LazyFrame:
    """With text, lists as JSON, in place of what CSV can't hold."""
    kinds = rows.collect_schema().items()
    return _with_text(
        rows, {name for name, kind in kinds if kind.is_nested() or kind in (pl.Binary, pl.Duration, pl.Object)}
    )


def _is_one(kinds: set[pl.DataType]) -> bool:
    return len(kinds) < 2 or all(kind.is_numeric() for kind in kinds)


def _with_text(rows: pl.LazyFrame, names: set[str]) -> pl.LazyFrame:
    return rows.with_columns(_text(name, kind) for name, kind in rows.collect_schema().items() if name in names)


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind.is_nested():
        return column.map_elements(_as_json, pl.String)
    if kind == pl.Binary:
        return column.map_elements(lambda value: value.decode(errors="backslashreplace"), pl.String)
    if kind == pl.Duration:
        return column.dt.to_string("polars")
    return column.cast(pl.String)


def _as_json(value: Any) -> str:
    plain = value.to_list() if isinstance(value, pl.Series) else value
    return json.dumps(plain, ensure_ascii=False, default=str)
