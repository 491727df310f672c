"""Passwords in addresses: never shown and never stored, however they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

VARIABLE = re.compile(r"\$\{(\w+)\}")
"""An environment variable, which stands for what is not written down."""
HIDDEN = "***"
BEGIN = re.compile(r"\s*[A-Za-z][\w.+-]*(?::/{0,2}|//)(?!/)[^:?\s]*:")
"""An address up to its password; people leave out slashes, and a colon."""
PORT = re.compile(r"\d{1,5}(?:[/?]|$)")
QUERY = re.compile(r"\?\w+=")
OPTION = re.compile(
    # Among the options at the end. People write an & in a password as it is: it begins no other option.
    r"[?&](?:(?:ssl)?password|passwd|pwd)=((?:(?!&\w+=).)+)|"
    # Within one of them, which a driver for ODBC reads: its marks may be percent-encoded.
    r"(?:[=;+]|%3[BD]|%20)(?:password|pwd)(?:=|%3D)(%7B.+?%7D|\{.+?\}|(?:(?!%3B)[^&;])+)",
    re.IGNORECASE,
)
# In a sentence, an address ends at a space, or at the quotation mark that closes it.
IN_TEXT = re.compile(r"'[A-Za-z][\w.+-]*(?::/{0,2}|//)[^'\n]*'|\S*[\w.+-](?::|//)\S+")
TOKEN = re.compile(r"(https?://)[^\s/@:$*]+(?=@)")
"""What stands before the host of a web address without a colon: there it is a token, as secret as a password."""


def password_of(address: str) -> str:
    """The first password in an address; empty if there is none, or if an environment variable stands for it."""
    return next((address[start:end] for start, end in _places(address)), "")


def with_variable(address: str, variable: str) -> str:
    """The address with an environment variable in the place of its password."""
    return _replaced(address, f"${{{variable}}}")


def hidden(text: str) -> str:
    """The text, such as a message, without the passwords in the addresses that it names."""
    shown = IN_TEXT.sub(lambda found: _within_marks(found[0]), text)
    return TOKEN.sub(rf"\1{HIDDEN}", shown)


def _within_marks(text: str) -> str:
    """An address in a sentence, with the quotation marks, brackets and full stops around it as they are."""
    found = re.fullmatch(r"(\W*)(.*?)(['\").,:;]*)", text)
    assert found is not None, "each part may be empty"
    return found[1] + _replaced(found[2], HIDDEN) + found[3]


def _replaced(address: str, by: str) -> str:
    for start, end in reversed(list(_places(address))):
        address = address[:start] + by + address[end:]
    return address


def _places(address: str) -> Iterator[tuple[int, int]]:
    """Where the passwords are, in their order."""
    ended = 0
    if before_host := _before_host(address):
        yield before_host
        ended = before_host[1]
    for found in OPTION.finditer(address, ended):
        start, end = found.span(found.lastindex or 0)
        if not VARIABLE.fullmatch(address[start:end]) and address[start:end] != HIDDEN:
            yield start, end


def _before_host(address: str) -> tuple[int, int] | None:
    """The password between the user's name and the host. It goes on to the last @: it may have any sign in it."""
    begin = BEGIN.match(address)
    if begin is None:
        return None
    start = begin.end()
    rest = address[start:]
    end = rest.rfind("@")
    if end < 1 or re.match(rf"{VARIABLE.pattern}@|{re.escape(HIDDEN)}@", rest):
        return None
    # A port, where there is no password: what has an @ comes after it.
    query = QUERY.search(rest)
    if PORT.match(rest) and ("@" in begin[0] or "@" not in rest[: query.start() if query else len(rest)]):
        return None
    return start, start + end
