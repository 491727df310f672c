"""Pictures: exact where they are of the model's size, brought to the training data's form where they are not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from PIL import Image, ImageOps
from starlette.testclient import TestClient

from bench.drawings import Drawing, drawing
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.core.paths import Paths
from serving.app import create_app
from serving.protocols.pictures import Form, read_picture
from tests.workspace import SHAPES

MAXIMUM = 16


@pytest.fixture(scope="module")
def images(built_once: Callable[[str], Path]) -> npt.NDArray[np.float64]:
    """The test split's images, [images, 8, 8]."""
    rows = pl.read_parquet(built_once(SHAPES) / Paths(SHAPES).splits / "test.parquet")
    return np.array(rows["drawing"].to_list()).reshape(-1, 8, 8)


@pytest.fixture
def client(store: Store, shapes: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A server of the shapes."""
    monkeypatch.setenv("PORTFOLIO_USE_CASE", SHAPES)
    lineage = shapes.manifest.lineage.model_copy(update={"model_version": 1})
    Store.of(SHAPES).publish(shapes.folder, shapes.manifest.model_copy(update={"lineage": lineage}))
    with TestClient(create_app()) as client:
        yield client


def file_of(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()


def grey(ink: npt.NDArray[np.float64]) -> Image.Image:
    """Ink from 0 to 1 as a picture of dark on light."""
    return Image.fromarray(np.round(255 * (1 - ink)).astype(np.uint8))


def post(client: TestClient, content: bytes, kind: str = "image/png") -> Any:
    return client.post("/predict", content=content, headers={"Content-Type": kind})


@pytest.mark.usefixtures("unaudited")
def test_a_file_of_the_models_size_is_taken_pixel_by_pixel(client: TestClient, images: npt.NDArray[np.float64]) -> None:
    for image in images[:20]:
        by_file = post(client, file_of(grey(image / MAXIMUM))).json()
        by_pixels = client.post("/predict", json={"instances": [{"drawing": image.ravel().tolist()}]}).json()
        assert by_file["instances"] == [{"drawing": image.ravel().tolist()}]
        assert by_file["predictions"] == by_pixels["predictions"]


def test_every_step_of_a_value_comes_through(shapes: Bundle) -> None:
    # Paper all round, as a picture's border is what tells its paper.
    image = np.zeros((8, 8))
    image[2:5, 1:7] = np.arange(18).reshape(3, 6) % (MAXIMUM + 1)
    for picture in (grey(image / MAXIMUM), grey(1 - image / MAXIMUM), grey(image / MAXIMUM).convert("RGBA")):
        assert read_picture(shapes.manifest, file_of(picture)).reshape(8, 8).tolist() == image.tolist()


def sixteen_bits(picture: Image.Image) -> bytes:
    """The same greys as a PNG of 16 bits."""
    return file_of(Image.fromarray(np.asarray(picture).astype(np.uint16) * 257))


def with_clear(png: bytes, grey: int) -> bytes:
    """A PNG file in which one of the greys is transparent."""
    place = png.index(b"IDAT") - 4
    return png[:place] + chunk(b"tRNS", struct.pack(">H", grey)) + png[place:]


@pytest.mark.parametrize("factor", [1, 20])
def test_a_picture_of_16_bits_is_the_same_as_one_of_8(shapes: Bundle, factor: int) -> None:
    for row in shapes.manifest.golden_inputs["drawing"]:
        small = grey(np.array(row).reshape(8, 8) / MAXIMUM)
        framed = ImageOps.expand(small.resize((8 * factor, 8 * factor)), 0 if factor == 1 else 30, "white")
        for picture in (framed, ImageOps.invert(framed)):
            expected = read_picture(shapes.manifest, file_of(picture))
            assert read_picture(shapes.manifest, sixteen_bits(picture)).tolist() == expected.tolist()


def test_a_transparent_grey_shows_the_paper_with_16_bits_too(shapes: Bundle) -> None:
    ink = np.where(np.asarray(drawing(3).picture) < 128, 100, 0).astype(np.uint8)
    picture = Image.fromarray(ink)
    expected = read_picture(shapes.manifest, with_clear(file_of(picture), 0))
    assert read_picture(shapes.manifest, with_clear(sixteen_bits(picture), 0)).tolist() == expected.tolist()


def test_jpeg_is_read_too(client: TestClient, images: npt.NDArray[np.float64]) -> None:
    content = file_of(grey(images[0] / MAXIMUM), "JPEG", quality=100)
    answer = post(client, content, "image/jpeg").json()
    exact = post(client, file_of(grey(images[0] / MAXIMUM))).json()
    assert answer["predictions"][0]["class"] == exact["predictions"][0]["class"]
    assert np.abs(np.subtract(answer["instances"][0]["drawing"], images[0].ravel())).max() <= 1


@pytest.mark.parametrize("seed", [3, 10, 25])
def test_ink_is_what_differs_from_the_paper(shapes: Bundle, seed: int) -> None:
    dark_on_light = drawing(seed).picture
    ink = Image.fromarray(255 - np.asarray(dark_on_light))
    transparent = Image.new("RGBA", ink.size, "black")
    transparent.putalpha(ink)
    expected = read_picture(shapes.manifest, file_of(dark_on_light))
    for same in (
        ink,
        dark_on_light.convert("RGB"),
        dark_on_light.convert("P"),
        dark_on_light.convert("1"),
        transparent,
    ):
        assert read_picture(shapes.manifest, file_of(same)).tolist() == expected.tolist()


def test_size_and_place_do_not_matter(shapes: Bundle) -> None:
    cut = drawing(2).picture
    ink = np.argwhere(np.asarray(cut) < 128)
    (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0) + 1
    cut = cut.crop((int(left), int(top), int(right), int(bottom)))
    found = []
    for factor, place in ((1, (0, 0)), (1, (300, 120)), (2, (30, 200)), (3, (100, 5))):
        picture = Image.new("L", (1000, 1000), "white")
        picture.paste(cut.resize((cut.width * factor, cut.height * factor)), place)
        found.append(read_picture(shapes.manifest, file_of(picture)))
    for other in found[1:]:
        assert np.abs(other - found[0]).max() <= 2


def test_the_form_is_told_by_the_manifest(shapes: Bundle, images: npt.NDArray[np.float64]) -> None:
    """Golden inputs that fill four columns and half of those beside them, and are upright or lean to the right."""
    (field,) = shapes.manifest.inputs
    box = np.zeros((8, 8))
    box[:, 2:6], box[:, [1, 6]] = MAXIMUM, MAXIMUM / 2
    leaning = box * (np.arange(8) + np.arange(8)[:, None] >= 4)
    for golden, upright in ((box, True), (leaning, False)):
        rows = {field.name: [golden.ravel().tolist()] * 2}
        like = field.model_copy(update={"example": golden.ravel().tolist()})
        form = Form.of(shapes.manifest.model_copy(update={"golden_inputs": rows, "inputs": (like,)}), like)
        assert (form.top, form.bottom, form.left, form.right) == (0, 8, 1.5, 6.5)
        assert form.fills
        assert form.upright == upright
        assert form.mean_ink == pytest.approx(images.mean() / MAXIMUM, abs=0.01)


def test_where_the_manifest_has_no_image_with_ink_a_drawing_fills_all(shapes: Bundle) -> None:
    blank = {"drawing": [[0.0] * 64]}
    field = shapes.manifest.inputs[0].model_copy(update={"example": [0.0] * 64})
    manifest = shapes.manifest.model_copy(update={"golden_inputs": blank, "inputs": (field,)})
    form = Form.of(manifest, field)
    assert (form.top, form.bottom, form.left, form.right, form.fills, form.upright) == (0, 8, 0, 8, False, False)
    assert read_picture(manifest, drawing(8).png()).max() > MAXIMUM / 2


def test_a_single_dot_and_a_hair_line_are_drawings_too(shapes: Bundle) -> None:
    for width, height in ((1, 1), (1, 150), (150, 1)):
        picture = Image.new("L", (200, 200), "white")
        picture.paste(0, (20, 20, 20 + width, 20 + height))
        pixels = read_picture(shapes.manifest, file_of(picture))
        assert np.isfinite(pixels).all()
        assert pixels.max() > 0


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG file that says this size, with hardly anything in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


EMPTY = file_of(Image.new("L", (100, 100), "white"))
WHOLE = file_of(drawing(5).picture)


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (EMPTY, 422, "blank"),
        (file_of(Image.new("RGBA", (100, 100), (0, 0, 0, 0))), 422, "blank"),
        (file_of(Image.new("L", (100, 100), "black")), 422, "blank"),
        (b"", 422, "not a complete PNG or JPEG"),
        (b"hello", 422, "not a complete PNG or JPEG"),
        (WHOLE[: len(WHOLE) // 2], 422, "not a complete PNG or JPEG"),
        (WHOLE[:-40] + bytes(20), 422, "not a complete PNG or JPEG"),
        (file_of(Image.new("L", (9, 9)), "GIF"), 422, "not a complete PNG or JPEG"),
        (file_of(Image.new("L", (2000, 2000))), 422, "scale it down"),
        (png_of_size(12_000, 12_000), 422, "scale it down"),
        (png_of_size(100_000, 100_000), 422, "scale it down"),
        (png_of_size(0, 10), 422, "not a complete PNG or JPEG"),
        (WHOLE + bytes(1024 * 1024), 413, "bytes"),
    ],
    ids=[
        "white",
        "transparent",
        "black",
        "no bytes",
        "text",
        "cut off",
        "damaged",
        "GIF",
        "too large",
        "bomb",
        "large bomb",
        "no width",
        "over the limit",
    ],
)
def test_what_is_no_picture_to_read_says_why(client: TestClient, content: bytes, status: int, message: str) -> None:
    answer = post(client, content)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_a_picture_comes_with_its_explanation_and_feedback(client: TestClient) -> None:
    answer = client.post("/predict?explain=true", content=WHOLE, headers={"Content-Type": "image/png"}).json()
    assert len(answer["predictions"][0]["explanation"]["falls_by"]["drawing"]) == 64
    assert len(answer["instances"][0]["drawing"]) == 64
    stored = client.post("/feedback", json={"request_id": answer["request_id"], "label": "O"})
    assert stored.status_code == 201


def test_drawings_are_what_their_seeds_say() -> None:
    assert [drawing(seed).label for seed in range(7, 12)] == ["7", "8", "9", "0", "1"]
    assert drawing(4).png() == drawing(4).png()
    assert isinstance(drawing(4), Drawing)
