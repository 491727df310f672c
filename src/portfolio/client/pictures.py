"""Pictures as large as cameras make them, brought within what a server takes."""

from __future__ import annotations

import io
from math import sqrt
from typing import Any

from portfolio.core.errors import DataError


def small_enough(content: bytes, media_type: str, limits: dict[str, Any]) -> tuple[bytes, str]:
    """A picture and its media type, scaled down as far as the server's limits (/model) demand, or as it is.

    Raises DataError if the picture can't be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    max_pixels, max_bytes = limits["max_pixels"], limits["max_body_bytes"]
    try:
        with Image.open(io.BytesIO(content)) as picture:
            pixels = picture.width * picture.height
            if pixels <= max_pixels and len(content) <= max_bytes:
                return content, media_type
            # Cameras note how they were held, and a picture that is written anew would lose that.
            upright = ImageOps.exif_transpose(picture)
            if upright.mode not in ("L", "RGB", "LA", "RGBA"):
                upright = upright.convert("RGBA" if "transparency" in upright.info else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if len(content) <= max_bytes:
            # The server says what is wrong with it.
            return content, media_type
        raise DataError(f"This is not a picture that can be read ({error}). Send a PNG or JPEG file.") from error
    # Noise in PNG may still be too large: then it is scaled again.
    scale = min(1.0, sqrt(max_pixels / pixels))
    while True:
        size = (max(1, int(upright.width * scale)), max(1, int(upright.height * scale)))
        stream = io.BytesIO()
        upright.resize(size, Image.Resampling.LANCZOS).save(stream, "PNG")
        if stream.tell() <= max_bytes or size == (1, 1):
            return stream.getvalue(), "image/png"
        scale *= sqrt(max_bytes / stream.tell()) * 0.9
