"""What the config's section `network` of digits may say. Without torch, so that a typo is found at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from portfolio.contract.params import NetworkParamsBase


class NetworkParams(NetworkParamsBase):
    channels: tuple[Annotated[int, Field(ge=1, le=1024)], Annotated[int, Field(ge=1, le=1024)]]
    dropout: float = Field(ge=0, lt=1)
