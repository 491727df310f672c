"""True labels for answers that were given: what monitoring and the next training learn from."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portfolio.bundle.manifest import Manifest
from portfolio.core.labels import category_text
from serving.errors import field_error, validation_error


class Feedback(BaseModel):
    """The true label of one row of an answered request."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    request_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="the request_id of the answer")]
    label: str | bool | float = Field(description="the true class, or the true value")
    row: int = Field(default=0, ge=0, description="which of the request's instances it belongs to")


def read_feedback(body: bytes, manifest: Manifest) -> Feedback:
    """Feedback with its label as the bundle has it. Raises RequestError if the body is not feedback of this model."""
    try:
        found = Feedback.model_validate_json(body)
    except ValidationError as error:
        raise validation_error(error) from error
    output = manifest.output
    if output.task == "regression":
        if not isinstance(found.label, float):
            raise field_error("label", f"must be a number: {output.name}, in {output.unit or 'its unit'}")
        return found
    label = category_text(found.label)
    if label not in output.classes:
        raise field_error("label", f"no such class; the classes are: {', '.join(output.classes)}")
    return found.model_copy(update={"label": label})


def is_right(manifest: Manifest, outputs: list[float], label: str | float) -> bool | None:
    """Whether a row's answer was its label. None for a predicted value, which is never exactly right."""
    if manifest.output.task == "regression":
        return None
    (answered,) = manifest.decider()(np.array([outputs])).answers
    return bool(manifest.output.classes[answered] == label)
