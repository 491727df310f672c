"""Networks that differ by chance alone, and whose answers are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Ensemble(nn.Module):
    """Networks of one kind from different starting points (Lakshminarayanan et al. 2017).

    Where the rows say little, the members disagree, and their average is less sure than any of them. In training, each
    gives its own answers [members, rows, outputs], so that each learns as if it were alone. Afterwards there is one
    answer [rows, outputs]: the logits of the members' mean probabilities, or their mean value.
    """

    def __init__(self, members: Sequence[nn.Module], task: str) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._task = task

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        answers = torch.stack([member(features) for member in self.members])
        if self.training:
            return answers
        if self._task == "classification":
            # Of the sum of the probabilities: softmax makes no difference between that and their mean.
            return answers.log_softmax(dim=2).logsumexp(dim=0)
        return answers.mean(dim=0)
