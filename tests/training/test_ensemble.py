"""Networks side by side: each learns as if it were alone, and what is answered is their average."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from portfolio.training.ensemble import Ensemble
from portfolio.training.lightning import fit, outputs
from tests.training.test_lightning import PARAMS, split


def networks(outputs: int = 2) -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, outputs)) for _ in range(3)]


def test_classes_get_the_mean_of_the_members_probabilities() -> None:
    members, features = networks(), torch.from_numpy(split(50, 0)[0])
    with torch.inference_mode():
        found = Ensemble(members, "classification").eval()(features).softmax(dim=1)
        expected = sum(member(features).softmax(dim=1) for member in members) / 3
    torch.testing.assert_close(found, expected)


def test_a_value_is_the_mean_of_the_members_values() -> None:
    members, features = networks(outputs=1), torch.from_numpy(split(50, 0)[0])
    with torch.inference_mode():
        found = Ensemble(members, "regression").eval()(features)
        expected = sum(member(features) for member in members) / 3
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_each_member_learns_as_if_it_were_alone(tmp_path: Path, task: str) -> None:
    features, targets = split(200, 0)
    if task == "regression":
        targets = features.sum(axis=1)
    rows, width = (features, targets), 2 if task == "classification" else 1
    together = fit(networks(width), task, rows, rows, PARAMS, tmp_path / "together").network
    assert isinstance(together, Ensemble)
    for number, member in enumerate(networks(width)):
        alone = fit([member], task, rows, rows, PARAMS, tmp_path / f"alone {number}").network
        found, expected = (outputs(network, features) for network in (together.members[number], alone.members[0]))
        np.testing.assert_allclose(found, expected, atol=0.02)
