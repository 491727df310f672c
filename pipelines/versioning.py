"""DVC, in process: the stage graph of dvc.yaml, one stage run, one folder versioned."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dvc.lock
from dvc.exceptions import CheckoutError, DvcException, NotDvcRepoError, ReproductionError
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.scm import SCMError
from dvc.stage.exceptions import MissingDataSource, StageCmdFailedError

from portfolio.core import files
from portfolio.core.errors import DataError, PortfolioError
from portfolio.core.paths import Paths
from portfolio.core.sqlite import LOCKED, is_locked

# DVC asks for its lock six times in this many seconds. Stages that start together hold it for milliseconds.
dvc.lock.DEFAULT_TIMEOUT = 0.3

LEAST_FREE_BYTES = 64 * 1024
LOCK = Path("dvc.lock")

# What DVC says of each step, its progress bars (at any level up to ERROR) and its advice to add dvc.lock to git are for
# its own command line. Its errors come as exceptions.
for name in ("dvc", "dvc_data"):
    logging.getLogger(name).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Stage:
    """What dvc.yaml says of a stage."""

    needs: list[str]
    """The addresses of the stages that make what it depends on."""
    figures: list[Path]
    """Those of its outputs that git keeps, and not DVC."""


def stage_graph(use_case: str) -> dict[str, Stage]:
    """The stages of one use case by their addresses, in an order in which they can run.

    The index's graph is not a documented API of DVC; it is used here alone, and has a test.
    """
    import networkx

    check_place(use_case)
    repository = _repository()
    try:
        # Who writes dvc.lock holds DVC's lock: without it, half of a file could be read.
        with repository.lock:
            try:
                graph = repository.index.graph
            except DvcException:
                if not _bring_back(LOCK, _kept(repository)):
                    raise
                graph = Repo().index.graph
            if LOCK.exists():
                files.write_text(_kept(repository), LOCK.read_text())
    except LockError as error:
        raise _under_way(f"The run of '{use_case}'", error) from error
    except DvcException as error:
        raise PortfolioError(f"DVC can't read its stages: {error}. Bring back what it names with git.") from error
    # Those of the root: an address of another folder's names its file too.
    ours = [stage for stage in graph if re.fullmatch(rf"\w+@{re.escape(use_case)}", stage.addressing)]
    ordered = [stage for stage in reversed(list(networkx.topological_sort(graph))) if stage in ours]
    return {
        stage.addressing: Stage(
            needs=[need.addressing for need in graph.successors(stage) if need in ours],
            figures=[Path(out.fs_path) for out in stage.outs if not out.use_cache],
        )
        for stage in ordered
    }


def _kept(repository: Repo) -> Path:
    """dvc.lock as it was when a run began."""
    return Path(repository.tmp_dir) / "dvc.lock.kept"


def _bring_back(lock: Path, kept: Path) -> bool:
    """Put what was kept in the place of a file that a kill has cut off: DVC writes it in place. Says whether it did.

    What was run since comes from DVC's cache. A conflict of git's is for its user to resolve.
    """
    if not lock.exists() or not kept.exists() or "<<<<<<< " in lock.read_text():
        return False
    files.write_text(lock, kept.read_text())
    return True


def check_place(use_case: str) -> None:
    """Raise PortfolioError, with the remedy, if DVC can't work in this folder."""
    _repository()
    paths = Paths(use_case)
    kept = (paths.batches, paths.clean, paths.models, paths.plots, paths.report, paths.metrics("evaluate").parent)
    for folder in dict.fromkeys(folder for path in kept for folder in (*reversed(path.parents), path)):
        if folder.is_symlink():
            raise PortfolioError(
                f"{folder} is a symbolic link (to {folder.resolve()}), and DVC keeps nothing behind one. Put the "
                "folder itself there. For room on another disk, move DVC's cache, which has all versions: dvc cache "
                "dir --local /OTHER/DISK, then dvc config --local cache.type symlink"
            )


def reproduce(address: str, log: Path, figures: Sequence[Path] = (), *, force: bool = False) -> bool:
    """Run one stage, unless its inputs are as they were and it is not forced. Says whether it ran.

    If the stage fails, its `figures` stay as its last run left them. Raises PortfolioError then, with what its log
    says of that, and DataError, with the remedy, if what it depends on is not there.
    """
    try:
        repository = _repository()
        with _kept_on_failure(figures):
            # Stages beside each other hold DVC's lock in turn, only while no stage's command runs.
            return bool(repository.reproduce(targets=[address], single_item=True, force=force))
    except ReproductionError as error:
        if isinstance(error.__cause__, LockError):
            raise _under_way(address, error.__cause__) from error
        if isinstance(error.__cause__, (FileNotFoundError, MissingDataSource)):
            use_case = re.split("[@-]", address)[-1]
            raise DataError(
                f"What {address} depends on is not there ({error.__cause__}). To make it: portfolio run {use_case}"
            ) from error
        if not isinstance(error.__cause__, StageCmdFailedError):
            raise PortfolioError(
                f"DVC can't keep the result of {address}, or bring it back: {error.__cause__ or error}"
            ) from error
        # A stage that was killed, for want of memory for one, has said nothing.
        said = log.read_text(errors="replace").strip() if log.exists() else ""
        if said:
            reason = f"{_reason(said)}\nIts whole log: {log}"
        elif _is_full(log.parent):
            reason = f"No space is left for {log.parent.absolute()}. Make room, then run the same again."
        else:
            reason = str(error.__cause__ or error)
        raise PortfolioError(f"Stage {address} failed. {reason}") from error
    except LockError as error:
        raise _under_way(address, error) from error
    except DvcException as error:
        raise PortfolioError(f"DVC can't run {address}: {error}") from error


def _is_full(folder: Path) -> bool:
    """Whether a stage may have had no room for a message there."""
    return folder.exists() and shutil.disk_usage(folder).free < LEAST_FREE_BYTES


def _under_way(address: str, error: LockError) -> PortfolioError:
    """Who uses the same files now. DVC's own advice is to delete its notes of that."""
    who = "\n".join(line for line in str(error).splitlines() if "(PID" in line) or str(error)
    return PortfolioError(
        f"{address} can't run while another DVC command uses the same files:\n{who}\nRun the same again when that has "
        "ended."
    )


@contextmanager
def _kept_on_failure(figures: Sequence[Path]) -> Iterator[None]:
    """Bring back, if the stage fails, the figures of its last run.

    DVC deletes a stage's outputs before it runs. What is declared with `persist` it leaves alone, but a stage that has
    such an output never comes from the run cache.
    """
    earlier = {path: path.read_bytes() for path in figures if path.is_file()}
    try:
        yield
    except BaseException:
        for path, content in earlier.items():
            with files.replaced(path) as partial:
                partial.write_bytes(content)
        raise


def _reason(said: str) -> str:
    """A stage's message from its last `Error:` on, or the last line if it has none."""
    lines = said.splitlines()
    begin = max((number for number, line in enumerate(lines) if line.startswith("Error:")), default=-1)
    return "\n".join(lines[begin:])


@contextmanager
def log_of_this_run(log: Path) -> Iterator[None]:
    """Put a stage's log aside, so that none but what it says now is told; if it does not run, the log comes back."""
    earlier = log.with_name(f"{log.name}.earlier")
    if log.exists():
        log.replace(earlier)
    try:
        yield
    finally:
        if earlier.exists() and not log.exists():
            earlier.replace(log)
        earlier.unlink(missing_ok=True)


def add(folder: Path) -> None:
    """Version a folder: its content goes to DVC's cache, and `<folder>.dvc` beside it names it.

    Raises PortfolioError if DVC can't.
    """
    try:
        repository, pointer = _repository(), f"{folder}.dvc"
        # To add what is there already would write the same file again.
        if not Path(pointer).exists() or repository.status(targets=[pointer]):
            repository.add(str(folder))
    except DvcException as error:
        raise PortfolioError(f"DVC can't add {folder}: {error}") from error


def fetch(folder: Path) -> bool:
    """Bring a versioned folder from the DVC remote. Says whether the remote has it.

    Raises PortfolioError if the remote can't be asked.
    """
    repository, pointer = _repository(), f"{folder}.dvc"
    try:
        repository.pull(targets=[pointer])
    except CheckoutError:
        # DVC says the same of a remote that does not answer. So its one small file that lists the folder is asked for.
        try:
            (out,) = repository.stage.collect(pointer)[0].outs
            remote = repository.cloud.get_remote_odb()
            remote.fs.cat_file(remote.oid_to_path(out.hash_info.value))
        except FileNotFoundError:
            return False
        except Exception as error:
            # Each kind of remote has errors of its own.
            raise _unanswered(folder, error) from error
        raise PortfolioError(
            f"DVC's remote has {folder} in part only. Whoever made it can complete it: dvc push {pointer}"
        ) from None
    except (DvcException, OSError, ImportError) as error:
        raise _unanswered(folder, error) from error
    return True


def _unanswered(folder: Path, error: Exception) -> PortfolioError:
    return PortfolioError(
        f"DVC can't ask its remote for {folder} ({error}). See what it says of that: dvc pull {folder}.dvc"
    )


def _repository() -> Repo:
    """DVC's repository; what uses it waits for its lock.

    A kill can cut off the file in which DVC notes who reads and writes what, and then no command of DVC works any
    more. Such a file is put away, under the guard that its writers hold.
    """
    try:
        repository = Repo(_wait_for_lock=True)
    except NotDvcRepoError as error:
        raise PortfolioError(
            f"{Path.cwd()} has no folder .dvc, so DVC can't work here. Run this in the project's folder; if it is "
            "that, hidden files were not copied along: clone the project instead."
        ) from error
    except sqlite3.OperationalError as error:
        remedy = LOCKED if is_locked(error) else "See whether the disk is full"
        raise PortfolioError(
            f"DVC can't write its notes in {Path('.dvc').absolute()} ({error}). {remedy}; then run the command again."
        ) from error
    except SCMError as error:
        raise PortfolioError(
            f"{Path.cwd()} is not in a git repository ({error}), and versions of data and models are told apart by "
            "commits. Make it one: git init && git add --all && git commit -m start"
        ) from error
    notes = Path(repository.tmp_dir) / RWLOCK_FILE
    with make_lock(str(notes.with_name(RWLOCK_LOCK)), tmp_dir=repository.tmp_dir, wait=True):
        try:
            json.loads(notes.read_text())
        except FileNotFoundError:
            pass
        except ValueError:
            notes.unlink()
    return repository
