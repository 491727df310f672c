"""What every protocol turns a request into, and what it makes the answer from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from portfolio.core.types import Array
from serving.front.exchange import Exchange, Headers
from serving.protocols.answers import Decisions
from serving.protocols.schema import Inputs
from serving.runtime.served import ServedModel


@dataclass(slots=True)
class Query:
    """Checked inputs; `extra` is whatever the protocol needs again for the answer."""

    inputs: Inputs
    rows: int
    explain: bool = False
    draft: bool = False
    """Sent while the input is still being made: the answer is neither logged nor counted."""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """The model's outputs [rows, outputs], and what follows from them."""

    request_id: str
    outputs: Array
    decisions: Decisions
    explanations: list[dict[str, Any]] | None = None


Reply = tuple[bytes, bytes, Headers]
"""Body, content type and additional headers."""


class InferenceProtocol(Protocol):
    """A way to ask for predictions."""

    name: str

    def read(self, model: ServedModel, exchange: Exchange, body: bytes) -> Query:
        """The query in a body. Raises RequestError naming what is wrong."""

    def write(self, model: ServedModel, query: Query, result: Result) -> Reply:
        """The answer."""
