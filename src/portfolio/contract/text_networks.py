"""Networks that read a text character by character: a Transformer, and a recurrent one.

Both take the numbers of `Characters`, float32 [rows, length]: the start, the characters, then padding. Padding changes
nothing, so a row is answered the same whatever other rows are in its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from portfolio.contract.characters import FIRST, PADDING, UNKNOWN
from portfolio.contract.network_params import TextParams

# Of the rows that are computed at once, when they are sorted by length: short texts are not padded to the longest.
ROWS_AT_ONCE = 32


class TextNetwork(nn.Module):
    """Texts to logits or standardised values [rows, outputs]. A subclass says how characters are read."""

    def __init__(self, params: TextParams, width: int, outputs: int) -> None:
        super().__init__()
        size = params.embedding
        self.embedding = nn.Embedding(FIRST + params.vocabulary_size, size, padding_idx=PADDING)
        self.neighbours = nn.Conv1d(size, size, 3, padding=1)
        self.reader: nn.Module = (Transformer if params.kind == "transformer" else Recurrent)(params, width)
        self.dropout = nn.Dropout(params.dropout)
        self.head = nn.Linear(2 * size, outputs)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        numbers = features.long()
        # In the graph, texts are as long as the longest of the request already.
        return self._outputs(numbers) if torch.compiler.is_exporting() else by_length(self._outputs, numbers)

    def _outputs(self, numbers: torch.Tensor) -> torch.Tensor:
        there = numbers != PADDING
        embedded = self.dropout(self.embedding(numbers))
        # Padding is embedded as zeros, which is also what a convolution sees beyond the end.
        embedded = embedded + functional.gelu(self.neighbours(embedded.transpose(1, 2)).transpose(1, 2))
        read = self.reader(embedded, there)
        seen = there.unsqueeze(-1)
        mean = (read * seen).sum(dim=1) / seen.sum(dim=1)
        highest = read.masked_fill(~seen, torch.finfo(read.dtype).min).amax(dim=1)
        found: torch.Tensor = self.head(self.dropout(torch.cat([mean, highest], dim=1)))
        return found


class Transformer(nn.Module):
    """Blocks of self-attention (Vaswani et al. 2017), each with its normalisation first."""

    def __init__(self, params: TextParams, width: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(width, params.embedding) * 0.02)
        self.blocks = nn.ModuleList(Block(params) for _ in range(params.layers))
        self.norm = nn.LayerNorm(params.embedding)

    def forward(self, embedded: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """For float32 [rows, length, embedding], and bool [rows, length]: where there is a character."""
        read = embedded + self.positions[: embedded.shape[1]]
        # No character looks at padding: [rows, heads, from, to].
        mask = there[:, None, None, :]
        for block in self.blocks:
            read = block(read, mask)
        found: torch.Tensor = self.norm(read)
        return found


class Block(nn.Module):
    def __init__(self, params: TextParams) -> None:
        super().__init__()
        size = params.embedding
        self._heads = params.heads
        self._dropout = params.dropout
        self.before_attention, self.before_feed = nn.LayerNorm(size), nn.LayerNorm(size)
        self.queries_keys_values, self.attended = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.feed = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, read: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        rows, length, size = read.shape
        parts = self.queries_keys_values(self.before_attention(read))
        split = parts.reshape(rows, length, 3, self._heads, size // self._heads).permute(2, 0, 3, 1, 4)
        queries, keys, values = split[0], split[1], split[2]
        dropout = self._dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, dropout_p=dropout)
        read = read + self.dropout(self.attended(attended.transpose(1, 2).reshape(rows, length, size)))
        fed: torch.Tensor = read + self.dropout(self.feed(self.before_feed(read)))
        return fed


class Recurrent(nn.Module):
    """Gated recurrent units (Cho et al. 2014), once from the start and once from the end of each text."""

    def __init__(self, params: TextParams, width: int) -> None:
        super().__init__()
        sizes = [params.embedding, *[2 * (params.embedding // 2)] * params.layers]
        self.forwards = nn.ModuleList(nn.GRU(a, b // 2, batch_first=True) for a, b in pairwise(sizes))
        self.backwards = nn.ModuleList(nn.GRU(a, b // 2, batch_first=True) for a, b in pairwise(sizes))
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, embedded: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """For float32 [rows, length, embedding], and bool [rows, length]: where there is a character."""
        read = embedded
        # Each text turned round in its own length, so that the way back does not begin in the padding.
        places = torch.arange(there.shape[1], device=there.device)
        turned = (there.sum(dim=1, keepdim=True) - 1 - places).clamp(min=0).unsqueeze(-1)
        for number, (forwards, backwards) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if number:
                read = self.dropout(read)
            onward = states(forwards, read)
            back = states(backwards, read.gather(1, turned.expand(-1, -1, read.shape[2])))
            read = torch.cat([onward, back.gather(1, turned.expand(-1, -1, back.shape[2]))], dim=2)
        return read


def states(layer: Any, read: torch.Tensor) -> torch.Tensor:
    """The states [rows, length, hidden] of an nn.GRU for inputs [rows, length, size]."""
    if not torch.compiler.is_exporting():
        found: torch.Tensor = layer(read)[0]
        return found
    # The exporter would write down the steps for one length alone; ONNX has the whole layer as one operator.
    rows, length, _ = read.shape
    weights = [
        _in_onnx_order(getattr(layer, f"{kind}_l0")) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
    written: torch.Tensor = torch.onnx.ops.symbolic(
        "GRU",
        (read.transpose(0, 1), weights[0], weights[1], torch.cat(weights[2:], dim=1)),
        {"hidden_size": layer.hidden_size, "linear_before_reset": 1},
        dtype=read.dtype,
        shape=(length, 1, rows, layer.hidden_size),
        version=14,
    )
    return written.squeeze(1).transpose(0, 1)


def _in_onnx_order(gates: torch.Tensor) -> torch.Tensor:
    """torch has the gates in the order reset, update, new; ONNX has update, reset, new, for each direction."""
    size = len(gates) // 3
    return torch.cat([gates[size : 2 * size], gates[:size], gates[2 * size :]]).unsqueeze(0)


def by_length(run: Callable[[torch.Tensor], torch.Tensor], numbers: torch.Tensor) -> torch.Tensor:
    """What `run` gives for numbers [rows, length], computed a few rows of like length at a time."""
    lengths = (numbers != PADDING).sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    parts = [run(numbers[part][:, : int(lengths[part].max())]) for part in torch.split(order, ROWS_AT_ONCE)]
    return torch.cat(parts)[torch.argsort(order)]


class UnknownCharacters:
    """Makes some characters of each text [rows, length] unknown, at random: none may decide alone."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        gone = (torch.rand(features.shape, device=features.device) < self._share) & (features >= FIRST)
        return features.masked_fill(gone, UNKNOWN)
