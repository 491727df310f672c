"""What every protocol makes of a request, and what it makes an answer from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from portfolio.core.types import Array
from serving.answers import Decisions
from serving.champion import Serving
from serving.exchange import Exchange, Headers
from serving.schema import Inputs


@dataclass(slots=True)
class Query:
    """Checked inputs; `extra` is what the protocol itself wants to remember of the request."""

    inputs: Inputs
    rows: int
    explain: bool = False
    draft: bool = False
    """Asked while the input is still being made: its answer is neither logged nor counted."""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """What the model said, and what follows."""

    request_id: str
    outputs: Array
    decisions: Decisions
    explanations: list[dict[str, Any]] | None = None


Reply = tuple[bytes, bytes, Headers]
"""Body, content type and further headers."""


class InferenceProtocol(Protocol):
    """One way to ask for predictions."""

    name: str

    def read(self, now: Serving, exchange: Exchange, body: bytes) -> Query:
        """The query in a body. Raises RequestError naming what does not fit."""

    def write(self, now: Serving, query: Query, result: Result) -> Reply:
        """The answer."""
