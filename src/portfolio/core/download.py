"""Files from the web, pinned by their SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zlib
from pathlib import Path

from portfolio.core import files
from portfolio.core.contents import kind_of
from portfolio.core.errors import SourceError, UnreachableError

TIMEOUT_SECONDS = 30.0


ATTEMPTS = 4


# What is pinned is the file, as curl and sha256sum see it, and not what a server packs it into on the way.
AS_IT_IS = {"Accept-Encoding": "identity"}


# Far more than any file here has: an endless download must not fill the disk.
MAX_DOWNLOAD_BYTES = 2 * 1024**3


def download(url: str, sha256: str, cache: Path) -> Path:
    """The file at `url`, fetched once into `cache` and checked against its SHA-256.

    With PORTFOLIO_MIRROR set (a folder, or an address), HOST/PATH of the address is looked up below it.
    Raises SourceError naming the address, the reason and the remedy.
    """
    target = cache / sha256
    if target.exists() and files.sha256(target) == sha256:
        return target
    with files.replaced(target) as partial:
        address = _get(url, partial)
        _unpack_if_pinned(partial, sha256)
        check_pinned(partial, sha256, address)
    return target


def download_to_pin(url: str, cache: Path) -> tuple[Path, str]:
    """The same for a file whose SHA-256 is not known yet: the file, and its SHA-256."""
    cache.mkdir(parents=True, exist_ok=True)
    with files.replaced(cache / "new") as partial:
        _get(url, partial)
    sha256 = files.sha256(cache / "new")
    return (cache / "new").replace(cache / sha256), sha256


def _get(url: str, target: Path) -> str:
    """Fetch the file at `url`, or its copy in the mirror; return the address where it was."""
    mirror = os.environ.get("PORTFOLIO_MIRROR", "").rstrip("/")
    host_and_path = url.split("://", 1)[1]
    address = f"{mirror}/{host_and_path}" if mirror else url
    if "://" in mirror and not mirror.startswith(("http://", "https://")):
        raise SourceError(f"PORTFOLIO_MIRROR is {mirror}. It may be a folder's path, or an http(s) address.")
    if "://" in address:
        _fetch(address, target)
        return address
    try:
        shutil.copyfile(address, target)
    except OSError as error:
        raise SourceError(
            f"{address} can't be read ({error.strerror}). PORTFOLIO_MIRROR names a folder that lacks it; "
            f"put the file of {url} there, or unset PORTFOLIO_MIRROR to fetch it from its address."
        ) from error
    return address


def _unpack_if_pinned(path: Path, sha256: str) -> None:
    """A server may pack the file all the same; then what is pinned may be the file that a browser saved."""
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b") and hashlib.sha256(raw).hexdigest() != sha256:
        try:
            unpacked = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            return
        if hashlib.sha256(unpacked).hexdigest() == sha256:
            path.write_bytes(unpacked)


def check_pinned(path: Path, sha256: str, address: str) -> None:
    """Raise SourceError, with what came instead, if the file from `address` has another SHA-256 than is pinned."""
    found = files.sha256(path)
    if found == sha256:
        return
    with path.open("rb") as stream:
        kind = kind_of(stream.read(1024))
    what = f"It is {kind}" if kind else "The file was changed or cut off"
    raise SourceError(
        f"{address} has SHA-256 {found}, but {sha256} is pinned. {what}, so it is not used. Check the address; if the "
        "new content is wanted, pin its digest (sha256= in the use case), and replace what was collected from the old: "
        "portfolio recollect USE_CASE"
    )


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
            httpx.stream("GET", address, headers=AS_IT_IS, timeout=TIMEOUT_SECONDS, follow_redirects=True) as response,
            Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), transient=True) as progress,
            target.open("wb") as stream,
        ):
            response.raise_for_status()
            total = int(response.headers.get("content-length", 0)) or None
            task = progress.add_task("downloading", total=total)
            for chunk in response.iter_raw():
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
