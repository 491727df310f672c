"""Files that are either whole or not there: written beside, then renamed."""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from portfolio.core.errors import DataError, PortfolioError


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it takes the place of `path` in one step.

    On an exception (a full disk, an interrupt) the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    partial = Path(name)
    try:
        with _named(path):
            yield partial
        partial.chmod(0o644)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """The same for a folder. A reader sees the old folder, for a moment none, then the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial"))
    try:
        with _named(path):
            yield partial
        partial.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give the system's errors their number and the file's name, which Polars keeps in a text of its own."""
    try:
        yield
    except PortfolioError:
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        stated = re.search(r"\(os error (\d+)\)", str(error))
        if number is None and stated:
            number = int(stated[1])
        if number is None or getattr(error, "filename", None):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


@contextmanager
def alone(path: Path, what: str = "the same") -> Iterator[None]:
    """Be the only one to hold the lock at `path`; wait for whoever holds it. It ends with its process, however.

    `what` is under way while it is held: who has to wait is told, and the process that it waits for.
    """
    # Imported here: the server imports this module too, and locks nothing.
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    # Where a file system has no flock, filelock's other kind of lock would outlive a killed process.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = path.read_text() or "unknown"
        print(f"{what} is under way: waiting for process {holder} to end", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        with _named(path):
            path.write_text(str(os.getpid()))
        yield
    finally:
        path.write_text("")
        lock.release()


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock at `path` now."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock.acquire(blocking=False):
            return False
    except Timeout:
        return True


def write_text(path: Path, text: str) -> None:
    with replaced(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_folder(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def read_metrics(path: Path, remedy: str) -> Any:
    """A metrics file. Raises DataError, naming the command that writes it, if it is not there or damaged."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. This writes it: {remedy}") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}). This writes it anew: {remedy}") from error
