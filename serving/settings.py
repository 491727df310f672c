"""The server's settings, read from the environment and checked before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationError

from portfolio.bundle import Strict
from portfolio.errors import ConfigError
from portfolio.store import Store

VARIABLES = {
    "use_case": "PORTFOLIO_USE_CASE",
    "max_body_bytes": "PORTFOLIO_MAX_BODY_BYTES",
    "max_rows": "PORTFOLIO_MAX_ROWS",
    "poll_seconds": "PORTFOLIO_POLL_SECONDS",
}


class Settings(Strict):
    use_case: str = Field(default="digits", pattern=r"^[a-z][a-z0-9_]*$")
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024)
    max_rows: int = Field(default=1000, ge=1)
    poll_seconds: float = Field(default=0.5, gt=0, le=60)

    @property
    def store(self) -> Path:
        return Store.of(self.use_case).folder

    @classmethod
    def from_environment(cls) -> Settings:
        """Raises ConfigError naming the variable, its value and what is allowed."""
        found = {key: os.environ[name] for key, name in VARIABLES.items() if name in os.environ}
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            fault = error.errors()[0]
            raise ConfigError(f"{VARIABLES[str(fault['loc'][0])]}={fault['input']!r}: {fault['msg']}.") from error
