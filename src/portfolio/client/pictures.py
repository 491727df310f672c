"""Pictures as large as cameras make them, and in any usual format, brought to what a server takes."""

from __future__ import annotations

import io
from math import sqrt
from typing import Any

from portfolio.bundle.pictures import PictureError, eight_bits, opened, turn_of
from portfolio.core.errors import DataError

# What a server takes as it is, by Pillow's name; MPO is a JPEG file with further pictures behind the first.
TAKEN = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg"}


def small_enough(content: bytes, limits: dict[str, Any]) -> tuple[bytes, str]:
    """A picture and its media type: as it is, or as PNG scaled down as far as the server's limits (/model) demand.

    Raises DataError if the picture can't be read.
    """
    from PIL import Image

    max_pixels, max_bytes = limits["max_pixels"], limits["max_body_bytes"]
    try:
        with opened(content) as picture:
            pixels = picture.width * picture.height
            if picture.format in TAKEN and pixels <= max_pixels and len(content) <= max_bytes:
                return content, TAKEN[picture.format]
            plain = eight_bits(picture)
            # Cameras note how they were held, and a picture that is written anew would lose that.
            turn = turn_of(picture)
            upright = plain if turn is None else plain.transpose(turn)
    except PictureError as error:
        raise DataError(f"The picture {error}.") from error
    # Noise in PNG may still be too large: then it is scaled again.
    scale = min(1.0, sqrt(max_pixels / pixels))
    while True:
        size = (max(1, int(upright.width * scale)), max(1, int(upright.height * scale)))
        stream = io.BytesIO()
        upright.resize(size, Image.Resampling.LANCZOS).save(stream, "PNG")
        if stream.tell() <= max_bytes or size == (1, 1):
            return stream.getvalue(), "image/png"
        scale *= sqrt(max_bytes / stream.tell()) * 0.9
