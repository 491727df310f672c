"""A model of texts behind every protocol: the same answer, however the text is written, and nothing too long."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from serving.app import create_app
from serving.runtime.runner import MANY_ROWS, Plan
from tests.serving.conftest import best_bundle
from tests.workspace import REMARKS

INFER = f"/v2/models/{REMARKS}/infer"
TEXT = "the Bath was good\n2泊 ﾍﾞｯﾄﾞ"
SAME = "THE BATH  WAS GOOD 2泊 ベッド"


@pytest.fixture
def remarks(store: Store, built_once: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("PORTFOLIO_USE_CASE", REMARKS)
    bundle = best_bundle(built_once(REMARKS), REMARKS)
    lineage = bundle.manifest.lineage.model_copy(update={"model_version": 1})
    Store.of(REMARKS).publish(bundle.folder, bundle.manifest.model_copy(update={"lineage": lineage}))
    with TestClient(create_app()) as client:
        yield client


def predict(client: TestClient, text: str | None, **about: Any) -> dict[str, Any]:
    answer = client.post("/predict", json={"instances": [{"remark": text}]}, **about)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["predictions"][0]
    return found


def infer(client: TestClient, raw: bytes) -> Any:
    tensor = f'{{"name":"remark","shape":[1,1],"datatype":"BYTES","parameters":{{"binary_data_size":{len(raw)}}}}}'
    head = f'{{"inputs":[{tensor}],"outputs":[{{"name":"probabilities"}}]}}'.encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return client.post(INFER, content=head + raw, headers=headers)


def as_bytes(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode()


@pytest.mark.parametrize("text", [TEXT, SAME])
def test_every_protocol_gives_the_same_answer_however_the_text_is_written(remarks: TestClient, text: str) -> None:
    expected = predict(remarks, SAME)
    assert expected["class"] == "content"
    assert predict(remarks, text) == expected
    forms: list[dict[str, Any]] = [
        {"json": {"instances": [{"remark": text}]}},
        {"json": {"inputs": {"remark": [text]}}},
        {"json": {"dataframe_split": {"columns": ["id", "remark"], "data": [[7, text]]}}},
        {"content": f'remark\n"{text}"\n'.encode(), "headers": {"Content-Type": "text/csv"}},
    ]
    for form in forms:
        (found,) = remarks.post("/invocations", **form).json()["predictions"]
        assert found == expected, form
    probabilities = list(expected["probabilities"].values())
    shown = {"name": "remark", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    for answer in (remarks.post(INFER, json={"inputs": [shown]}), infer(remarks, as_bytes(text))):
        np.testing.assert_allclose(answer.json()["outputs"][0]["data"], probabilities, rtol=1e-6)


def test_a_mebibyte_is_refused_by_its_length(remarks: TestClient) -> None:
    long = "x" * (1024 * 1024 - 200)
    answers = [
        remarks.post("/predict", json={"instances": [{"remark": long}]}),
        remarks.post("/invocations", content=f"remark\n{long}\n".encode(), headers={"Content-Type": "text/csv"}),
        infer(remarks, as_bytes(long)),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "40 characters" in answer.text
        assert len(answer.content) < 1000


def test_what_training_never_saw_goes_to_a_person(remarks: TestClient) -> None:
    assert "unseen" not in predict(remarks, TEXT)
    found = predict(remarks, "완전히 다른 언어")
    assert found["decision"] == "person"
    assert set(found["unseen"]["remark"]) == set("완전히다른언어")


@pytest.mark.parametrize("text", [None, "", " \n", "x", "😀" * 40])
def test_there_is_an_answer_and_an_explanation_for_whatever_is_allowed(remarks: TestClient, text: str | None) -> None:
    explained = predict(remarks, text, params={"explain": "true"})["explanation"]
    read = explained["texts"]["remark"]
    assert len(explained["falls_by"]["remark"]) == len(read)
    assert read == (text or "").strip()


def test_the_word_that_mattered_stands_out(remarks: TestClient) -> None:
    explained = predict(remarks, TEXT, params={"explain": "true"})["explanation"]
    text, falls = explained["texts"]["remark"], explained["falls_by"]["remark"]
    assert text == "the bath was good 2泊 ベッド"
    assert text[int(np.argmax(falls)) :].startswith("good")
    assert len(set(falls[text.index("good") : text.index("good") + 4])) == 1


def test_how_many_texts_block_the_event_loop_follows_from_the_longest_there_may_be(
    built_once: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = best_bundle(built_once(REMARKS), REMARKS)
    run: list[list[str]] = []
    monkeypatch.setattr(bundle, "predict", lambda inputs: run.append(inputs["remark"][:, 0].tolist()))
    Plan.measured(bundle)
    assert {len(texts) for texts in run} == {1, MANY_ROWS}
    assert {len(text) for texts in run if len(texts) > 1 for text in texts} == {40}


def test_the_page_is_given_example_texts_and_the_longest_that_may_be(remarks: TestClient) -> None:
    model = remarks.get("/model").json()
    (field,) = model["inputs"]
    assert field["max_length"] == 40
    examples = model["examples"]["remark"]
    assert examples[0] == field["example"]
    assert 2 < len(examples) == len(set(examples))
    assert "" not in examples
