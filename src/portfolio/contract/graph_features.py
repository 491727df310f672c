"""Features that are computed inside the served graph: what follows from dates, and features of one's own in SQL.

The latter stand in `features.sql` beside the use case: `SELECT a / b AS ratio FROM rows`. DuckDB parses the statement,
and ONNX operators are put together from what it parsed. Only what can be had there is allowed, which is expressions
over the inputs of one row. The graph computes the features in training too, and the stage `prepare` compares them with
what DuckDB makes of all clean rows.

A date is a DATE in SQL, and its days since 1970-01-01 in the graph.
A missing value is NULL in SQL and NaN in the graph. What is not finite, such as 1 / 0, is missing too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portfolio.bundle.manifest import InputField, tensor_names
from portfolio.contract.calendar import calendar, calendar_names
from portfolio.contract.sql_nodes import ALLOWED, Nodes, NotAllowedError
from portfolio.core.closeness import relative_differences
from portfolio.core.errors import ConfigError, DataError
from portfolio.core.types import Array

if TYPE_CHECKING:
    import onnx
    import polars as pl

FILE = "features.sql"
ROWS = "rows"
TOLERANCE = 1e-4
"""How far the graph's float32 may be from DuckDB's float64, relative to the value."""
MAX_BYTES = 64 * 1024
OPSET, IR_VERSION = 20, 10


class GraphFeatures:
    """The features of the dates among the inputs of a use case, and those that a file declares, if there is one."""

    def __init__(self, path: Path, inputs: Sequence[InputField]) -> None:
        self.path, self.inputs = path, tuple(inputs)

    @cached_property
    def names(self) -> tuple[str, ...]:
        of_dates = [name for field in self._dates for name in calendar_names(field.name)]
        return (*of_dates, *(name for name, _ in self._features))

    @property
    def _dates(self) -> list[InputField]:
        return [field for field in self.inputs if field.kind == "date"]

    @property
    def fields(self) -> list[InputField]:
        """The inputs, and behind them the features as if they were inputs: what models are fitted on."""
        return [*self.inputs, *(InputField(name=name, kind="number", nullable=True) for name in self.names)]

    def graph(self) -> onnx.ModelProto:
        """From the inputs' tensors to those of the features, float32 [rows, 1] each, named as the next inputs'."""
        from onnx import TensorProto, helper

        tensors = tensor_names(len(self.fields))
        nodes = Nodes(dict(zip([field.name for field in self.inputs], tensor_names(len(self.inputs)), strict=True)))
        nodes.strings = {field.name for field in self.inputs if field.is_string}
        for number, value in enumerate(self._values(nodes)):
            # The same condition twice: an infinite number is no number either.
            infinite, missing = nodes.add("IsInf", value), nodes.constant(np.nan)
            nodes.add("Where", infinite, missing, value, name=tensors[len(self.inputs) + number])
        return helper.make_model(
            helper.make_graph(
                nodes.nodes,
                "features",
                [
                    helper.make_tensor_value_info(
                        tensor, TensorProto.STRING if field.is_string else TensorProto.FLOAT, [None, field.width]
                    )
                    for tensor, field in zip(tensor_names(len(self.inputs)), self.inputs, strict=True)
                ],
                [
                    helper.make_tensor_value_info(tensor, TensorProto.FLOAT, [None, 1])
                    for tensor in tensors[len(self.inputs) :]
                ],
                nodes.initializers,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )

    def _values(self, nodes: Nodes) -> Iterator[str]:
        """The tensors of the features, one after the other."""
        for date in self._dates:
            yield from calendar(nodes, nodes.tensors[date.name])
        for name, expression in self._features:
            try:
                yield nodes.number(expression)
            except NotAllowedError as error:
                raise self._refused(f"the feature '{name}' uses {error}") from None

    def compute(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """The features by name, float32 [rows, 1], of inputs by name, as the served graph computes them."""
        if not self.names:
            return {}
        tensors = zip(tensor_names(len(self.inputs)), self.inputs, strict=True)
        feeds = {tensor: inputs[field.name] for tensor, field in tensors}
        used = {one.name for one in self._session.get_inputs()}
        values = self._session.run(None, {tensor: value for tensor, value in feeds.items() if tensor in used})
        return dict(zip(self.names, values, strict=True))

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(self.graph().SerializeToString(), providers=["CPUExecutionProvider"])

    def by_duckdb(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What DuckDB makes of normalized rows, Float64 by feature; what is not finite is null.

        Raises DataError with DuckDB's reason if it can't.
        """
        import duckdb
        import polars as pl

        with duckdb.connect() as connection:
            connection.register(ROWS, rows.select([field.name for field in self.inputs]).to_arrow())
            try:
                found: pl.DataFrame = connection.sql(self._text).pl()
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise DataError(f"{self.path} can't be computed over the rows: {reason}. Correct it.") from error
        numbers = found.select(pl.all().cast(pl.Float64))
        return numbers.select(pl.when(pl.all().is_finite()).then(pl.all()))

    def check_rows(self, rows: pl.DataFrame, inputs: dict[str, Array]) -> None:
        """Raise DataError if the graph differs anywhere from DuckDB, on normalized rows and their inputs."""
        if not self._features:
            return
        found = self.compute(inputs)
        expected = self.by_duckdb(rows)
        for name in expected.columns:
            wanted = expected[name].to_numpy().astype(np.float64)
            given = found[name][:, 0].astype(np.float64)
            far = relative_differences(given, wanted) > TOLERANCE
            wrong = far | (np.isnan(given) != np.isnan(wanted))
            if wrong.any():
                row = int(wrong.argmax())
                raise DataError(
                    f"{self.path}: '{name}' differs in {int(wrong.sum()):,} of {len(rows):,} rows between DuckDB and "
                    f"the model's graph, which computes with 7 digits: {wanted[row]:.9g} and {given[row]:.9g}. "
                    "Write it in another way: differences of large numbers lose the digits that count."
                )

    @cached_property
    def _text(self) -> str:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self.path} is not UTF-8 ({error.reason}). Save it as UTF-8.") from error
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{self.path} is larger than {MAX_BYTES:,} bytes. Keep to what a row's features need.")
        return text

    @cached_property
    def _features(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and expression of each feature, as DuckDB's parser gives them."""
        if not self._text.strip():
            return []
        import duckdb

        with duckdb.connect() as connection:
            (text,) = connection.execute("SELECT json_serialize_sql(?)", [self._text]).fetchall()[0]
        parsed = json.loads(text)
        if parsed["error"]:
            raise self._refused(f"it is no SQL that DuckDB reads: {parsed['error_message']}")
        statements = parsed["statements"]
        node = statements[0]["node"] if len(statements) == 1 else {}
        table = node.get("from_table", {})
        plain = node.get("type") == "SELECT_NODE" and table.get("type") == "BASE_TABLE"
        if not plain or table.get("table_name") != ROWS or table.get("schema_name"):
            raise self._refused(f"it must be one statement of the form SELECT ... AS name FROM {ROWS}")
        clauses = {
            "where_clause": "WHERE", "group_expressions": "GROUP BY", "having": "HAVING", "qualify": "QUALIFY",
            "modifiers": "ORDER BY, LIMIT or DISTINCT", "sample": "SAMPLE",
        }  # fmt: skip
        used = [word for clause, word in clauses.items() if node.get(clause)]
        if used or node.get("cte_map", {}).get("map"):
            raise self._refused(f"it uses {(used or ['WITH'])[0]}, and the answer to a request has one row")
        features = [(expression["alias"], expression) for expression in node["select_list"]]
        names = [name for name, _ in features]
        taken = {field.name for field in self.inputs}
        for name in names:
            if not name:
                raise self._refused("a feature has no name; write AS name behind each")
            if name in taken or names.count(name) > 1:
                raise self._refused(f"the name '{name}' is taken; give the feature another one")
        return features

    def _refused(self, reason: str) -> ConfigError:
        return ConfigError(
            f"{self.path}: {reason}. Features are computed inside the served model, row by row; there are: {ALLOWED}."
        )
