"""What a file's first bytes tell of it: the kinds that often lie where a table was expected."""

from __future__ import annotations

import re

_WHITESPACE = b" \t\r\n\xef\xbb\xbf"
_WEB_PAGE = "a web page, often a login or an error page (open the address in a browser)"
_PICTURE = "a picture"
# By how the text begins, in lower case and without white space before it.
_TEXTS = {
    b"<!doctype html": _WEB_PAGE,
    b"<html": _WEB_PAGE,
    b"<?xml": "an XML document, often a server's error message (open the address in a browser)",
    b"version https://git-lfs.github.com/spec": (
        "a pointer of Git LFS, and not the file that it stands for (git lfs pull fetches that one)"
    ),
}
_BINARIES = {
    b"PAR1": "a damaged Parquet file (fetch it again)",
    b"PK\x03\x04": "a ZIP archive (unpack it)",
    b"\xd0\xcf\x11\xe0": "an old Office document (if it is a workbook, let its name end in .xls)",
    b"%PDF": "a PDF document",
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"GIF8": _PICTURE,
    b"SQLite format 3": "a SQLite database (name it as sqlite:///FILE, with a query)",
}
_JSON = re.compile(rb'\[\s*[\[{"]|\{\s*"[^"]*"\s*:')


def kind_of(raw: bytes) -> str:
    """What the file is, with what to do about it, such as "a web page (...)"; empty if it may be a text table."""
    text = raw[:1024].lstrip(_WHITESPACE).lower()
    for kinds, head in ((_TEXTS, text), (_BINARIES, raw)):
        for beginning, kind in kinds.items():
            if head.startswith(beginning):
                return kind
    if _JSON.match(text):
        return "a JSON document (write its records as the rows of a CSV file)"
    return ""
