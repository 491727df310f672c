"""What the config's section `network` may say. No torch is imported here, so a typo is found at once."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

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
            raise ConfigError(faults(where, error, cls)) from error


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


class TextParams(NetworkParams):
    """Of a network that reads a text character by character."""

    capacity: ClassVar[list[dict[str, Any]]] = [
        {"network.kind": kind, "network.embedding": embedding}
        for kind in ("transformer", "rnn")
        for embedding in (16, 32, 64, 128)
    ]
    ablation: ClassVar[dict[str, dict[str, Any]]] = NO_DROPOUT | NetworkParams.ablation
    space: ClassVar[dict[str, Any]] = {
        "network.kind": {"choices": ["transformer", "rnn"]},
        "network.embedding": {"choices": [32, 64, 128]},
        "network.dropout": {"low": 0, "high": 0.5},
    }

    kind: Literal["transformer", "rnn"] = Field(
        default="transformer", description="self-attention between all characters, or gated recurrent units"
    )
    embedding: Size = Field(default=64, description="how many numbers stand for a character, in every layer")
    layers: int = Field(default=2, ge=1, le=12)
    heads: int = Field(default=4, ge=1, le=64, description="of each layer's attention, in a transformer")
    dropout: Dropout = 0.2
    context_length: int = Field(default=256, ge=1, le=1024, description="how many characters of a text are read")
    vocabulary_size: Size = Field(
        default=1024, description="how many characters are told apart, the most common ones; the others are one more"
    )

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.embedding % 2 or (self.kind == "transformer" and self.embedding % self.heads):
            raise ValueError(f"embedding ({self.embedding}) must be even, and a multiple of heads ({self.heads})")
        return self
