"""Photos in colour: sent as files, in base64 or as values, they are what training made of them, by every protocol."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField
from portfolio.bundle.pictures import read_pixels
from portfolio.bundle.store import Store
from portfolio.core.paths import Paths
from serving.app import create_app
from serving.protocols.explanation import variants
from serving.protocols.pictures import MAX_PIXELS, read_picture
from serving.record.recorder import Record
from tests.pictures import SIGNS as LABELS
from tests.pictures import sign
from tests.serving.conftest import services
from tests.workspace import SIGNS

INFER = f"/v2/models/{SIGNS}/infer"


@pytest.fixture(scope="module")
def signs(built_once: Callable[[str], Path]) -> Bundle:
    """A forest: in the few epochs of the tests, a network learns little."""
    folder = built_once(SIGNS)
    with chdir(folder):
        return Bundle.open(folder / Paths(SIGNS).candidates()["random_forest"])


@pytest.fixture
def client(store: Store, signs: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("PORTFOLIO_USE_CASE", SIGNS)
    lineage = signs.manifest.lineage.model_copy(update={"model_version": 1})
    Store.of(SIGNS).publish(signs.folder, signs.manifest.model_copy(update={"lineage": lineage}))
    with TestClient(create_app()) as client:
        yield client


def file_of(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def post(client: TestClient, content: bytes, kind: str = "image/png") -> Any:
    return client.post("/predict", content=content, headers={"Content-Type": kind})


def in_base64(content: bytes) -> str:
    return b64encode(content).decode()


def test_a_file_is_scaled_as_it_was_for_training(client: TestClient) -> None:
    for label in LABELS:
        for size in ((16, 16), (48, 40), (300, 200)):
            content = file_of(sign(label, 1001, size))
            answer = post(client, content).json()
            assert answer["instances"] == [{"picture": read_pixels(content, 16, 16, 3).ravel().tolist()}]
            by_values = client.post("/predict", json={"instances": answer["instances"]}).json()
            assert by_values["predictions"] == answer["predictions"]


def test_new_signs_are_recognised(client: TestClient) -> None:
    answers = [
        (label, post(client, file_of(sign(label, seed), "JPEG"), "image/jpeg").json()["predictions"][0]["class"])
        for label in LABELS
        for seed in range(2001, 2005)
    ]
    assert np.mean([label == answer for label, answer in answers]) > 0.8


def test_a_camera_s_file_is_upright(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    held, upright = Image.new("RGB", (60, 60), "blue"), Image.new("RGB", (60, 60), "blue")
    held.paste((255, 0, 0), (0, 0, 60, 30))  # what is at the top belongs to the right
    upright.paste((255, 0, 0), (30, 0, 60, 60))
    found = [
        np.array(post(client, file, "image/jpeg").json()["instances"][0]["picture"])
        for file in (file_of(held, "JPEG", exif=exif), file_of(upright, "JPEG"))
    ]
    assert np.abs(found[0] - found[1]).max() <= 4


def test_every_protocol_takes_files_in_base64(client: TestClient) -> None:
    files = [file_of(sign(label, 7)) for label in LABELS]
    expected = [post(client, content).json()["predictions"][0] for content in files]
    rows = [{"picture": in_base64(content)} for content in files]
    assert_same(client.post("/predict", json={"instances": rows}), expected)
    url = [{"picture": f"data:image/png;base64,{in_base64(files[0])}"}]
    assert_same(client.post("/predict", json={"instances": url}), expected[:1])
    mixed = [{"picture": read_pixels(files[0], 16, 16, 3).ravel().tolist()}, *rows[1:]]
    assert_same(client.post("/predict", json={"instances": mixed}), expected)
    column = [row["picture"] for row in rows]
    for body in (
        {"instances": rows},
        {"inputs": {"picture": column}},
        {"dataframe_split": {"columns": ["picture"], "data": [[file] for file in column]}},
        {"dataframe_records": rows},
    ):
        assert_same(client.post("/invocations", json=body), expected)
    for shape, datatype, data in (
        ([3, 1], "BYTES", column),
        ([3, 16, 16, 3], "UINT8", np.concatenate([read_pixels(content, 16, 16, 3).ravel() for content in files])),
    ):
        tensor = {"name": "picture", "shape": shape, "datatype": datatype, "data": list(map(_plain, data))}
        (output,) = client.post(INFER, json={"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).json()[
            "outputs"
        ]
        found = np.reshape(output["data"], (3, -1))
        np.testing.assert_allclose(found, [list(one["probabilities"].values()) for one in expected], rtol=1e-6)


def assert_same(answer: Any, expected: list[dict[str, Any]]) -> None:
    """But for the last bit, in which several rows may differ from one."""
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"]
    assert [one["class"] for one in found] == [one["class"] for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], rel=1e-5)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ("no base64!", "must be a list of numbers, or a PNG or JPEG file in base64"),
        (in_base64(b"no picture"), "is not a complete PNG or JPEG file"),
        (in_base64(file_of(Image.new("RGB", (1100, 1000)))), "has more than 1,048,576 pixels; scale it down"),
        ([1, 2, 3], "the length must be at least 768"),
        ([256] * 768, "must be at most 255"),
        (None, "must be a list"),
    ],
)
def test_what_is_wrong_is_told(client: TestClient, instance: Any, message: str) -> None:
    answer = client.post("/predict", json={"instances": [{"picture": instance}]})
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]


def test_several_files_share_what_one_may_have(client: TestClient) -> None:
    half = in_base64(file_of(Image.new("RGB", (1000, 600))))
    assert client.post("/predict", json={"instances": [{"picture": half}]}).status_code == 200
    refused = client.post("/predict", json={"instances": [{"picture": half}] * 2})
    assert f"has more than {MAX_PIXELS // 2:,} pixels" in refused.json()["error"]["message"]
    small = in_base64(file_of(Image.new("RGB", (8, 8))))
    assert client.post("/predict", json={"instances": [{"picture": small}] * 64}).status_code == 200
    refused = client.post("/predict", json={"instances": [{"picture": small}] * 65})
    assert "at most 64 files in a request, not 65" in refused.json()["error"]["message"]
    tensor = {"name": "picture", "shape": [65], "datatype": "BYTES", "data": [small] * 65}
    assert client.post(INFER, json={"inputs": [tensor]}).status_code == 422


def test_a_black_or_white_photo_is_no_blank_paper(client: TestClient) -> None:
    for colour in ("black", "white"):
        assert post(client, file_of(Image.new("RGB", (100, 100), colour))).status_code == 200


def test_an_explanation_greys_squares_out_in_all_colours(client: TestClient, signs: Bundle) -> None:
    content = file_of(sign("circle", 3, (16, 16)))
    answer = client.post("/predict?explain=true", content=content, headers={"Content-Type": "image/png"}).json()
    falls = answer["predictions"][0]["explanation"]["falls_by"]["picture"]
    assert len(falls) == 16 * 16
    assert max(map(abs, falls)) > 0
    row = np.array(answer["instances"][0]["picture"], dtype=np.float32).reshape(1, -1)
    without, parts = variants(signs.manifest, {"picture": row})
    changed = (without["picture"] != row).reshape(parts["picture"], 16, 16, 3).any(axis=3)
    assert changed.any(axis=0).all()
    edges = signs.manifest.reference["picture"].edges
    assert 60 < np.unique(without["picture"][0].reshape(256, 3)[changed[0].ravel()])[0] < 200
    assert np.float32(edges[len(edges) // 2]) in without["picture"]


def test_what_waits_for_the_log_is_as_large_as_what_a_file_becomes(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = services(client).recorder
    waiting: list[int] = []
    put = recorder.put

    def noted(record: Record) -> None:
        waiting.append(record.bytes)
        put(record)

    monkeypatch.setattr(recorder, "put", noted)
    content = file_of(Image.new("RGB", (16, 16)))
    assert len(content) < 768
    assert post(client, content).status_code == 200
    assert waiting[0] >= 4 * 768


def test_a_grey_photo_is_not_taken_for_a_drawing(signs: Bundle) -> None:
    """Neither turned into ink on paper, nor cut out."""
    field = InputField(name="picture", kind="image", shape=(4, 4), photo=True, minimum=0, maximum=1)
    manifest = signs.manifest.model_copy(update={"inputs": (field,)})
    picture = Image.new("L", (40, 40), 204)
    picture.paste(51, (20, 0, 40, 40))
    found = read_picture(manifest, file_of(picture)).reshape(4, 4)
    assert found[:, 0] == pytest.approx(0.8, abs=0.01)
    assert found[:, 3] == pytest.approx(0.2, abs=0.01)
