"""True labels for answers that were given: what monitoring and the next training learn from."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError, from_json

from portfolio.bundle.manifest import Output
from portfolio.bundle.store import Store
from portfolio.core.labels import category_text, declared
from serving.errors import field_error, validation_error
from serving.front.exchange import CALLERS_ID
from serving.protocols import size
from serving.record.manifests import Manifests

MAX_LABELS = 1000


def _label(value: object) -> object:
    """As it is, if it is one: of each type that it might have been, there would be an error."""
    if isinstance(value, (str, bool)) or (isinstance(value, (int, float)) and abs(value) <= sys.float_info.max):
        return value
    raise PydanticCustomError("label", "must be a class, or a finite number")


class TrueLabel(BaseModel):
    """The true label of one row of an answered request, which is named by our id or by the caller's."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    request_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$", description="the request_id of the answer")
    callers_id: str | None = Field(
        default=None, pattern=f"^{CALLERS_ID}$", description="or the X-Request-ID that was sent with the request"
    )
    label: Annotated[str | bool | float, BeforeValidator(_label)] = Field(
        description="the true class, or the true value"
    )
    row: int = Field(default=0, ge=0, description="which of the request's instances it belongs to")
    correction: bool = Field(default=False, description="replace another label of this row, which is kept as history")

    @model_validator(mode="after")
    def _names_one_answer(self) -> TrueLabel:
        if (self.request_id is None) == (self.callers_id is None):
            raise ValueError("needs either request_id or callers_id")
        return self


class Labels(BaseModel):
    """Several of them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[list[TrueLabel], Field(min_length=1, max_length=MAX_LABELS), FailFast()]


def read_labels(body: bytes) -> tuple[list[TrueLabel], bool]:
    """The labels in a body, and whether it has a list of them. Raises RequestError if the body is not feedback."""
    limit = MAX_LABELS * (len(TrueLabel.model_fields) + 1)
    try:
        content = from_json(size.checked(body, limit, limit))
    except ValueError as error:
        raise field_error("body", f"is not valid JSON: {error}") from error
    try:
        if isinstance(content, dict) and "labels" in content:
            return Labels.model_validate(content).labels, True
        return [TrueLabel.model_validate(content)], False
    except ValidationError as error:
        raise validation_error(error) from error


class Judge:
    """Says whether an answer was right, by the classes of the bundle that gave it: another may be served by now."""

    def __init__(self, store: Store) -> None:
        self._manifests = Manifests(store)

    def verdict(self, digest: str, outputs: list[float], label: str | bool | float) -> tuple[str | float, bool | None]:
        """The label as that bundle has it, and whether the row's outputs said so.

        A predicted value is right if it lies within the tolerance. None: that can't be said, because the bundle has no
        tolerance, or because the store no longer has the bundle. Raises
        RequestError if the bundle knows no such label.
        """
        manifest = self._manifests.get(digest)
        if manifest is None:
            return label if isinstance(label, float) else category_text(label), None
        output = manifest.output
        if output.task == "regression":
            if isinstance(label, (str, bool)):
                raise field_error("label", f"must be a number: {output.name}, in {output.unit or 'its unit'}")
            low, high = output.bounds
            if not low <= label <= high:
                raise field_error("label", f"must be {_bounds(output)}: {output.name}, in {output.unit or 'its unit'}")
            tolerance = None if manifest.policy is None else manifest.policy.tolerance
            return float(label), None if tolerance is None else abs(float(label) - outputs[0]) <= tolerance
        classes = output.classes
        text = declared(category_text(label), classes)
        if text not in classes:
            raise field_error("label", f"no such class; the classes are: {', '.join(classes)}")
        # The answer is the class that costs least in expectation, which need not be the most probable one.
        answered, *_ = manifest.decider().row(outputs)
        return text, classes[answered] == text


def _bounds(output: Output) -> str:
    """Those that are declared, in words."""
    low, high = output.minimum, output.maximum
    if high is None:
        return f"at least {low:.15g}"
    return f"at most {high:.15g}" if low is None else f"between {low:.15g} and {high:.15g}"
