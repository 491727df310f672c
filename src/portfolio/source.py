"""Sources of raw data: something that delivers batches named by date.

A collected batch never changes; collecting again adds only what is new.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio import files
from portfolio.config import Collect
from portfolio.errors import SourceError, UnreachableError

if TYPE_CHECKING:
    import polars as pl

TIMEOUT_SECONDS = 30.0
ATTEMPTS = 4
# Far more than any file here has: what goes on for ever must not fill the disk.
MAX_DOWNLOAD_BYTES = 2 * 1024**3


class Source(ABC):
    """Delivers batches by date."""

    @abstractmethod
    def dates(self) -> list[date]:
        """The days for which there are batches by now, in order. Cheap: nothing is fetched."""

    @abstractmethod
    def read(self, days: list[date]) -> dict[date, pl.DataFrame]:
        """The raw rows of those days. Raises SourceError if the source can't be reached."""


def arrived(collect: Collect) -> list[date]:
    """The days of a collection that have arrived by `until`."""
    days = [collect.start + timedelta(days=number) for number in range(collect.batches)]
    return [day for day in days if day <= collect.until]


@dataclass(frozen=True)
class Collected:
    """What one call of `collect` did."""

    added: list[str]
    present: int
    rows: int

    def __str__(self) -> str:
        return f"{len(self.added)} new batches ({self.rows:,} rows), {self.present} were there already"


def collect(source: Source, folder: Path) -> Collected:
    """Write every batch that is not there yet as `<folder>/<date>.parquet`.

    Each batch is written beside and renamed, so a killed collect leaves whole batches only, and the next one
    completes it. Two collects at once take turns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / ".collect.lock"):
        for leftover in folder.glob(".*.partial"):
            leftover.unlink()
        days = source.dates()
        missing = [day for day in days if not (folder / f"{day}.parquet").exists()]
        added, rows = [], 0
        for day, frame in (source.read(missing) if missing else {}).items():
            target = folder / f"{day}.parquet"
            _writable(target)
            with files.replaced(target) as partial:
                frame.write_parquet(partial)
            added.append(str(day))
            rows += len(frame)
        return Collected(added=added, present=len(days) - len(missing), rows=rows)


def download(url: str, sha256: str, cache: Path) -> Path:
    """The file at `url`, fetched once into `cache` and checked against its SHA-256.

    With PORTFOLIO_MIRROR set (a folder, or an address), HOST/PATH of the address is looked up below it.
    Raises SourceError naming the address, the reason and the remedy.
    """
    target = cache / sha256
    if target.exists() and files.sha256(target) == sha256:
        return target
    mirror = os.environ.get("PORTFOLIO_MIRROR", "").rstrip("/")
    host_and_path = url.split("://", 1)[1]
    address = f"{mirror}/{host_and_path}" if mirror else url
    if "://" in mirror and not mirror.startswith(("http://", "https://")):
        raise SourceError(f"PORTFOLIO_MIRROR is {mirror}. It may be a folder's path, or an http(s) address.")
    with files.replaced(target) as partial:
        if "://" in address:
            _fetch(address, partial)
        else:
            try:
                shutil.copyfile(address, partial)
            except OSError as error:
                raise SourceError(
                    f"{address} can't be read ({error.strerror}). PORTFOLIO_MIRROR names a folder that lacks it; "
                    f"put the file of {url} there, or unset PORTFOLIO_MIRROR to fetch it from its address."
                ) from error
        found = files.sha256(partial)
        if found != sha256:
            raise SourceError(
                f"{address} has SHA-256 {found}, but {sha256} is pinned. The file was changed or cut off, so it is "
                "not used. Check the address; if the new content is wanted, pin its digest in the config."
            )
    return target


def _fetch(address: str, target: Path) -> None:
    import httpx
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
    from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential_jitter

    def can_pass(error: BaseException) -> bool:
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code >= 500 or error.response.status_code == 429
        return isinstance(error, httpx.TransportError)

    @retry(
        retry=retry_if_exception(can_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=0.5, max=8),
        reraise=True,
    )
    def fetch() -> None:
        with (
            httpx.stream("GET", address, timeout=TIMEOUT_SECONDS, follow_redirects=True) as response,
            Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), transient=True) as progress,
            target.open("wb") as stream,
        ):
            response.raise_for_status()
            total = int(response.headers.get("content-length", 0)) or None
            task = progress.add_task("downloading", total=total)
            for chunk in response.iter_bytes():
                stream.write(chunk)
                if stream.tell() > MAX_DOWNLOAD_BYTES:
                    raise SourceError(f"{address} sends more than {MAX_DOWNLOAD_BYTES:,} bytes. Check the address.")
                progress.update(task, advance=len(chunk))

    try:
        fetch()
    except httpx.HTTPError as error:
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, httpx.HTTPStatusError):
            reason = f"it answered {error.response.status_code}"
        kind = UnreachableError if can_pass(error) else SourceError
        raise kind(
            f"{address} can't be fetched in up to {ATTEMPTS} attempts ({reason}). Check the "
            "network, or set PORTFOLIO_MIRROR to a folder or address that holds a copy under HOST/PATH."
        ) from error


def _writable(path: Path) -> None:
    """One place to raise a clear error for a folder that can't be written."""
    if not os.access(path.parent, os.W_OK):
        raise SourceError(f"{path.parent} can't be written. Check its permissions.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    with path.open("w") as stream:
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - started > 600:
                    raise SourceError(f"{path} has been held for 10 minutes by another collect. Stop it.") from None
                time.sleep(0.2)
        yield
