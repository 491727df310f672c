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
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portfolio.bundle.manifest import InputField, tensor_names
from portfolio.contract.calendar import calendar, calendar_names
from portfolio.core.closeness import relative_differences
from portfolio.core.dates import days_of
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
UNARY = {"abs": "Abs", "ceil": "Ceil", "ceiling": "Ceil", "exp": "Exp", "floor": "Floor", "ln": "Log", "sqrt": "Sqrt"}
BINARY = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "**": "Pow", "^": "Pow", "pow": "Pow", "power": "Pow"}
# Each with its negation: where either side is missing, neither holds.
COMPARISONS = {
    "COMPARE_GREATERTHAN": ("Greater", "LessOrEqual"),
    "COMPARE_GREATERTHANOREQUALTO": ("GreaterOrEqual", "Less"),
    "COMPARE_LESSTHAN": ("Less", "GreaterOrEqual"),
    "COMPARE_LESSTHANOREQUALTO": ("LessOrEqual", "Greater"),
}
ALLOWED = (
    "+ - * / **, comparisons, AND, OR, NOT, BETWEEN, IN, IS NULL, CASE, COALESCE, NULLIF, CAST to a floating-point "
    "number, DATE '2026-01-31', LEAST, GREATEST, LOG10 and "
    f"{', '.join(name.upper() for name in UNARY)}"
)


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
        built = Built(dict(zip([field.name for field in self.inputs], tensor_names(len(self.inputs)), strict=True)))
        built.strings = {field.name for field in self.inputs if field.is_string}
        for number, value in enumerate(self._values(built)):
            # The same condition twice: an infinite number is no number either.
            infinite, missing = built.add("IsInf", value), built.constant(np.nan)
            built.add("Where", infinite, missing, value, name=tensors[len(self.inputs) + number])
        return helper.make_model(
            helper.make_graph(
                built.nodes,
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
                built.initializers,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )

    def _values(self, built: Built) -> Iterator[str]:
        """The tensors of the features, one after the other."""
        for date in self._dates:
            yield from calendar(built, built.tensors[date.name])
        for name, expression in self._features:
            try:
                yield built.number(expression)
            except _NotAllowedError as error:
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


OPSET, IR_VERSION = 20, 10


class _NotAllowedError(Exception):
    pass


@dataclass
class Built:
    """Nodes of a graph, put together expression by expression. `tensors` are the inputs' by their columns' names."""

    tensors: dict[str, str]
    strings: set[str] = field(default_factory=set)
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, name: str = "") -> str:
        from onnx import helper

        name = name or f"features/{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name]))
        return name

    def constant(self, value: float | str) -> str:
        from onnx import numpy_helper

        name = f"features/constant_{len(self.initializers)}"
        array = np.array([[value]], dtype=object if isinstance(value, str) else np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def number(self, node: dict[str, Any]) -> str:
        """The tensor of a number, float32 [rows, 1]; NaN where it is missing."""
        kind = node["type"]
        match node["class"]:
            case "COLUMN_REF":
                return self._column(node, text=False)
            case "CONSTANT":
                return self._constant(node)
            case "FUNCTION":
                return self._function(node)
            case "CAST":
                kind_of = str(node["type_expr"]["type_name"]).upper()
                if kind_of in ("DOUBLE", "FLOAT", "REAL"):
                    return self.number(node["child"])
                if kind_of == "DATE" and node["child"]["class"] == "CONSTANT":
                    return self._day(node["child"])
                raise _NotAllowedError(f"CAST to {node['type_expr']['type_name']}")
            case "CASE":
                value = self._anything(node["else_expr"])
                for check in reversed(node["case_checks"]):
                    holds, _ = self.condition(check["when_expr"])
                    value = self.add("Where", holds, self._anything(check["then_expr"]), value)
                return value
            case "OPERATOR" if kind == "OPERATOR_COALESCE":
                *others, value = [self.number(child) for child in node["children"]]
                for other in reversed(others):
                    value = self.add("Where", self.add("IsNaN", other), value, other)
                return value
        # A condition is a number too: 1 where it holds, 0 where it does not.
        holds, fails = self.condition(node)
        zero, one = self.constant(0.0), self.constant(1.0)
        return self.add("Where", holds, one, self.add("Where", fails, zero, self.constant(np.nan)))

    def condition(self, node: dict[str, Any]) -> tuple[str, str]:
        """Tensors of booleans: where the condition holds, and where it does not. Where it is NULL, both are false."""
        kind = node["type"]
        match node["class"]:
            case "COMPARISON" if kind in COMPARISONS:
                left, right = self.number(node["left"]), self.number(node["right"])
                holds, fails = COMPARISONS[kind]
                return self.add(holds, left, right), self.add(fails, left, right)
            case "COMPARISON" if kind in ("COMPARE_EQUAL", "COMPARE_NOTEQUAL"):
                equal, unequal = self._equal(node["left"], node["right"])
                return (equal, unequal) if kind == "COMPARE_EQUAL" else (unequal, equal)
            case "BETWEEN":
                value = self.number(node["input"])
                low, high = self.number(node["lower"]), self.number(node["upper"])
                above = self.add("GreaterOrEqual", value, low), self.add("Less", value, low)
                below = self.add("LessOrEqual", value, high), self.add("Greater", value, high)
                found = self._all([above, below])
                return found if kind != "COMPARE_NOT_BETWEEN" else (found[1], found[0])
            case "CONJUNCTION":
                parts = [self.condition(child) for child in node["children"]]
                return self._all(parts) if kind == "CONJUNCTION_AND" else self._any(parts)
            case "OPERATOR" if kind == "OPERATOR_NOT":
                holds, fails = self.condition(node["children"][0])
                return fails, holds
            case "OPERATOR" if kind in ("COMPARE_IN", "COMPARE_NOT_IN"):
                first, *others = node["children"]
                found = self._any([self._equal(first, other) for other in others])
                return found if kind == "COMPARE_IN" else (found[1], found[0])
            case "OPERATOR" if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
                missing = self._missing(node["children"][0])
                there = self.add("Not", missing)
                return (missing, there) if kind == "OPERATOR_IS_NULL" else (there, missing)
        raise _NotAllowedError(_called(node))

    def _anything(self, node: dict[str, Any]) -> str:
        if node["class"] == "CONSTANT" and node["literal"]["kind"] == "NULL_LITERAL":
            return self.constant(np.nan)
        return self.number(node)

    def _column(self, node: dict[str, Any], *, text: bool) -> str:
        name = node["column_names"][-1]
        if name not in self.tensors:
            raise _NotAllowedError(f"the column '{name}', which is no input; there are: {', '.join(self.tensors)}")
        if (name in self.strings) != text:
            kind = "a category, which can be compared with a text" if name in self.strings else "a number, and no text"
            raise _NotAllowedError(f"'{name}', which is {kind}")
        return self.tensors[name]

    def _constant(self, node: dict[str, Any]) -> str:
        literal = node["literal"]
        if literal["kind"] == "NULL_LITERAL":
            return self.constant(np.nan)
        if literal["kind"] == "BOOLEAN":
            return self.constant(1.0 if literal["text"] == "true" else 0.0)
        try:
            return self.constant(float(literal["text"]))
        except ValueError:
            raise _NotAllowedError(f"the text '{literal['text']}' where a number is needed") from None

    def _day(self, node: dict[str, Any]) -> str:
        """A date that is written out, such as DATE '2026-01-31'."""
        try:
            return self.constant(days_of(str(node["literal"]["text"])))
        except ValueError as error:
            raise _NotAllowedError(f"a DATE that is none: {error}") from None

    def _function(self, node: dict[str, Any]) -> str:
        name = node["function_name"].lower()
        arguments = [self.number(argument["expression"]) for argument in node["arguments"]]
        if node.get("distinct") or node.get("filter"):
            raise _NotAllowedError(_called(node))
        if name in ("least", "greatest"):
            value, *others = arguments
            for other in others:
                both = self.add("Min" if name == "least" else "Max", value, other)
                value = self.add(
                    "Where",
                    self.add("IsNaN", value),
                    other,
                    self.add("Where", self.add("IsNaN", other), value, both),
                )
            return value
        if name == "nullif":
            value, other = arguments
            return self.add("Where", self.add("Equal", value, other), self.constant(np.nan), value)
        if len(arguments) == 2 and name in BINARY:
            return self.add(BINARY[name], *arguments)
        if len(arguments) == 1 and name in ("-", "+"):
            return self.add("Neg", *arguments) if name == "-" else arguments[0]
        if len(arguments) == 1 and name in UNARY:
            return self.add(UNARY[name], *arguments)
        if len(arguments) == 1 and name in ("log10", "log"):
            return self.add("Div", self.add("Log", *arguments), self.constant(float(np.log(10))))
        raise _NotAllowedError(_called(node))

    def _equal(self, left: dict[str, Any], right: dict[str, Any]) -> tuple[str, str]:
        """Where both are there and equal, and where both are there and are not."""
        for one, other in ((left, right), (right, left)):
            if other["class"] == "CONSTANT" and other["literal"]["kind"] == "STRING":
                column = self._column(one, text=True) if one["class"] == "COLUMN_REF" else ""
                if not column:
                    raise _NotAllowedError(f"a text compared with {_called(one)}")
                equal = self.add("Equal", column, self.constant(other["literal"]["text"]))
                gone = self.add("Equal", column, self.constant(""))
                return equal, self.add("Not", self.add("Or", equal, gone))
        first, second = self.number(left), self.number(right)
        equal = self.add("Equal", first, second)
        gone = self.add("Or", self.add("IsNaN", first), self.add("IsNaN", second))
        return equal, self.add("Not", self.add("Or", equal, gone))

    def _missing(self, node: dict[str, Any]) -> str:
        if node["class"] == "COLUMN_REF" and node["column_names"][-1] in self.strings:
            return self.add("Equal", self._column(node, text=True), self.constant(""))
        return self.add("IsNaN", self.number(node))

    def _all(self, parts: Sequence[tuple[str, str]]) -> tuple[str, str]:
        holds, fails = parts[0]
        for other_holds, other_fails in parts[1:]:
            holds, fails = self.add("And", holds, other_holds), self.add("Or", fails, other_fails)
        return holds, fails

    def _any(self, parts: Sequence[tuple[str, str]]) -> tuple[str, str]:
        fails, holds = self._all([(fails, holds) for holds, fails in parts])
        return holds, fails


def _called(node: dict[str, Any]) -> str:
    """What an expression is called in SQL."""
    if node["class"] == "FUNCTION":
        return f"{node['function_name'].upper()}({'...' if node['arguments'] else ''})"
    return {"WINDOW": "a window function (OVER)", "SUBQUERY": "a subquery", "STAR": "*"}.get(
        node["class"], str(node["type"]).replace("_", " ")
    )
