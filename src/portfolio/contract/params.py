"""The base of a use case's own `network` section."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ValidationError

from portfolio.contract.config import explain
from portfolio.core.errors import ConfigError
from portfolio.core.types import Strict


class NetworkParamsBase(Strict):
    @classmethod
    def read(cls, params: dict[str, Any], where: str = "The config's section 'network'") -> Self:
        """Raises ConfigError naming where it stands, the key, the value and what is allowed."""
        try:
            return cls.model_validate(params)
        except ValidationError as error:
            raise ConfigError(explain(where, error)) from error
