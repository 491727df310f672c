"""Texts: how they are declared, how their characters are numbered, and the networks that read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

from portfolio.bundle.bundle import to_array
from portfolio.bundle.manifest import Output
from portfolio.contract import FreeText
from portfolio.contract.characters import FIRST, PADDING, START, UNKNOWN, Characters
from portfolio.contract.graph_features import GraphFeatures
from portfolio.contract.loading import load_use_case
from portfolio.contract.network_params import TextParams
from portfolio.contract.text_networks import ROWS_AT_ONCE, TextNetwork
from portfolio.core.errors import ConfigError
from portfolio.core.types import Array
from portfolio.training.network_graph import network_graph
from tests.workspace import SMALL, write_use_case

TEXTS = ["部屋は広い", "部屋は狭い", "wi-fi #1", "", "😀𠮷 広い", "x" * 30, "#", "見知らぬ文字ばかり", "<padding>"]
FIELD = FreeText("review", 100)
OUTPUT = Output(task="classification", name="mood", classes=("a", "b"), labels=("a", "b"))


def array(texts: Sequence[str]) -> Array:
    return to_array(FIELD, list(texts))


@pytest.mark.parametrize(
    ("base", "inputs", "said"),
    [
        ("Table", '[Number("age"), FreeText("note", 50)]', "'note' is a FreeText, which Table does not take"),
        ("Table", '[Image("pixels", 2, 2, maximum=1)]', "Derive the class from Images"),
        ("Images", '[FreeText("note", 50)]', "Derive the class from Text"),
        ("Text", '[Number("age")]', "Derive the class from Table"),
        ("Text", '[FreeText("title", 50), FreeText("body", 50)]', "Text takes one input, a FreeText; it has 2"),
        ("Text", '[FreeText("note", 0)]', "max_length must be at least 1"),
    ],
)
def test_an_input_that_no_model_would_see_is_refused(workspace: Path, base: str, inputs: str, said: str) -> None:
    code = SMALL.replace("Table\n", "Table, FreeText, Text\n", 1).replace("Small(Table)", f"Small({base})")
    write_use_case("small", code.replace('[Number("age", 0, 120), Category("town", ["A", "B"])]', inputs))
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        load_use_case("small")


@pytest.mark.parametrize("network", [{"kind": "cnn"}, {"embedding": 30}, {"context_length": 0}, {"layers": 0}])
def test_a_network_that_can_not_be_is_refused(network: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(network))):
        TextParams.read(network)


def test_characters_are_numbered_by_how_common_they_are_in_training() -> None:
    characters = Characters(max_length=4, vocabulary_size=2).fit(array(["aab", "abc", "cd"]))
    # c is as common as b, and d occurs once.
    assert characters.numbers_ == {"a": FIRST, "b": FIRST + 1}
    found = characters.transform(array(["ba", "cabab", ""]))
    assert found.dtype == np.float32
    assert found.tolist() == [
        [START, FIRST + 1, FIRST, PADDING, PADDING],
        [START, UNKNOWN, FIRST, FIRST + 1, FIRST],
        [START, PADDING, PADDING, PADDING, PADDING],
    ]


@pytest.mark.parametrize("kind", ["transformer", "rnn"])
def test_the_graph_reads_texts_as_the_network_does(kind: str) -> None:
    """Alone, among longer ones, empty, cut off, with characters that training never had or that UTF-16 splits."""
    params = TextParams(kind=kind, embedding=8, heads=2, context_length=20, vocabulary_size=16)  # type: ignore[arg-type]
    characters = Characters(params.context_length, params.vocabulary_size).fit(array(TEXTS))
    torch.manual_seed(0)
    features = characters.transform(array(TEXTS))
    network = nn.Sequential(TextNetwork(params, features.shape[1], 2), nn.Softmax(dim=1)).eval()
    graph = network_graph(GraphFeatures(Path("none.sql"), [FIELD]), OUTPUT, characters, network, features.shape[1])
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = network(torch.from_numpy(features)).numpy()
    assert len(np.unique(expected[:, 0])) == len(TEXTS)
    for texts in (TEXTS, TEXTS[:2], TEXTS[3:4], *([text] for text in TEXTS)):
        (found,) = session.run(["probabilities"], {"input_0": array(texts)})
        places = [TEXTS.index(text) for text in texts]
        np.testing.assert_allclose(found, expected[places], atol=1e-6)


@pytest.mark.parametrize("kind", ["transformer", "rnn"])
def test_padding_changes_nothing_and_order_does(kind: str) -> None:
    params = TextParams(kind=kind, embedding=8, heads=2)  # type: ignore[arg-type]
    torch.manual_seed(0)
    network = TextNetwork(params, 1 + params.context_length, 2).eval()
    texts = [[START, *torch.randint(FIRST, 50, (length,)).tolist()] for length in range(1, 3 * ROWS_AT_ONCE)]
    padded = torch.zeros(len(texts), 1 + params.context_length)
    for row, text in zip(padded, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    with torch.inference_mode():
        together = network(padded)
        for row, text in enumerate(texts):
            alone = network(torch.tensor([text], dtype=torch.float32))
            np.testing.assert_allclose(together[row], alone[0], atol=1e-5)
        turned = network(torch.tensor([[START, *reversed(texts[-1][1:])]], dtype=torch.float32))
    assert not np.allclose(turned[0], together[-1], atol=1e-3)
