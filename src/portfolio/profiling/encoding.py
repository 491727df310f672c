"""How a text file is encoded, found out by its bytes."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from portfolio.contract.csv_file import BYTE_ORDER_MARKS, OTHER_ENCODINGS, unpacked
from portfolio.core.errors import SourceError

LOOKED_AT_BYTES = 256 * 1024
JAPANESE = ("cp932", "euc_jp")
HALF_WIDTH_WORD = re.compile(r"(?<![A-Za-z])[\uff66-\uff9f]{2,}(?![A-Za-z])")
"""As people write them in half-width kana; accented capitals that come out as such stand among other letters."""
WRONG_BYTES = re.compile("[\udc80-\udcff]")
RIGHT_BYTES = 10
"""So many characters beyond ASCII for each wrong byte, at least, where a file is UTF-8."""


def head(path: Path, *, large: bool) -> tuple[bytes, str]:
    """The beginning of the file, and its encoding: UTF-8 if all of it is that, else the first that fits."""
    whole = path.name.endswith(".gz") or not large
    if whole:
        raw = unpacked(path, str(path))
    else:
        with path.open("rb") as stream:
            raw = stream.read(LOOKED_AT_BYTES)
    marked = [encoding for mark, encoding in BYTE_ORDER_MARKS.items() if raw.startswith(mark)]
    if marked:
        return raw[:LOOKED_AT_BYTES], "utf-8" if marked[0] == "utf-8-sig" else marked[0]
    for encoding in ("utf-8", *OTHER_ENCODINGS) if b"\0" not in raw[:1024] else _without_mark(raw[:1024]):
        if _decodes(iter([raw]) if whole else _parts(path), encoding) and (
            encoding not in JAPANESE or _is_japanese(raw, encoding)
        ):
            return raw[:LOOKED_AT_BYTES], encoding
        if encoding == "utf-8":
            _check_damage(path, iter([raw]) if whole else _parts(path))
    raise SourceError(f"{path} is not text in any of the usual encodings. If it is a table, save it as UTF-8.")


def decoded(head: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)().decode(head).removeprefix("\ufeff")


def _without_mark(head: bytes) -> tuple[str, ...]:
    """UTF-16 without a byte order mark: one byte of many a character is zero, always the same one of the two."""
    zeros = (head[::2].count(0), head[1::2].count(0))
    if max(zeros) < len(head) / 10 or min(zeros) > max(zeros) / 10:
        return ()
    return ("utf-16-be",) if zeros[0] > zeros[1] else ("utf-16-le",)


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while part := stream.read(2**22):
            yield part


def _decodes(parts: Iterator[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for part in parts:
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _check_damage(path: Path, parts: Iterator[bytes]) -> None:
    """Raise SourceError for UTF-8 of which a few bytes are wrong: in any other encoding all of it would be."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    right = wrong = lines = line = 0
    for part in itertools.chain(parts, [b""]):
        text = decoder.decode(part, final=not part)
        strange = WRONG_BYTES.findall(text)
        if strange and not line:
            line = lines + text[: text.index(strange[0])].count("\n") + 1
        lines += text.count("\n")
        wrong += len(strange)
        right += len(text) - len(text.encode("ascii", "ignore")) - len(strange)
    if right >= RIGHT_BYTES * wrong:
        raise SourceError(
            f"{path}, line {line}: the file is UTF-8, but bytes of a character are missing or wrong here; it was cut "
            "off or damaged. Fetch it again, or correct that line."
        )


def _is_japanese(raw: bytes, encoding: str) -> bool:
    """Whether it reads as Japanese: accented letters of another encoding come out as half-width or rare characters."""
    text = decoded(raw[:LOOKED_AT_BYTES], encoding)
    strange = [character for character in text if character > "\x7f"]
    first_bytes = [character.encode("cp932", "replace")[0] for character in strange]
    usual = sum(byte < 0xA0 for byte in first_bytes)
    if encoding == "euc_jp":
        # Half-width kana of cp932 come out as kanji, also as those of the second level, which few words have.
        second = sum(character.encode(encoding, "replace")[0] >= 0xD0 for character in strange)
        return usual >= len(strange) / 2 and second < len(strange) / 5
    half_width = sum(len(word) for word in HALF_WIDTH_WORD.findall(text))
    return usual >= len(strange) / 2 or (usual + half_width > 0.9 * len(strange) and not _is_euc(raw))


def _is_euc(raw: bytes) -> bool:
    try:
        return _is_japanese(raw, "euc_jp")
    except UnicodeDecodeError:
        return False
