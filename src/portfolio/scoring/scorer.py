"""Rows scored by a bundle: answers with their decisions, or the reason why a row can't be answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandera.errors
import polars as pl

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField
from portfolio.bundle.policy import MACHINE, PERSON, half_widths, saved
from portfolio.bundle.unseen import Unseen
from portfolio.contract.fields import as_arrays
from portfolio.contract.schema import inputs_schema
from portfolio.core.cells import said_unsure, unsure_number
from portfolio.core.errors import DataError
from portfolio.core.types import Array
from portfolio.data.normalize import Normalized, Reasons, normalize_inputs
from portfolio.data.validate import add_reasons, described
from portfolio.scoring.source import Part

ROW, FILE, REASON = "row", "file", "reason"


class Scored(NamedTuple):
    """`answers` has a row for each that fits; `rejected` the others as they came, with a column `reason`."""

    answers: pl.DataFrame
    rejected: pl.DataFrame


class Scorer:
    """Scores parts of a source. Safe to use from several threads."""

    def __init__(self, bundle: Bundle, columns: Iterable[str], *, several: bool) -> None:
        """`columns` are those of the source; `several`: it has more than one file."""
        self._bundle, self._manifest = bundle, bundle.manifest
        self._schema = inputs_schema(self._manifest.inputs)
        self._unseen = Unseen(self._manifest)
        split = self._manifest.split
        self._key = split.key if split is not None and split.key in set(columns) else None
        self._several = several

    def score(self, part: Part) -> Scored:
        """Raises DataError if a column holds nothing of its kind."""
        inputs = self._manifest.inputs
        found = normalize_inputs(inputs, part.rows)
        if found.faults:
            raise DataError(f"{part.file} does not fit the model: {'; '.join(found.faults)}.")
        if part.is_plain:
            _reject_unsure(inputs, part.rows, found)
        reasons = found.reasons
        self._validate(found.frame, reasons)
        fits = _without(len(part.rows), reasons)
        arrays = as_arrays(inputs, found.frame.filter(fits))
        outputs = self._bundle.predict(arrays) if fits.any() else np.zeros((0, 1), dtype=np.float32)
        finite = np.isfinite(outputs).all(axis=1)
        if not finite.all():
            reasons |= {int(row): ["the model has no finite answer for it"] for row in np.flatnonzero(fits)[~finite]}
            fits = _without(len(part.rows), reasons)
            arrays, outputs = {name: array[finite] for name, array in arrays.items()}, outputs[finite]
        told = pl.Series(REASON, ["; ".join(reasons[row]) for row in sorted(reasons)], dtype=pl.String)
        rejected = self._named(part, ~fits, part.rows.drop(ROW, FILE, strict=False)).with_columns(told)
        if not fits.any():
            return Scored(pl.DataFrame(), rejected)
        return Scored(self._named(part, fits).with_columns(**self._answers(arrays, outputs)), rejected)

    def _validate(self, frame: pl.DataFrame, reasons: Reasons) -> None:
        try:
            self._schema.validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as error:
            for case in error.failure_cases.filter(pl.col("index").is_null()).iter_rows(named=True):
                raise DataError(f"The rows do not fit the model: {described(case)}.") from error
            add_reasons(reasons, error.failure_cases)

    def _named(self, part: Part, chosen: Array, rows: pl.DataFrame | None = None) -> pl.DataFrame:
        """What names each of the chosen rows: its key, or its number in the file. `rows` are added to that."""
        numbers = np.arange(part.start, part.start + len(part.rows))[chosen]
        name = pl.Series(ROW, numbers) if self._key is None else part.rows[self._key].filter(chosen)
        named = pl.DataFrame([name])
        if self._several:
            named = named.select(pl.lit(part.file.name).alias(FILE), pl.all())
        if rows is None:
            return named
        rest = rows.filter(chosen)
        return pl.concat([named, rest.drop(named.columns, strict=False)], how="horizontal")

    def _answers(self, inputs: dict[str, Array], outputs: Array) -> dict[str, pl.Series]:
        """The columns of answers, as the server gives them."""
        manifest = self._manifest
        decided = self._bundle.decider(outputs)
        by_machine, unseen = decided.by_machine.copy(), self._unseen(inputs)
        # Nobody has measured how good the model is there, so a person decides.
        by_machine[list(unseen)] = False
        columns: dict[str, pl.Series] = {}
        if manifest.output.task == "classification":
            classes = np.array(manifest.output.classes, dtype=object)
            columns["class"] = pl.Series(classes[decided.answers], dtype=pl.String)
            for place, name in enumerate(manifest.output.classes):
                columns[f"probability_{name}"] = pl.Series(outputs[:, place])
        else:
            columns["value"] = pl.Series(outputs[:, 0])
            if manifest.error_ratios:
                half = half_widths(outputs, manifest.error_ratios)
                columns |= {"low": pl.Series(outputs[:, 0] - half), "high": pl.Series(outputs[:, 0] + half)}
        columns["decision"] = pl.Series(np.where(by_machine, MACHINE, PERSON), dtype=pl.String)
        if manifest.policy is not None:
            columns["expected_yen"] = pl.Series(saved(manifest.policy.prices, by_machine, decided.error_yen))
        if any(field.is_string for field in manifest.inputs):
            told = [", ".join(unseen[row]) if row in unseen else None for row in range(len(outputs))]
            columns["unseen"] = pl.Series(told, dtype=pl.String)
        return columns


def _reject_unsure(inputs: Sequence[InputField], rows: pl.DataFrame, found: Normalized) -> None:
    """Reject numbers that may be others in files that are written as the model's own are."""
    for field in inputs:
        if field.unsure_marks and rows.schema.get(field.name) == pl.String:
            texts = rows[field.name].str.normalize("NFKC")
            for row in texts.str.contains(unsure_number(field.unsure_marks)).arg_true():
                found.reasons.setdefault(row, []).append(f"{field.name}: '{texts[row][:40]}' {said_unsure(texts[row])}")


def _without(rows: int, reasons: Reasons) -> Array:
    """Which rows have no reason to be rejected, bool [rows]."""
    fits = np.ones(rows, dtype=bool)
    fits[list(reasons)] = False
    return fits
