"""Files that are either whole or not there: written beside, then renamed."""

import fcntl
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
def alone(path: Path) -> Iterator[None]:
    """Be the only one to hold the lock at `path`; wait for whoever holds it. It ends with its process, however."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for the process that holds {path}", file=sys.stderr, flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


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
