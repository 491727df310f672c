"""The network for digits: a small convolutional one."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from portfolio.use_cases.digits.params import NetworkParams

MAX_INK = 16.0


def shifted(features: torch.Tensor) -> torch.Tensor:
    """Each image [rows, 64] moved by up to a pixel to each side, at random: people do not centre their digits."""
    rows = len(features)
    padded = functional.pad(features.reshape(rows, 8, 8), (1, 1, 1, 1))
    windows = padded.unfold(1, 8, 1).unfold(2, 8, 1)
    down, right = torch.randint(3, (2, rows), device=features.device)
    return windows[torch.arange(rows, device=features.device), down, right].reshape(rows, 64)


class DigitNetwork(nn.Module):
    """Two convolutions and a linear layer: ink [rows, 64] to logits [rows, 10]."""

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        first, second = params.channels
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
            nn.Linear(second * 16, 10),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(features.reshape(-1, 1, 8, 8) / MAX_INK)
        return logits
