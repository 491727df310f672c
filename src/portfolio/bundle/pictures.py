"""Picture files as the values of a photo, in the same way when they are collected and when they are served.

A picture is turned upright as its EXIF data say, put on white where it is transparent, and scaled to the given height
and width, whatever its proportions. Its values are 0 to 255, pixel by pixel and row by row from the top left; in
colour, each pixel has its red, green and blue in turn. Of several frames or pages, the first is taken.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
# Decoded, so many take 150 to 200 MB. Phones take pictures of 12 to 50 million.
MAX_PIXELS = 50_000_000
# JPEG files are decoded at a half, a quarter or an eighth of their size where this many times what is needed is left.
SPARE = 3
ORIENTATION = 0x0112  # in EXIF
# How files of these formats begin.
STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")
GIT_LFS = b"version https://"
PHONE_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif")

DAMAGED = "is cut off or damaged; copy it again from where it came from"

Pixels = npt.NDArray[np.uint8]


class PictureError(Exception):
    """Why a file can't be used as a picture, and the remedy: a clause that follows its name."""


class TooLargeError(PictureError):
    def __init__(self, max_pixels: int) -> None:
        super().__init__(f"has more than {max_pixels:,} pixels; scale it down")


def read_pixels(
    file: Path | bytes,
    height: int,
    width: int,
    channels: int,
    *,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
) -> Pixels:
    """The picture in that size, [height, width, channels]; `channels` is 1 for grey and 3 for colour.

    Raises PictureError if it can't be decoded to its end, or has more than `max_pixels`, before those take memory.
    """
    from PIL import Image

    with opened(file, max_pixels, formats) as picture:
        longer = SPARE * max(height, width)
        picture.draft(None, (longer, longer))
        plain = eight_bits(picture)
        turn = turn_of(picture)
        on_its_side = turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270) or (
            turn in (Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE)
        )
        size = (height, width) if on_its_side else (width, height)
        small = plain.resize(size, Image.Resampling.BILINEAR, reducing_gap=SPARE)
        upright = small if turn is None else small.transpose(turn)
        shown = on_white(upright).convert("L" if channels == 1 else "RGB")
        return np.asarray(shown, dtype=np.uint8).reshape(height, width, channels)


@contextmanager
def opened(
    file: Path | bytes, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """A picture of which the header has been read, and nothing decoded. Whatever then goes wrong is a PictureError."""
    from PIL import Image, UnidentifiedImageError

    # What Pillow warns of, such as damaged EXIF data, does not concern the pixels.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=formats) as picture:
            if picture.width * picture.height > max_pixels:
                raise TooLargeError(max_pixels)
            yield picture
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLargeError(max_pixels) from None
    except UnidentifiedImageError:
        raise PictureError(_what_else(file, formats)) from None
    except Exception as error:  # damaged files fail in Pillow's decoders in many ways
        if isinstance(error, OSError) and error.errno is not None:
            raise PictureError(
                f"can't be read ({error.strerror}); check its permissions, or where it links to"
            ) from None
        raise PictureError(DAMAGED) from error


def eight_bits(picture: Image.Image) -> Image.Image:
    """The decoded picture in grey or in colour of 8 bits, with transparency (LA, RGBA) or without (L, RGB)."""
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        return _from_sixteen_bits(picture)
    if mode in ("PA", "RGBa", "La") or "transparency" in picture.info:
        return picture.convert("LA" if mode == "La" else "RGBA")
    if mode in ("L", "LA", "RGB", "RGBA"):
        picture.load()
        return picture
    return picture.convert("L" if mode == "1" else "RGB")


def on_white(picture: Image.Image) -> Image.Image:
    """A picture of 8 bits without its transparency."""
    from PIL import Image

    if "A" not in picture.getbands():
        return picture
    rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def _from_sixteen_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits in 8. Pillow would cut it off instead of scaling it."""
    from PIL import Image

    values = np.asarray(picture)
    if picture.mode == "F" or values.min() < 0 or values.max() > 0xFFFF:
        raise PictureError("has grey values of 32 bits, whose range is not known; save it with 8 or 16 bits")
    grey = Image.fromarray(np.round(values / 257).astype(np.uint8))
    clear = picture.info.get("transparency")
    if clear is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def turn_of(picture: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright, by its EXIF data; None if it is.

    Of a decoded one: a TIFF file is turned by decoding, and forgets that it was to be.
    """
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        return turns.get(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF data do not concern the pixels
        return None


def _what_else(file: Path | bytes, formats: tuple[str, ...]) -> str:
    """Why a file can't be recognised as a picture of these formats."""
    if isinstance(file, bytes):
        start = file[:16]
    else:
        with file.open("rb") as stream:
            start = stream.read(16)
    if not start:
        return "is empty; copy it again from where it came from"
    if start[4:8] == b"ftyp" and start[8:12] in PHONE_BRANDS:
        return "is a HEIC or AVIF picture, as some phones write; export it as JPEG"
    if start == GIT_LFS:
        return "is a pointer of Git LFS, and not the picture; get it with git lfs pull"
    if start.startswith(STARTS) and formats == FORMATS:
        return DAMAGED
    return f"can't be read as a picture; the formats are {', '.join(formats)}"
