"""Rows of a query: each day that is over is one batch; a password is neither shown nor written down."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from socket import socket

import pytest
import sqlalchemy

from portfolio.contract import Sql
from portfolio.core.errors import ConfigError, PortfolioError, SourceError, UnreachableError
from portfolio.core.passwords import password_of
from portfolio.data.collect import collect
from tests import postgres

TODAY = date.today()
SALES = [
    (1, "2026-01-30", 30, "Osaka"),
    (2, "2026-01-31 12:30:00", 40, "Nara"),
    (3, "2026-01-31", None, "Kobe"),
    (4, str(TODAY), 50, "Nara"),
]
QUERY = "SELECT id, sold_on, age, town FROM sales;"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE sales (id INTEGER, sold_on TEXT, age INTEGER, town TEXT)")
        database.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", SALES)
    database.close()
    return path


def test_each_day_that_is_over_is_a_batch_and_new_days_arrive(shop: Path, tmp_path: Path) -> None:
    source, batches = Sql(f"sqlite:///{shop}", QUERY, date="sold_on", key="id"), tmp_path / "batches"
    assert collect(source, batches).added == ["2026-01-30", "2026-01-31"]
    assert source.read([date(2026, 1, 31)])[date(2026, 1, 31)]["id"].to_list() == [2, 3]
    with sqlite3.connect(shop) as database:
        database.execute("INSERT INTO sales VALUES (5, '2026-02-01', 60, 'Kobe')")
    database.close()
    assert collect(source, batches).added == ["2026-02-01"]


def test_rows_of_today_alone_wait_until_tomorrow(shop: Path, tmp_path: Path) -> None:
    source = Sql(f"sqlite:///{shop}", "SELECT * FROM sales WHERE id = 4", date="sold_on", key="id")
    assert source.late({}) == []
    with pytest.raises(SourceError) as refused:
        collect(source, tmp_path / "batches")
    assert str(refused.value) == (
        "The source has no batch yet.\n  its rows of today are not all there yet, so they wait until tomorrow: run the "
        "same again then"
    )


def test_a_query_may_end_in_a_comment(shop: Path) -> None:
    source = Sql(f"sqlite:///{shop}", "SELECT * FROM sales -- all of them", date="sold_on", key="id")
    days = source.dates()
    assert [len(rows) for rows in source.read(days).values()] == [1, 2]
    assert len(source.all_rows(10)) == 4


def test_a_query_that_fails_says_why(shop: Path) -> None:
    with pytest.raises(SourceError, match="no such table: purchases"):
        Sql(f"sqlite:///{shop}", "SELECT * FROM purchases", date="sold_on").dates()
    with pytest.raises(SourceError, match=r"no column 'bought_on'.* It has: id, sold_on, age, town"):
        Sql(f"sqlite:///{shop}", QUERY, date="bought_on").dates()
    with pytest.raises(SourceError, match=r"there is no file .*other\.db"):
        Sql(f"sqlite:///{shop.with_name('other.db')}", QUERY, date="sold_on").dates()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://reader:s3cret@db.example/shop",
        "postgresql+psycopg://db.example/shop?user=reader&password=s3cret",
        "mysql+pymysql://reader:s3cret@db.example:3306/shop",
        "postgresql://reader@shop:s3cret@db.example/shop",
        "postgresql://db.example/shop?sslpassword=s3cret",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3D%7BODBC%7D%3BUID%3Dreader%3BPWD%3Ds3cret",
        "mssql+pyodbc:///?odbc_connect=pwd=s3cret;UID=reader",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(ConfigError, match="environment variable") as refused:
        Sql(address, QUERY, date="sold_on")
    assert "s3cret" not in str(refused.value)
    assert password_of(address) == "s3cret"


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    source = Sql("postgresql+psycopg://reader:${SHOP_PASSWORD}@127.0.0.1/shop", QUERY, date="sold_on")
    with pytest.raises(SourceError, match="export SHOP_PASSWORD="):
        source.dates()


def test_a_misspelled_argument_is_named_without_the_address() -> None:
    with pytest.raises(ConfigError, match=r"^Sql has no argument 'dates': did you mean 'date'\?$"):
        Sql("postgresql://reader:s3cret@db.example/shop", "SELECT 1", dates="day")  # type: ignore[call-arg]


def test_a_database_that_does_not_answer_is_named_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "s3cret/@:")
    with socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    source = Sql(f"postgresql+psycopg://reader:${{SHOP_PASSWORD}}@127.0.0.1:{port}/shop", QUERY, date="sold_on")
    with pytest.raises(UnreachableError, match="that the database runs") as refused:
        source.dates()
    assert "s3cret" not in str(refused.value)


def test_an_address_of_a_driver_that_is_not_installed_says_so() -> None:
    with pytest.raises(PortfolioError, match="can't be queried"):
        Sql("oracle+oracledb://db.example/shop", QUERY, date="sold_on").dates()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    with postgres.server() as address:
        yield address


def test_postgresql_dates_and_times_are_days(server: str) -> None:
    engine = sqlalchemy.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE sales (id INT, sold_on DATE, sold_at TIMESTAMP, age INT)"))
        for number in range(3):
            day = TODAY - timedelta(days=number)
            connection.execute(
                sqlalchemy.text("INSERT INTO sales VALUES (:id, :day, :time, 30)"),
                {"id": number, "day": day, "time": f"{day} 23:30:00"},
            )
    engine.dispose()
    for column in ("sold_on", "sold_at"):
        source = Sql(server.replace("+psycopg", ""), "SELECT * FROM sales", date=column, key="id")
        assert source.dates() == [TODAY - timedelta(days=2), TODAY - timedelta(days=1)]
        (rows,) = source.read([TODAY - timedelta(days=1)]).values()
        assert rows["id"].to_list() == [1]
