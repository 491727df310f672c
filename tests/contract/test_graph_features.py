"""Own features in SQL: the graph computes what DuckDB does, missing values included, or the feature is refused."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from portfolio.contract.fields import Category, Date, Number, as_arrays
from portfolio.contract.graph_features import GraphFeatures
from portfolio.core.errors import ConfigError, DataError
from portfolio.core.types import Array

INPUTS = [
    Number("a", missing=True),
    Number("b b", missing=True),
    Category("c", ["x", "y"], missing=True),
]
NUMBERS = [None, -2.0, -0.5, 0.0, 0.25, 1.0, 3.0]
ROWS = pl.DataFrame(
    list(itertools.product(NUMBERS, NUMBERS, [None, "x", "y"])),
    schema={"a": pl.Float64, "b b": pl.Float64, "c": pl.String},
    orient="row",
)


def features(folder: Path, text: str) -> GraphFeatures:
    path = folder / "features.sql"
    path.write_text(text, encoding="utf-8")
    return GraphFeatures(path, INPUTS)


def arrays(rows: pl.DataFrame) -> dict[str, Array]:
    numbers = {name: rows[name].cast(pl.Float32).to_numpy().reshape(-1, 1).copy() for name in ("a", "b b")}
    return {**numbers, "c": rows["c"].fill_null("").to_numpy().astype(object).reshape(-1, 1)}


@pytest.mark.parametrize(
    "expression",
    [
        'a + "b b"',
        'a / "b b"',
        "-a * 2 - 1",
        "a ** 2",
        "abs(a) + floor(a) + exp(a)",
        "CASE WHEN a >= 0 THEN sqrt(a) END",
        "CASE WHEN a > 0 THEN ln(a) ELSE log10(100) END",
        'CASE WHEN a > "b b" THEN 1 ELSE 0 END',
        "CASE WHEN NOT (a > \"b b\" OR c = 'x') THEN a END",
        "CASE c WHEN 'x' THEN 1 WHEN 'y' THEN 2 ELSE 3 END",
        'COALESCE(a, "b b", 7)',
        'NULLIF(a, "b b")',
        'LEAST(a, "b b", 1) - GREATEST(a, "b b")',
        'a BETWEEN -1 AND "b b"',
        'a NOT BETWEEN -1 AND "b b"',
        'a IN (1, 3) OR a NOT IN (1, "b b")',
        "c IN ('x', 'z')",
        "c <> 'x' AND a <> 1",
        "NOT (a > 1 AND c = 'x')",
        "c IS NULL OR a IS NOT NULL",
        "CAST(a AS DOUBLE) = 1",
        "true",
    ],
)
def test_the_graph_computes_what_duckdb_does(tmp_path: Path, expression: str) -> None:
    found = features(tmp_path, f"-- of a row\nSELECT {expression} AS feature FROM rows;")
    assert found.names == ("feature",)
    found.check_rows(ROWS, arrays(ROWS))
    assert found.by_duckdb(ROWS)["feature"].drop_nulls().len() > 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT sum(a) AS f FROM rows", "SUM"),
        ("SELECT row_number() OVER () AS f FROM rows", "window"),
        ("SELECT random() AS f FROM rows", "RANDOM"),
        ("SELECT (SELECT 1) AS f FROM rows", "subquery"),
        ("SELECT upper(c) = 'X' AS f FROM rows", "UPPER"),
        ("SELECT a % 2 AS f FROM rows", "%"),
        ("SELECT a + c AS f FROM rows", "category"),
        ("SELECT d + 1 AS f FROM rows", "'d', which is no input; there are: a, b b, c"),
        ("SELECT c AS f FROM rows", "category"),
        ("SELECT a FROM rows", "has no name"),
        ("SELECT a + 1 AS a FROM rows", "'a' is taken"),
        ("SELECT a AS f, a + 1 AS f FROM rows", "'f' is taken"),
        ("SELECT a + 1 AS f FROM elsewhere", "FROM rows"),
        ("SELECT a + 1 AS f FROM rows WHERE a > 0", "WHERE"),
        ("SELECT a + 1 AS f FROM rows ORDER BY a", "ORDER BY"),
        ("WITH t AS (SELECT 1) SELECT a + 1 AS f FROM rows", "WITH"),
        ("SELECT a + 1 AS f FROM rows; SELECT 1", "one statement"),
        ("SELEC a", "no SQL"),
        ("DROP TABLE rows", "no SQL"),
    ],
)
def test_what_the_graph_cannot_have_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        features(tmp_path, text).graph()
    assert reason in str(raised.value)
    assert "features.sql" in str(raised.value)


@pytest.mark.parametrize(
    "expression",
    ["sold - born", "sold >= DATE '2021-03-01'", "born IS NULL", "(sold - DATE '1970-01-01') / 7", "sold = born"],
)
def test_a_date_is_a_date_in_sql(tmp_path: Path, expression: str) -> None:
    inputs = [Date("sold"), Date("born", missing=True)]
    (tmp_path / "features.sql").write_text(f"SELECT {expression} AS f FROM rows", encoding="utf-8")
    found = GraphFeatures(tmp_path / "features.sql", inputs)
    sold = [date(2021, month, 1) for month in (1, 3, 5)]
    rows = pl.DataFrame({"sold": sold, "born": [None, date(1969, 2, 3), date(2021, 5, 1)]})
    found.check_rows(rows, as_arrays(inputs, rows))
    assert found.names[-1] == "f"


def test_a_date_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.sql"
    path.write_text("SELECT sold - DATE '2021-02-30' AS f FROM rows", encoding="utf-8")
    with pytest.raises(ConfigError, match="'2021-02-30' is not a date"):
        GraphFeatures(path, [Date("sold")]).graph()


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert GraphFeatures(tmp_path / "features.sql", INPUTS).names == ()


def test_digits_that_the_graph_does_not_have_are_found(tmp_path: Path) -> None:
    found = features(tmp_path, "SELECT (a + 100000000) - 100000000 AS f FROM rows")
    with pytest.raises(DataError, match="'f' differs"):
        found.check_rows(ROWS, arrays(ROWS))
