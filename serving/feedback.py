"""True labels for answers that were given: what monitoring and the next training learn from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portfolio.bundle.manifest import Manifest
from serving.answers import is_right
from serving.exchange import field_error
from serving.schema import invalid


class Feedback(BaseModel):
    """The true label of one row of an answered request."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    request_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="the request_id of the answer")]
    label: str | float = Field(description="the true class, or the true value")
    row: int = Field(default=0, ge=0, description="which of the request's instances it is of")


def read_feedback(body: bytes, manifest: Manifest) -> Feedback:
    """Raises RequestError if it is none, or if the label can't be one."""
    try:
        found = Feedback.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
    output = manifest.output
    if output.task == "regression" and not isinstance(found.label, float):
        raise field_error("label", f"must be a number: {output.name}, in {output.unit or 'its unit'}")
    if output.task == "classification" and found.label not in output.classes:
        raise field_error("label", f"there is no such class. There are: {', '.join(output.classes)}")
    return found


def judge(manifest: Manifest, found: Feedback) -> Any:
    """What says, of the logged outputs of a row, whether the answer was right."""
    return lambda outputs: is_right(manifest, outputs, found.label)
