"""Picture files of every kind that people have, as the values of a photo."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from portfolio.bundle.pictures import FORMATS, PictureError, read_pixels

SIDE = 24
# Red at the top left, green at the top right, blue at the bottom left, white at the bottom right.
CORNERS = {(3, 3): (255, 0, 0), (3, 20): (0, 255, 0), (20, 3): (0, 0, 255), (20, 20): (255, 255, 255)}


def corners(mode: str = "RGB", size: int = SIDE) -> Image.Image:
    pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    for (row, column), colour in CORNERS.items():
        half = SIDE // 2
        pixels[row // half * half :, column // half * half :] = colour
    return Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST).convert(mode)


def file_of(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def assert_corners(pixels: np.ndarray, within: int = 3) -> None:
    for (row, column), colour in CORNERS.items():
        assert np.abs(pixels[row, column].astype(int) - colour).max() <= within, (row, column, pixels[row, column])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [SIDE, 10 * SIDE, 6])
def test_every_format_in_every_size_has_its_colours_where_they_were(form: str, size: int) -> None:
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    pixels = read_pixels(file_of(corners(size=size), form, **options), SIDE, SIDE, 3)
    assert (pixels.shape, pixels.dtype) == ((SIDE, SIDE, 3), np.uint8)
    assert_corners(pixels, within=3 if form != "GIF" else 8)


def test_a_picture_of_the_size_itself_is_taken_pixel_by_pixel() -> None:
    values = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    assert read_pixels(file_of(Image.fromarray(values)), 7, 9, 3).tolist() == values.tolist()
    assert read_pixels(file_of(Image.fromarray(values[:, :, 0])), 7, 9, 1)[:, :, 0].tolist() == values[:, :, 0].tolist()


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "RGBA", "LAB", "1", "L", "LA"])
def test_colours_are_those_of_the_picture_whatever_it_is_stored_as(mode: str) -> None:
    form = {"CMYK": "JPEG", "YCbCr": "JPEG", "LAB": "TIFF"}.get(mode, "PNG")
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    pixels = read_pixels(file_of(corners(mode), form, **options), SIDE, SIDE, 3)
    if mode in ("1", "L", "LA"):
        expected = np.asarray(corners("L" if mode != "1" else "1").convert("RGB"))
        assert pixels.tolist() == expected.tolist()
    else:
        assert_corners(pixels, within=25 if mode == "LAB" else 4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_cut_off(form: str, channels: int) -> None:
    ramp = np.linspace(0, 65535, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    pixels = read_pixels(file_of(Image.fromarray(ramp), form), SIDE, SIDE, channels)
    assert pixels.shape == (SIDE, SIDE, channels)
    assert (pixels == np.round(ramp / 257)[:, :, None]).all()


def test_what_is_transparent_shows_white() -> None:
    for mode in ("RGBA", "LA", "PA"):
        clear = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)).convert(mode)
        form = "TIFF" if mode == "PA" else "PNG"
        assert (read_pixels(file_of(clear, form), 8, 8, 3) == 255).all() or mode == "PA"
    palette = corners("P")
    clear = palette.getpixel((3, 3))
    pixels = read_pixels(file_of(palette, transparency=clear), SIDE, SIDE, 3)
    assert pixels[3, 3].tolist() == [255, 255, 255]
    assert pixels[3, 20].tolist() == [0, 255, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_is_upright_however_the_camera_was_held(form: str, orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    wide = corners(size=4 * SIDE).crop((0, 0, 4 * SIDE, 2 * SIDE + 20))
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    content = file_of(wide, form, exif=exif, **options)
    with Image.open(io.BytesIO(content)) as held:
        upright = ImageOps.exif_transpose(held).convert("RGB")
    expected = np.asarray(upright.resize((SIDE, 2 * SIDE), Image.Resampling.BILINEAR)).astype(int)
    found = read_pixels(content, 2 * SIDE, SIDE, 3).astype(int)
    assert np.abs(found - expected).mean() < 3


def test_the_first_frame_is_taken() -> None:
    frames = [corners(), Image.new("RGB", (SIDE, SIDE), "black")]
    for form in ("GIF", "TIFF", "WEBP"):
        options = {"lossless": True} if form == "WEBP" else {}
        content = file_of(frames[0], form, save_all=True, append_images=frames[1:], **options)
        assert_corners(read_pixels(content, SIDE, SIDE, 3), within=8)


def test_a_large_jpeg_is_like_the_same_picture_decoded_in_full() -> None:
    noise = np.random.default_rng(1).normal(0, 20, (1200, 1600, 3))
    slopes = np.linspace(0, 200, 1600)[None, :, None] + noise
    picture = Image.fromarray(slopes.clip(0, 255).astype(np.uint8))
    quick = read_pixels(file_of(picture, "JPEG", quality=95), 32, 32, 3).astype(int)
    full = read_pixels(file_of(picture), 32, 32, 3).astype(int)
    assert np.abs(quick - full).max() <= 8


def test_damaged_exif_does_not_matter() -> None:
    content = file_of(corners(), "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\0")
    assert_corners(read_pixels(content, SIDE, SIDE, 3))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A PNG file of hardly any bytes that says it is so large."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_cut_off_is_refused(form: str) -> None:
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    content = file_of(noise, form)
    for share in (0.2, 0.5, 0.9):
        with pytest.raises(PictureError, match="copy it again"):
            read_pixels(content[: int(share * len(content))], SIDE, SIDE, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"some notes", "can't be read as a picture; the formats are PNG, JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS.*git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC .* export it as JPEG"),
        (bomb(8_000), "more than 50,000,000 pixels; scale it down"),
        (bomb(60_000), "more than 50,000,000 pixels; scale it down"),
        (file_of(Image.new("F", (9, 9)), "TIFF"), "32 bits"),
        (file_of(Image.new("I", (9, 9), 70_000), "TIFF"), "32 bits"),
    ],
    ids=["empty", "text", "Git LFS", "HEIC", "large", "bomb", "float", "32 bits"],
)
def test_what_can_not_be_used_is_told_with_the_remedy(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.jpg"
    path.write_bytes(content)
    for file in (content, path):
        with pytest.raises(PictureError, match=message):
            read_pixels(file, SIDE, SIDE, 3)


def test_no_damage_gives_any_other_error() -> None:
    random = np.random.default_rng(3)
    for form in FORMATS:
        whole = file_of(corners(size=40), form)
        for _ in range(60):
            content = bytearray(whole)
            for place in random.integers(0, len(content), 6):
                content[place] = random.integers(256)
            with suppress(PictureError):
                assert read_pixels(bytes(content), 8, 8, 3).shape == (8, 8, 3)
