"""What a file's first bytes tell of it: the kinds that often lie where a table was expected."""

from __future__ import annotations

_WHITESPACE = b" \t\r\n\xef\xbb\xbf"


def kind_of(raw: bytes) -> str:
    """What the file is, with what to do about it, such as "a web page (...)"; empty if it may be a text table."""
    head = raw[:1024].lstrip(_WHITESPACE).lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page, often a login or an error page (open the address in a browser)"
    if head.startswith(b"<?xml"):
        return "an XML document, often a server's error message (open the address in a browser)"
    if head.startswith(b"version https://git-lfs.github.com/spec"):
        return "a pointer of Git LFS, and not the file that it stands for (git lfs pull fetches that one)"
    if raw.startswith(b"PAR1"):
        return "a damaged Parquet file (fetch it again)"
    if raw.startswith(b"PK\x03\x04"):
        return "a ZIP archive (unpack it)"
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        return "an old Office document (if it is a workbook, let its name end in .xls)"
    if raw.startswith(b"%PDF"):
        return "a PDF document"
    return ""
