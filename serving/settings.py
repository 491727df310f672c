"""The server's settings, read from environment variables and checked before anything starts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from portfolio.bundle.store import Store
from portfolio.core.environment import MAX_KEEP_DAYS, sqlite_address, state_folder
from portfolio.core.errors import ConfigError
from portfolio.core.paths import PARAMS, default_use_case
from portfolio.core.types import Digest

PREFIX = "SERVING_"
USE_CASE_VARIABLE = "PORTFOLIO_USE_CASE"
KEYS = ("api_keys", "admin_keys")
Hashes = Annotated[tuple[Digest, ...], NoDecode]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]
Origins = Annotated[tuple[Origin, ...], NoDecode]
# Kubernetes sets these for each service of its namespace; one may be named `serving`, or `serving-...`.
KUBERNETES = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
KUBERNETES_PORT = re.compile(rf"{PREFIX}(\w+_)?PORT=(tcp|udp|sctp)://.*")


def _use_case() -> str:
    """The default: the first of params.yaml, or where there is none, as in an image, the only one in the store.

    Raises ConfigError if neither names one.
    """
    if PARAMS.exists():
        return default_use_case()
    stores = state_folder() / "store"
    held = sorted(folder.name for folder in stores.glob("*") if folder.is_dir())
    if len(held) == 1:
        return held[0]
    found = f"holds several use cases ({', '.join(held)})" if held else "holds no use case"
    raise ConfigError(
        f"{USE_CASE_VARIABLE} is not set, there is no {PARAMS} here, and {stores} {found}. "
        f"Set {USE_CASE_VARIABLE} to the use case to serve."
    )


def _as_sent(origin: str) -> str:
    """An origin as browsers send it: in lower case, in ASCII, and without the port that its scheme implies."""
    scheme, mark, place = origin.lower().partition("://")
    place = place.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ""))
    host, colon, port = place.partition(":")
    if not host.isascii():
        host = host.encode("idna").decode()
    return f"{scheme}{mark}{host}{colon}{port}"


class Settings(BaseSettings):
    """Each field is the variable SERVING_<FIELD>, except for the use case, which is PORTFOLIO_USE_CASE."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", allow_inf_nan=False)

    use_case: str = Field(default_factory=_use_case, validation_alias=USE_CASE_VARIABLE)
    workers: int = Field(default=1, ge=1, le=64, description="processes that serve; the limits below are of each")
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, le=256 * 1024 * 1024)
    max_rows: int = Field(default=1000, ge=1, le=100_000)
    max_requests: int = Field(default=256, ge=1, description="in progress at once; further ones get 503")
    timeout_seconds: float = Field(default=10, ge=0.1, le=600, description="to read a body, and again to answer")
    poll_seconds: float = Field(
        default=0.5, gt=0, le=60, description="between two looks at the store for a new champion"
    )
    log_url: str = Field(default="", description="SQLAlchemy URL of the prediction log; empty: SQLite in .state")
    log_queue: int = Field(
        default=10_000, ge=1, le=1_000_000, description="records waiting to be written; more are dropped"
    )
    log_keep_days: float | None = Field(
        default=None,
        gt=0,
        le=MAX_KEEP_DAYS,
        description="answers without a label are deleted from the log after this; unset: kept",
    )
    shutdown_delay_seconds: float = Field(
        default=0, ge=0, le=300, description="go on taking connections after SIGTERM, while /readyz says 503"
    )
    keep_alive_seconds: float = Field(default=5, ge=1, le=3600, description="how long an idle connection stays open")
    root_path: str = Field(
        default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$", description="the path under which a proxy serves this server"
    )
    cors_origins: Origins = Field(
        default=(), description="origins of other pages that may call the server, comma-separated; *: any"
    )
    frame_ancestors: str = Field(
        default="'none'", pattern=r"^[A-Za-z0-9.:/*' _-]+$", description="pages that may embed this one, as in CSP"
    )
    unseen_to_person: bool = Field(
        default=True, description="a category that training never saw is checked by a person"
    )
    access_log: bool = Field(default=False, description="log every request, not just failed ones")
    api_keys: Hashes = Field(
        default=(), description="SHA-256 of the keys that may predict, comma-separated; none: anyone may"
    )
    admin_keys: Hashes = Field(default=(), description="SHA-256 of the keys that may read metrics and reload the model")

    @field_validator(*KEYS, mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = tuple(part.strip() for part in value.split(",") if part.strip())
        if not found:
            # Someone who sets it wants to restrict access, and without a key the server would be open to anyone.
            raise ValueError("it is set but holds no key; unset it if anyone may use the server")
        return found

    @field_validator("use_case")
    @classmethod
    def _name(cls, value: str) -> str:
        # Whatever can name a use case, in any alphabet, and no path that leads elsewhere.
        if not value.isidentifier():
            raise ValueError("it must consist of letters, digits and underscores, and begin with a letter")
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(_as_sent(part.strip()) for part in value.split(",") if part.strip())

    @property
    def store(self) -> Path:
        return Store.of(self.use_case).folder

    @property
    def log_address(self) -> str:
        return self.log_url or sqlite_address(state_folder() / "log" / f"{self.use_case}.db")

    @classmethod
    def from_environment(cls) -> Settings:
        """Raises ConfigError naming a wrong or unknown variable, its value unless it is a key, and what is allowed."""
        variables = {f"{PREFIX}{name}".upper(): name for name in cls.model_fields if name != "use_case"}
        unknown = sorted(
            name
            for name, value in os.environ.items()
            if name.startswith(PREFIX)
            and name not in variables
            and not KUBERNETES.fullmatch(name)
            and not KUBERNETES_PORT.fullmatch(f"{name}={value}")
        )
        if unknown:
            hint = " The port is set with --port or PORT." if f"{PREFIX}PORT" in unknown else ""
            raise ConfigError(
                f"Unknown setting {', '.join(unknown)}.{hint} The settings are: {', '.join(sorted(variables))}."
            )
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            variable = name if name == USE_CASE_VARIABLE else f"{PREFIX}{name}".upper()
            if name in KEYS:
                # Someone may have put a key where its hash belongs: it must be neither shown nor kept in the traceback.
                raise ConfigError(
                    f"{variable} (value not shown): {first['msg']}. `portfolio api-key` makes a key and its SHA-256."
                ) from None
            raise ConfigError(f"{variable}={first['input']!r}: {first['msg']}.") from error
