"""The address of a database, with the driver that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


def database_url(address: str) -> URL:
    """Raises SQLAlchemy's ArgumentError, or ValueError, if it is none."""
    from sqlalchemy.engine import make_url

    url = make_url(address)
    # As hosts write it. The driver that SQLAlchemy 2.0 then looks for is another.
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url
