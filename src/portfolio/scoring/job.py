"""One batch from a source to its output: over the cores, and again from where it was killed.

Beside the output OUT lies, while it is made, the folder OUT.parts: job.json says of what and by which model, and each
part of the source has its file there as soon as it is done, by renaming. They are joined at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.environment import state_folder
from portfolio.core.errors import ConfigError, DataError, RegistryError
from portfolio.core.labels import listed
from portfolio.scoring.parts import flat, joined
from portfolio.scoring.scorer import Scored, Scorer, key_of
from portfolio.scoring.source import Part, RowFiles, written_of
from portfolio.scoring.summary import Summary, summary

JOB_NAME = "job.json"
# The server's setting, of which serving/settings.py says more.
TO_PERSON_VARIABLE = "SERVING_UNSEEN_TO_PERSON"
FORMATS = (".csv", ".parquet")
Progress = Callable[[int], None]
"""Told of rows that have been scored."""


class Job:
    """Scores a source into `target`, whose name says the format: .csv or .parquet."""

    def __init__(self, use_case: str, source: Path, target: Path) -> None:
        """Raises PortfolioError for what can be known to be wrong before anything is read."""
        if target.suffix.lower() not in FORMATS:
            raise ConfigError(f"{target}: the output's name must end in {' or '.join(FORMATS)}.")
        if not target.absolute().parent.is_dir():
            raise ConfigError(f"{target.parent} is not a folder. Make it first: mkdir -p {target.parent}")
        self.target, self._parts = target, target.with_name(f"{target.name}.parts")
        self._source = RowFiles.at(source, written_of(use_case), self._outputs)
        self._store = Store.of(use_case)
        self._use_case = use_case
        self._check_free()

    @property
    def rejected(self) -> Path:
        return self.target.with_name(f"{self.target.stem}.rejected{self.target.suffix}")

    @property
    def summary(self) -> Path:
        return self.target.with_name(f"{self.target.stem}.summary.json")

    @property
    def _outputs(self) -> tuple[Path, ...]:
        return self.target, self.rejected, self.summary

    def run(self, on_rows: Progress = lambda rows: None) -> Summary:
        """Raises DataError if the source does not fit the model, RegistryError if there is no champion."""
        place = hashlib.sha256(str(self.target.absolute()).encode()).hexdigest()
        lock = state_folder() / "locks" / "scoring" / f"{place}.lock"
        with files.alone(lock, f"another scoring into {self.target}"):
            # Whoever was waited for has written it.
            self._check_free()
            if self.target.exists():
                # An earlier try was cut off after its last file.
                self._begun()
                shutil.rmtree(self._parts)
                return Summary.model_validate_json(self.summary.read_text())
            bundle = Bundle.open(self._store.bundle_folder(self._begun() or self._champion()))
            identity = self._source.identity()
            fields = bundle.manifest.inputs
            source = self._source.fitted(fields)
            source.check(fields, key_of(bundle.manifest))
            to_person = self._to_person()
            scorer = Scorer(bundle, source.columns(), several=len(source.files) > 1, unseen_to_person=to_person)
            job = {"source": identity, "digest": bundle.digest, "unseen_to_person": to_person}
            files.write_text(self._parts / JOB_NAME, json.dumps(job))
            try:
                self._score(scorer, source.parts(fields), on_rows)
                self._check_unchanged(identity)
                found = self._join(bundle, scorer.reason)
            except DataError:
                # Another try will be of a corrected source, to which these parts do not belong.
                shutil.rmtree(self._parts, ignore_errors=True)
                raise
            shutil.rmtree(self._parts, ignore_errors=True)
        return found

    def _check_free(self) -> None:
        """Raise ConfigError if a file or folder would be lost that is there: what an earlier try wrote is none."""
        begun = (self._parts / JOB_NAME).exists()
        # A try that was killed at its very beginning leaves an empty folder, or one with a hidden file.
        if not begun and self._parts.exists() and not (self._parts.is_dir() and _has_nothing(self._parts)):
            raise ConfigError(
                f"{self._parts} is there without the {JOB_NAME} of a scoring, and the parts of this one would go "
                "there. Move it, or name another output."
            )
        sources = {file.resolve() for file in self._source.files}
        mine = self._outputs if begun else ()
        there = [path for path in self._outputs if path.resolve() in sources or (path.exists() and path not in mine)]
        if there:
            raise ConfigError(
                f"{listed([str(path) for path in there])} would be overwritten. Move what is there already, or name "
                "another output."
            )

    def _champion(self) -> str:
        """The digest of what is served. Raises RegistryError if nothing is."""
        served = self._store.served()
        if served is None:
            raise RegistryError(
                f"No champion of '{self._use_case}' has been published. Train one: portfolio run {self._use_case}"
            )
        return served.digest

    def _begun(self) -> str | None:
        """The digest of the bundle with which this was begun, if it was: one output is of one model."""
        begun = self._job()
        if begun is None:
            return None
        if begun.get("source") != self._source.identity() or not self._store.holds(begun["digest"]):
            raise DataError(
                f"{self._parts} holds parts of another run: {self._source.path} has changed since, its model is "
                f"gone, or {JOB_NAME} is damaged. To score all of it anew, delete that folder first: "
                f"rm -r {self._parts}"
            )
        return str(begun["digest"])

    def _job(self) -> dict[str, Any] | None:
        """What an earlier try has written of itself; empty if that is damaged, None if there is none."""
        try:
            found = json.loads((self._parts / JOB_NAME).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _check_unchanged(self, identity: list[list[str | int]]) -> None:
        """Raise DataError if another program has written to the source: some answers would be of what it was before."""
        with suppress(OSError):
            if self._source.identity() == identity:
                return
        raise DataError(
            f"{self._source.path} has changed while it was scored. Score it again once nothing writes to it any more."
        )

    def _to_person(self) -> bool:
        """Whether a person decides what training never saw: as for a server here, or as this was begun.

        Raises ConfigError if the server's setting is neither true nor false.
        """
        if (begun := self._job()) is not None:
            return bool(begun.get("unseen_to_person", True))
        stated = os.environ.get(TO_PERSON_VARIABLE, "true")
        try:
            return TypeAdapter(bool).validate_python(stated)
        except ValidationError as error:
            raise ConfigError(f"{TO_PERSON_VARIABLE}={stated!r} is neither true nor false. Correct it.") from error

    def _score(self, scorer: Scorer, parts: Iterable[Part], on_rows: Progress) -> None:
        """Every part that has no file yet. Few are held at once: reading waits for the oldest that is being scored."""
        workers = os.cpu_count() or 1
        waiting: deque[tuple[Part, Future[None]]] = deque()

        def finish() -> None:
            part, done = waiting.popleft()
            done.result()
            on_rows(len(part.rows))

        with ThreadPoolExecutor(workers) as pool:
            try:
                for part in parts:
                    if self._file(part, "answers").exists():
                        on_rows(len(part.rows))
                        continue
                    waiting.append((part, pool.submit(self._keep, part, scorer)))
                    if len(waiting) > workers:
                        finish()
                while waiting:
                    finish()
            finally:
                pool.shutdown(cancel_futures=True)

    def _keep(self, part: Part, scorer: Scorer) -> None:
        """The rejected rows first: where the answers are, the part is done."""
        scored: Scored = scorer.score(part)
        for name, rows in (("rejected", scored.rejected), ("answers", scored.answers)):
            with files.replaced(self._file(part, name)) as partial:
                rows.write_parquet(partial, compression="lz4")

    def _file(self, part: Part, name: str) -> Path:
        return self._parts / f"{part.name}.{name}.parquet"

    def _join(self, bundle: Bundle, reason: str) -> Summary:
        """The output comes last: where it is, all is done. `reason` is the column of rejected rows that has theirs."""
        answers, rejected = self._all("answers"), self._all("rejected")
        found = summary(bundle.manifest, bundle.digest, answers, rejected, reason)
        if answers is None:
            reasons = "".join(f"\n  {counted(count, 'row')}: {reason}" for reason, count in found.reasons.items())
            raise DataError(f"{self._source.path} has no row that the model can answer.{reasons or ' It has no rows.'}")
        if rejected is not None:
            self._write(rejected, self.rejected)
        files.write_text(self.summary, found.model_dump_json(indent=1) + "\n")
        self._write(answers, self.target)
        return found

    def _all(self, name: str) -> pl.LazyFrame | None:
        """The rows of all parts in their order; None if there are none."""
        paths = sorted(self._parts.glob(f"*.{name}.parquet"))
        parts = [pl.scan_parquet(path) for path in paths if _has_rows(path)]
        return joined(parts) if parts else None

    def _write(self, rows: pl.LazyFrame, path: Path) -> None:
        with files.replaced(path) as partial:
            if path.suffix.lower() == ".parquet":
                rows.sink_parquet(partial)
            else:
                flat(rows).sink_csv(partial)


def _has_nothing(folder: Path) -> bool:
    return all(path.name.startswith(f".{JOB_NAME}.") for path in folder.iterdir())


def _has_rows(path: Path) -> bool:
    return bool(pl.scan_parquet(path).select(pl.len()).collect().item())
