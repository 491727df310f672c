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
    """Two convolutions and a linear layer: pixels [rows, height * width] to logits or values [rows, outputs]."""

    def __init__(
        self, params: ConvolutionParams, shape: tuple[int, int], minimum: float, maximum: float, outputs: int
    ) -> None:
        super().__init__()
        first, second = params.channels
        height, width = shape
        self._shape, self._minimum, self._span = shape, minimum, maximum - minimum
        self.layers = nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1),
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
        images = (features.reshape(-1, 1, *self._shape) - self._minimum) / self._span
        found: torch.Tensor = self.layers(images)
        return found


class Shifts:
    """Moves each image [rows, height * width] by up to a pixel to each side, at random: nothing is ever centred."""

    def __init__(self, shape: tuple[int, int], background: float) -> None:
        self._shape, self._background = shape, background

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        rows, (height, width) = len(features), self._shape
        images = features.reshape(rows, height, width)
        windows = functional.pad(images, (1, 1, 1, 1), value=self._background).unfold(1, height, 1).unfold(2, width, 1)
        down, right = torch.randint(3, (2, rows), device=features.device)
        return windows[torch.arange(rows, device=features.device), down, right].reshape(rows, height * width)
