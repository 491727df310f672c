"""What the config's section `network` of housing may say. Without torch, so that a typo is found at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from portfolio.contract.params import NetworkParamsBase


class NetworkParams(NetworkParamsBase):
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8)]
    dropout: float = Field(ge=0, lt=1)
