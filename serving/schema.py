"""The request of /predict, made from a bundle's manifest: real field names, types, ranges and an example."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from portfolio.bundle import InputField, Manifest

MAX_TEXT_LENGTH = 200


def request_model(manifest: Manifest, max_rows: int) -> type[BaseModel]:
    """A strict model of `{"instances": [{field: value, ...}, ...]}` with 1 to `max_rows` instances."""
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    fields: dict[str, Any] = {field.name: _annotation(field) for field in manifest.inputs}
    instance = create_model("Instance", __config__=strict, **fields)
    example: dict[str, Any] = {"instances": [{field.name: field.example for field in manifest.inputs}]}
    return create_model(
        "PredictRequest",
        __config__=ConfigDict(**{**strict, "json_schema_extra": {"example": example}}),
        instances=(Annotated[list[instance], Field(min_length=1, max_length=max_rows)], ...),  # type: ignore[valid-type]
    )


def _annotation(field: InputField) -> Any:
    """The type of one field and its default: a field that may be missing may also be left out."""
    bounds: dict[str, Any] = {"ge": field.minimum, "le": field.maximum}
    about: dict[str, Any] = {"description": field.description, "examples": [field.example]}
    if field.kind == "image":
        ink = Annotated[float, Field(**bounds)]
        return Annotated[list[ink], Field(min_length=field.width, max_length=field.width, **about)], ...
    if field.kind == "category":
        return Annotated[str, Field(max_length=MAX_TEXT_LENGTH, **about)], ...
    number = Annotated[float, Field(**bounds, **about)]
    return (number | None, None) if field.nullable else (number, ...)
