"""Handwritten digits: forms that a scanning office keys in by hand.

One raw row:

    form_id     "form-0042"
    scanned_on  2026-01-05
    pixels      [0, 0, 5, 13, 9, 1, ... 64 values of 0 (paper) to 16 (ink), row by row]
    digit       0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portfolio.bundle.manifest import InputField, Output
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.use_cases.digits.params import NetworkParams

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from pandera.polars import DataFrameSchema

    from portfolio.contract.sources import Source

# fmt: off
EXAMPLE_PIXELS: list[float] = [
    0, 0, 5, 13, 9, 1, 0, 0,
    0, 0, 13, 15, 10, 15, 5, 0,
    0, 3, 15, 2, 0, 11, 8, 0,
    0, 4, 12, 0, 0, 8, 8, 0,
    0, 5, 8, 0, 0, 9, 8, 0,
    0, 4, 11, 0, 1, 12, 7, 0,
    0, 2, 14, 5, 10, 12, 0, 0,
    0, 0, 6, 13, 10, 0, 0, 0,
]
# fmt: on


class Digits(UseCase):
    name = "digits"
    title = "Handwritten digits on scanned forms"
    inputs = (
        InputField(
            name="pixels",
            kind="image",
            description="an 8 x 8 image, row by row; 0 is paper, 16 is full ink",
            shape=(8, 8),
            minimum=0,
            maximum=16,
            step=1,
            example=EXAMPLE_PIXELS,
        ),
    )
    output = Output(task="classification", name="digit", classes=tuple("0123456789"))
    key = "form_id"
    identity = ("form_id",)
    target = "digit"
    metric = "accuracy"
    network_params = NetworkParams

    def source(self, config: Config) -> Source:
        from portfolio.use_cases.digits.source import EmbeddedDigits

        return EmbeddedDigits(config.collect)

    def schema(self) -> DataFrameSchema:
        from portfolio.use_cases.digits.schema import SCHEMA

        return SCHEMA

    def baselines(self) -> dict[str, Any]:
        from portfolio.use_cases.digits.baselines import baselines

        return baselines()

    def network(self, params: dict[str, Any], width: int) -> torch.nn.Module:
        from portfolio.use_cases.digits.network import DigitNetwork

        return DigitNetwork(NetworkParams.read(params))

    def augmentation(self) -> Callable[[torch.Tensor], torch.Tensor]:
        from portfolio.use_cases.digits.network import shifted

        return shifted


USE_CASE = Digits()
