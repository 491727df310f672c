"""The networks that use cases train unless they bring their own."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from portfolio.contract.network_params import ConvolutionParams, PerceptronParams


class Perceptron(nn.Module):
    """A multi-layer perceptron: features [rows, width] to logits or standardised values [rows, outputs]."""

    def __init__(self, params: PerceptronParams, width: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((width, *params.hidden)):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(params.dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(params.hidden[-1], outputs))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(features)
        return found


class ConvolutionNetwork(nn.Module):
    """Two convolutions and a linear layer: images [rows, width] to logits or values [rows, outputs].

    `shape` is (height, width, channels) of an image, whose values come pixel by pixel.
    """

    def __init__(
        self, params: ConvolutionParams, shape: tuple[int, int, int], minimum: float, maximum: float, outputs: int
    ) -> None:
        super().__init__()
        first, second = params.channels
        height, width, channels = shape
        self._shape, self._minimum, self._span = shape, minimum, maximum - minimum
        self.layers = nn.Sequential(
            nn.Conv2d(channels, first, 3, padding=1),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, padding=1),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(params.dropout),
            nn.Linear(second * (height // 2) * (width // 2), outputs),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        images = (features.reshape(-1, *self._shape).movedim(-1, 1) - self._minimum) / self._span
        found: torch.Tensor = self.layers(images)
        return found


class Shifts:
    """Moves each image by up to a pixel to each side, at random: nothing is ever centred.

    `shape` is (height, width, channels). What comes in at a side is the background, or without one the outermost pixels
    once more.
    """

    def __init__(self, shape: tuple[int, int, int], background: float | None) -> None:
        self._shape, self._background = shape, background

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Images [rows, height * width * channels]."""
        rows, (height, width, channels) = len(features), self._shape
        images = features.reshape(rows, height, width, channels).movedim(-1, 1)
        if self._background is None:
            padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
        else:
            padded = functional.pad(images, (1, 1, 1, 1), value=self._background)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # [rows, channels, down, right, height, width]
        down, right = torch.randint(3, (2, rows), device=features.device)
        moved = windows[torch.arange(rows, device=features.device), :, down, right]
        return moved.movedim(1, -1).reshape(rows, height * width * channels)
