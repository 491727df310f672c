"""What a file's first bytes tell of it: the kinds that often lie where a table was expected."""

from __future__ import annotations

import re

_WHITESPACE = b" \t\r\n\xef\xbb\xbf"
_WEB_PAGE = (
    "a web page, often a login or an error page (open the address in a browser; if Excel shows a table in it, save "
    "that as .xlsx)"
)
_PICTURE = "a picture"
_PICKLE = "a pickle of Python (write the table as Parquet: to_parquet)"
_R = "a file of R (write the table as CSV: write.csv)"
_PACKED = "a packed file (unpack it, or pack it with gzip)"
_SPSS = "a file of SPSS (save it as CSV there)"
# By how the text begins, in lower case and without white space before it.
_TEXTS = {
    b"<!doctype html": _WEB_PAGE,
    b"<html": _WEB_PAGE,
    b"<?xml": "an XML document, often a server's error message (open the address in a browser)",
    b"<stata_dta>": "a file of Stata (write it as CSV there: export delimited)",
    b"version https://git-lfs.github.com/spec": (
        "a pointer of Git LFS, and not the file that it stands for (git lfs pull fetches that one)"
    ),
}
_BINARIES = {
    b"PAR1": "a damaged Parquet file (fetch it again)",
    b"PK\x03\x04": "a ZIP archive (unpack it; if it is a sheet of another program than Excel, save it as .xlsx)",
    b"\xd0\xcf\x11\xe0": (
        "an old Office document, or a workbook with a password (take the password off; let the name of an old workbook "
        "end in .xls)"
    ),
    b"%PDF": "a PDF document",
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"GIF8": _PICTURE,
    b"$FL2@(#)": _SPSS,
    b"$FL3@(#)": _SPSS,
    b"ARROW1\x00": "a Feather file (write it as Parquet)",
    b"\x89HDF": "an HDF5 file (write its table as Parquet)",
    b"RDX3\n": _R,
    b"RDX2\n": _R,
    b"X\n\x00\x00\x00": _R,
    b"\x80\x04\x95": _PICKLE,
    b"\x80\x05\x95": _PICKLE,
    b"7z\xbc\xaf": _PACKED,
    b"Rar!\x1a": _PACKED,
    b"BZh91AY&SY": _PACKED,
    b"\xfd7zXZ": _PACKED,
    b"\x28\xb5\x2f\xfd": _PACKED,
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
