"""No part of a password is shown, wherever it stands in an address and whatever signs it has."""

from __future__ import annotations

import pytest

from portfolio.core.errors import PortfolioError
from portfolio.core.passwords import hidden, password_of, with_variable

ADDRESSES = {
    "postgresql://reader:s3cret@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://reader:P@ssw0rd@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://reader:P@ss/w0rd@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://reader:P@ss?w0rd@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://reader:P@s/s?w=1@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://reader:P/ss?w@rd@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://reader:80/a@b@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://reader::a#b@db/x": "postgresql://reader:${PW}@db/x",
    "postgresql://own/reader:s3cret@db/x": "postgresql://own/reader:${PW}@db/x",
    "postgresql://reader@shop:s3cret@db/x": "postgresql://reader@shop:${PW}@db/x",
    "postgresql:reader:s3cret@db/x": "postgresql:reader:${PW}@db/x",
    "postgresql//reader:s3cret@db/x": "postgresql//reader:${PW}@db/x",
    "postgresql:/reader:s3cret@db/x": "postgresql:/reader:${PW}@db/x",
    "postgresql://db/x?user=me&password=s3&cret&sslmode=require": "postgresql://db/x?user=me&password=${PW}&sslmode=require",
    "postgresql://me:a@db/x?password=s3cret": "postgresql://me:${PW}@db/x?password=${PW}",
    "mssql+pyodbc:///?odbc_connect=UID=me;PWD={a;b};App=x": "mssql+pyodbc:///?odbc_connect=UID=me;PWD=${PW};App=x",
    "https://me:s3cret@host/rows.csv": "https://me:${PW}@host/rows.csv",
}
WITHOUT = [
    "sqlite:///a@b.db",
    "sqlite:///C:/a@b.db",
    "sqlite:///C:/x.db",
    "postgresql://reader@db:5432/x",
    "postgresql://reader@db:5432/x?opt=a@b",
    "postgresql://db:5432/x?user=me@shop",
    "postgresql://me:${PW}@db/a@b",
    "postgresql://me:${PW}@db/x?opt=a@b",
    "http://127.0.0.1:8000",
    "C:/rows/a@b.csv",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_part_of_a_password_is_shown(address: str) -> None:
    assert with_variable(address, "PW") == ADDRESSES[address]
    assert not password_of(ADDRESSES[address])
    shown = ADDRESSES[address].replace("${PW}", "***")
    for text in ("{}", "{} can't be read.", "'{}' is no address.", "Start it ({}), or not", "at {}: it is gone"):
        assert hidden(text.format(address)) == text.format(shown)
        assert hidden(text.format(shown)) == text.format(shown)


@pytest.mark.parametrize("address", WITHOUT)
def test_what_has_no_password_stays_as_it_is(address: str) -> None:
    assert with_variable(address, "PW") == address
    assert (
        hidden(f"{address} can't be read. Write to a@b.example.") == f"{address} can't be read. Write to a@b.example."
    )


def test_a_space_in_a_password_is_no_end_of_it() -> None:
    assert with_variable("postgresql://me:my s3cret@db/x", "PW") == "postgresql://me:${PW}@db/x"
    assert hidden("'http://me:my s3cret@db/x' is no address.") == "'http://me:***@db/x' is no address."


def test_a_token_in_a_web_address_is_a_password() -> None:
    assert hidden("https://t0ken@host/x.csv can't be fetched") == "https://***@host/x.csv can't be fetched"


def test_no_message_has_a_password() -> None:
    assert (
        str(PortfolioError("http://me:s3cret@host:8000 can't be reached."))
        == "http://me:***@host:8000 can't be reached."
    )


@pytest.mark.parametrize(
    "text",
    [
        "age: must be 0 to 100 (found 101): a@b",
        "at 12:30:05, line 3: 'a@b.example' is not a number.",
        "use_case.py, line 3: source=Csv(path='a@b'): x",
        "a: b: c@d",
    ],
)
def test_other_sentences_stay_as_they_are(text: str) -> None:
    assert hidden(text) == text
