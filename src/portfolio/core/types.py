"""Types that every room shares."""

from __future__ import annotations

from typing import Annotated, Any

import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Array = npt.NDArray[Any]


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
