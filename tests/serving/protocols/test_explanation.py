"""What occlusion says of a model whose weights are known."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from portfolio.bundle.manifest import InputField
from serving.protocols.explanation import MAX_CHARACTERS, MAX_PARTS, _patches, _windows


def test_the_pixels_that_speak_for_the_answer_stand_out(client: TestClient) -> None:
    """The tiny model reads "left" from the upper row: its first pixel weighs twice its second."""
    body = {"instances": [{"pixels": [1.0, 1.0, 0.5, 0.5]}, {"pixels": [0.5, 0.5, 1.0, 1.0]}]}
    left, right = client.post("/predict?explain=true", json=body).json()["predictions"]
    assert left["explanation"]["of"] == left["class"] == "left"
    first, second, third, fourth = left["explanation"]["falls_by"]["pixels"]
    assert first > second > 0 > fourth > third
    assert right["explanation"]["of"] == "right"
    assert np.argmax(right["explanation"]["falls_by"]["pixels"]) == 2


def test_what_is_taken_away_is_what_the_answer_falls_by(client: TestClient) -> None:
    def probability(pixels: list[float]) -> float:
        answer = client.post("/predict", json={"instances": [{"pixels": pixels}]}).json()["predictions"][0]
        return float(answer["probabilities"]["left"])

    pixels = [1.0, 1.0, 0.5, 0.5]
    answer = client.post("/predict?explain=true", json={"instances": [{"pixels": pixels}]}).json()["predictions"][0]
    for number, fall in enumerate(answer["explanation"]["falls_by"]["pixels"]):
        without = [0.0 if pixel == number else value for pixel, value in enumerate(pixels)]
        assert fall == pytest.approx(probability(pixels) - probability(without), abs=1e-6)


def test_it_is_not_done_for_many_rows(client: TestClient) -> None:
    body = {"instances": [{"pixels": [1, 2, 3, 4]}] * 17}
    assert client.post("/predict", json=body).status_code == 200
    assert client.post("/predict?explain=true", json=body).status_code == 422


def test_a_large_image_is_taken_away_in_patches_that_cover_each_pixel_once() -> None:
    field = InputField(name="x", kind="image", description="", shape=(100, 90), example=[0.0] * 9000)
    patches = _patches(field)
    assert len(patches) <= MAX_PARTS
    assert (patches.sum(axis=0) == 1).all()


@pytest.mark.parametrize("length", [0, 1, 7, MAX_PARTS, MAX_PARTS + 1, 10_000])
def test_a_text_is_taken_away_in_windows_that_cover_each_character_once(length: int) -> None:
    windows = _windows("x" * length)
    assert len(windows) <= MAX_PARTS
    assert [place for start, size in windows for place in range(start, start + size)] == list(range(length))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("対応も親切でたった1泊でした。", ["対応も", "親切でたった", "1", "泊でした", "。"]),
        ("ビンゴ大会😀", ["ビンゴ", "大会", "😀"]),
        ("the bath, très good!", ["the", " ", "bath", ",", " ", "très", " ", "good", "!"]),
        ("", [""]),
    ],
)
def test_a_text_is_taken_away_word_by_word(text: str, words: list[str]) -> None:
    assert [text[start : start + size] for start, size in _windows(text)] == words


def test_a_long_text_is_taken_away_in_so_few_parts_that_the_work_stays_small() -> None:
    text = "部屋は広い 。" * 1400
    windows = _windows(text)
    assert len(windows) * len(text) <= MAX_CHARACTERS
    assert sum(size for _, size in windows) == len(text)
