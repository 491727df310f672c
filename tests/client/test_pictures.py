"""Pictures are brought within the limits of a server before they are sent."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from portfolio.client.pictures import small_enough
from portfolio.core.errors import DataError

LIMITS = {"max_pixels": 1024 * 1024, "max_body_bytes": 1024 * 1024}


def picture(width: int, height: int, form: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def test_a_small_picture_is_sent_as_it_is() -> None:
    content = picture(20, 30, "JPEG")
    assert small_enough(content, LIMITS) == (content, "image/jpeg")


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (picture(1500, 1000), "image/png"),
        (picture(2000, 1000, "JPEG"), "image/jpeg"),
        (picture(900, 700, "JPEG", quality=100), "image/jpeg"),
        (picture(1500, 1000, mode="P"), "image/png"),
    ],
)
def test_a_large_one_is_scaled_down(content: bytes, media_type: str) -> None:
    found, kind = small_enough(content, LIMITS)
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(found)) as after:
        assert after.width / after.height == pytest.approx(before.width / before.height, rel=0.01)
        assert after.width * after.height <= LIMITS["max_pixels"]
    assert len(found) <= LIMITS["max_body_bytes"]
    assert kind in ("image/png", media_type)


def test_a_photograph_stays_upright() -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("L", (2000, 1000), "white").save(stream, "JPEG", exif=exif)
    with Image.open(io.BytesIO(small_enough(stream.getvalue(), LIMITS)[0])) as after:
        assert after.height > after.width


@pytest.mark.parametrize("form", ["GIF", "BMP", "WEBP", "TIFF"])
def test_what_a_server_does_not_take_is_sent_as_png(form: str) -> None:
    found, kind = small_enough(picture(20, 30, form), LIMITS)
    assert kind == "image/png"
    with Image.open(io.BytesIO(found)) as after:
        assert (after.format, after.size) == ("PNG", (20, 30))


def test_16_bits_are_scaled_and_not_cut_off() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((2000, 1000), 257 * 100, dtype=np.uint16)).save(stream, "PNG")
    with Image.open(io.BytesIO(small_enough(stream.getvalue(), LIMITS)[0])) as after:
        assert after.getextrema() == (100, 100)


@pytest.mark.parametrize("content", [b"nothing", b"x" * 2_000_000])
def test_what_is_not_a_picture_is_told_with_the_formats(content: bytes) -> None:
    with pytest.raises(DataError, match="can't be read as a picture; the formats are PNG, JPEG"):
        small_enough(content, LIMITS)
