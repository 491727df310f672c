"""What the config's section `network` may say. No torch is imported here, so a typo is found at once."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, ValidationError

from portfolio.core.errors import ConfigError
from portfolio.core.faults import faults
from portfolio.core.types import Strict

Size = Annotated[int, Field(ge=1, le=4096)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class NetworkParams(Strict):
    """Base of a network's parameters, each with a default; and what studies and tuning vary unless the config says."""

    capacity: ClassVar[list[dict[str, Any]]] = []
    """Networks from small to large, each as changes of the config."""
    ablation: ClassVar[dict[str, dict[str, Any]]] = {
        "one network": {"train.members": 1},
        "no weight decay": {"train.weight_decay": 0},
    }
    """What stands against overfitting, each switched off."""
    space: ClassVar[dict[str, Any]] = {}
    """The search space, beside the learning rate and the weight decay."""

    @classmethod
    def read(cls, params: dict[str, Any], where: str = "The config's section 'network'") -> Self:
        """Raises ConfigError naming where it stands, the key, the value and what is allowed."""
        try:
            return cls.model_validate(params)
        except ValidationError as error:
            raise ConfigError(faults(where, error)) from error


NO_DROPOUT = {"no dropout": {"network.dropout": 0}}


class PerceptronParams(NetworkParams):
    """Of a multi-layer perceptron."""

    capacity: ClassVar[list[dict[str, Any]]] = [
        {"network.hidden": hidden} for hidden in ([4], [16], [64], [64, 64], [256, 256])
    ]
    ablation: ClassVar[dict[str, dict[str, Any]]] = NO_DROPOUT | NetworkParams.ablation
    space: ClassVar[dict[str, Any]] = {
        "network.hidden": {"choices": [[64], [64, 64], [128, 128], [256, 256], [128, 128, 128]]},
        "network.dropout": {"low": 0, "high": 0.5},
    }

    hidden: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)] = (64, 64)
    dropout: Dropout = 0.1


class ConvolutionParams(NetworkParams):
    """Of a small convolutional network."""

    capacity: ClassVar[list[dict[str, Any]]] = [
        {"network.channels": channels} for channels in ([2, 4], [4, 8], [8, 16], [16, 32], [32, 64])
    ]
    ablation: ClassVar[dict[str, dict[str, Any]]] = NO_DROPOUT | NetworkParams.ablation
    space: ClassVar[dict[str, Any]] = {
        "network.channels": {"choices": [[8, 16], [16, 32], [32, 64]]},
        "network.dropout": {"low": 0, "high": 0.5},
    }

    channels: tuple[Size, Size] = (16, 32)
    dropout: Dropout = 0.3
