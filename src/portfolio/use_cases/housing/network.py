"""The network for housing: a multi-layer perceptron."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from portfolio.use_cases.housing.params import NetworkParams


class HousingNetwork(nn.Module):
    """Features [rows, width] to a standardised target [rows, 1]."""

    def __init__(self, params: NetworkParams, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((width, *params.hidden)):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(params.dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(params.hidden[-1], 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.layers(features)
        return values
