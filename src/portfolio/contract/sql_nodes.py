"""Nodes of an ONNX graph that compute expressions of SQL, as DuckDB's parser gives them, for each row.

A missing value is NULL in SQL and NaN in the graph. What is not finite, such as 1 / 0, is missing too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from portfolio.core.dates import days_of

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


class NotAllowedError(Exception):
    pass


@dataclass
class Nodes:
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
                raise NotAllowedError(f"CAST to {node['type_expr']['type_name']}")
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
        raise NotAllowedError(_called(node))

    def _anything(self, node: dict[str, Any]) -> str:
        if node["class"] == "CONSTANT" and node["literal"]["kind"] == "NULL_LITERAL":
            return self.constant(np.nan)
        return self.number(node)

    def _column(self, node: dict[str, Any], *, text: bool) -> str:
        name = node["column_names"][-1]
        if name not in self.tensors:
            raise NotAllowedError(f"the column '{name}', which is no input; there are: {', '.join(self.tensors)}")
        if (name in self.strings) != text:
            kind = "a category, which can be compared with a text" if name in self.strings else "a number, and no text"
            raise NotAllowedError(f"'{name}', which is {kind}")
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
            raise NotAllowedError(f"the text '{literal['text']}' where a number is needed") from None

    def _day(self, node: dict[str, Any]) -> str:
        """A date that is written out, such as DATE '2026-01-31'."""
        try:
            return self.constant(days_of(str(node["literal"]["text"])))
        except ValueError as error:
            raise NotAllowedError(f"a DATE that is none: {error}") from None

    def _function(self, node: dict[str, Any]) -> str:
        name = node["function_name"].lower()
        arguments = [self.number(argument["expression"]) for argument in node["arguments"]]
        if node.get("distinct") or node.get("filter"):
            raise NotAllowedError(_called(node))
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
        raise NotAllowedError(_called(node))

    def _equal(self, left: dict[str, Any], right: dict[str, Any]) -> tuple[str, str]:
        """Where both are there and equal, and where both are there and are not."""
        for one, other in ((left, right), (right, left)):
            if other["class"] == "CONSTANT" and other["literal"]["kind"] == "STRING":
                column = self._column(one, text=True) if one["class"] == "COLUMN_REF" else ""
                if not column:
                    raise NotAllowedError(f"a text compared with {_called(one)}")
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
