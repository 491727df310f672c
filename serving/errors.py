"""The error that ends a request with an answer that is not a prediction."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

# What Pydantic finds, by the type of its error, in the words of our own checks.
FOUND = {
    "missing": "this field is missing",
    "extra_forbidden": "there is no such field",
    "json_invalid": "is not valid JSON: {error}",
    "list_type": "must be a list",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "the length must be at least {min_length:,}",
    "too_long": "the length must be at most {max_length:,}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length:,} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "literal_error": "must be one of: {expected}",
    "value_error": "{error}",
}
MAX_DETAILS = 10
MAX_FIELD_LENGTH = 80


class RequestError(Exception):
    """A request that can't be answered: an HTTP status, a code, a message, and the errors by field."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: list[dict[str, str]] | None = None,
        retry_after_seconds: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details or []
        self.headers = dict(headers or {})
        if retry_after_seconds is not None:
            self.headers["Retry-After"] = str(retry_after_seconds)


def field_error(field: str, message: str) -> RequestError:
    """A 422 for one field of a request."""
    field = field[:MAX_FIELD_LENGTH]
    return RequestError(422, "invalid_request", f"{field}: {message}.", [{"field": field, "message": message}])


def validation_error(error: ValidationError, name: str = "") -> RequestError:
    """A 422 with everything that Pydantic found, field by field. `name` is put before each field."""
    details = [
        {
            "field": ".".join(str(part) for part in (*([name] if name else []), *found["loc"])) or "body",
            "message": FOUND[found["type"]].format(**found.get("ctx", {})) if found["type"] in FOUND else found["msg"],
        }
        for found in error.errors(include_url=False, include_input=False)[:MAX_DETAILS]
    ]
    more = f" (and {error.error_count() - len(details)} more)" if error.error_count() > len(details) else ""
    message = f"{details[0]['field']}: {details[0]['message']}{more}. See /docs for an example."
    return RequestError(422, "invalid_request", message, details)
