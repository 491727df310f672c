"""The server's settings, read from the environment and checked before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from portfolio.bundle.store import Store
from portfolio.core.environment import state_folder
from portfolio.core.errors import ConfigError
from portfolio.core.types import Digest

PREFIX = "SERVING_"
USE_CASE_VARIABLE = "PORTFOLIO_USE_CASE"
KEYS = ("api_keys", "admin_keys")
Hashes = Annotated[tuple[Digest, ...], NoDecode]


class Settings(BaseSettings):
    """Each field is a variable SERVING_<FIELD>, but for the use case, which is PORTFOLIO_USE_CASE."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", allow_inf_nan=False)

    use_case: str = Field(default="digits", pattern=r"^[a-z][a-z0-9_]*$", validation_alias=USE_CASE_VARIABLE)
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, le=256 * 1024 * 1024)
    max_rows: int = Field(default=1000, ge=1, le=100_000)
    max_requests: int = Field(default=256, ge=1, description="that may be under way at once; more get 503")
    timeout_seconds: float = Field(default=10, ge=0.1, le=600, description="to read a body, and again to answer it")
    poll_seconds: float = Field(default=0.5, gt=0, le=60, description="how often the store is looked at")
    log_url: str = Field(default="", description="SQLAlchemy's address of the prediction log; empty: SQLite in .state")
    log_queue: int = Field(default=10_000, ge=1, le=1_000_000, description="records that may wait to be written")
    access_log: bool = Field(default=False, description="a line of JSON for each request, and not for faults alone")
    api_keys: Hashes = Field(default=(), description="SHA-256 of the keys that may predict, by commas; none: all may")
    admin_keys: Hashes = Field(default=(), description="SHA-256 of the keys that may read metrics and reload")

    @field_validator(*KEYS, mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = tuple(part.strip() for part in value.split(",") if part.strip())
        if not found:
            # Whoever sets it wants the server closed, and without a key it would be open to all.
            raise ValueError("it is set and holds no key: take it away if all may ask")
        return found

    @property
    def store(self) -> Path:
        return Store.of(self.use_case).folder

    @property
    def log_address(self) -> str:
        return self.log_url or f"sqlite:///{state_folder() / 'log' / f'{self.use_case}.db'}"

    @classmethod
    def from_environment(cls) -> Settings:
        """Raises ConfigError naming the variable, its value unless a key, and what is allowed; also if unknown."""
        variables = {f"{PREFIX}{name}".upper(): name for name in cls.model_fields if name != "use_case"}
        unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in variables)
        if unknown:
            raise ConfigError(f"There is no setting {', '.join(unknown)}. There are: {', '.join(sorted(variables))}.")
        try:
            return cls()
        except ValidationError as error:
            fault = error.errors()[0]
            name = str(fault["loc"][0])
            variable = name if name == USE_CASE_VARIABLE else f"{PREFIX}{name}".upper()
            if name in KEYS:
                # A key itself may stand where its hash belongs: it is neither shown nor kept in the traceback.
                raise ConfigError(
                    f"{variable} (not shown): {fault['msg']}. `portfolio api-key` makes a key and its SHA-256."
                ) from None
            raise ConfigError(f"{variable}={os.environ.get(variable, '')!r}: {fault['msg']}.") from error
