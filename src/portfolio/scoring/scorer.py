"""Rows scored by a bundle: answers with their decisions, or the reason why a row can't be answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandera.errors
import polars as pl

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField, Manifest
from portfolio.bundle.policy import MACHINE, PERSON, half_widths, saved
from portfolio.bundle.unseen import Unseen
from portfolio.contract.fields import as_arrays
from portfolio.contract.schema import inputs_schema
from portfolio.core.cells import said_unsure, unsure_number
from portfolio.core.errors import DataError
from portfolio.core.types import Array
from portfolio.data.columns import other_names
from portfolio.data.normalize import Normalized, Reasons, normalize_inputs
from portfolio.data.validate import add_reasons, described
from portfolio.scoring.source import Part

ROW, FILE, REASON = "row", "file", "reason"


class Scored(NamedTuple):
    """`answers` has a row for each that fits; `rejected` the others as they came, with the reason."""

    answers: pl.DataFrame
    rejected: pl.DataFrame


class Scorer:
    """Scores parts of a source. Safe to use from several threads."""

    def __init__(
        self, bundle: Bundle, columns: Collection[str], *, several: bool, unseen_to_person: bool = True
    ) -> None:
        """`columns` are those of the source; `several`: it has more than one file.

        `unseen_to_person`: a person decides where there is what training never saw.
        """
        self._bundle, self._manifest = bundle, bundle.manifest
        self._schema = inputs_schema(self._manifest.inputs)
        self._unseen, self._unseen_to_person = Unseen(self._manifest), unseen_to_person
        key = key_of(self._manifest)
        self._key = key if key in columns else None
        self._several = several
        ours = [*([FILE] if several else []), *([] if self._key else [ROW]), REASON]
        self._named_key = other_names([key], [*ours, *_answer_names(self._manifest)]).get(key, key)
        # In the rejected rows an input keeps its name, so that they can be scored once they are corrected.
        inputs = [field.name for field in self._manifest.inputs]
        self._ours = {name: name for name in ours} | other_names(ours, inputs, "_rejected")
        others = [name for name in columns if name not in inputs]
        self._given = other_names(others, [*self._ours.values(), *inputs])

    @property
    def reason(self) -> str:
        """The column of rejected rows that says why they are."""
        return self._ours[REASON]

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
        told = pl.Series(self.reason, ["; ".join(reasons[row]) for row in sorted(reasons)], dtype=pl.String)
        rejected = self._rejected(part, ~fits).with_columns(told)
        if not fits.any():
            return Scored(pl.DataFrame(), rejected)
        named = self._names(part, fits, self._named_key, {})
        answers = pl.DataFrame([column.alias(name) for name, column in self._answers(arrays, outputs).items()])
        return Scored(pl.concat([named, answers], how="horizontal"), rejected)

    def _validate(self, frame: pl.DataFrame, reasons: Reasons) -> None:
        try:
            self._schema.validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as error:
            for case in error.failure_cases.filter(pl.col("index").is_null()).iter_rows(named=True):
                raise DataError(f"The rows do not fit the model: {described(case)}.") from error
            add_reasons(reasons, error.failure_cases)

    def _names(self, part: Part, chosen: Array, key: str, ours: Mapping[str, str]) -> pl.DataFrame:
        """What names each of the chosen rows: the file if there are several, and its key or its number there.

        `key` is what that column is called here, and `ours` say so of those that are ours.
        """
        if self._key is None:
            numbers = np.arange(part.start, part.start + len(part.rows))[chosen]
            name = pl.Series(ours.get(ROW, ROW), numbers)
        else:
            name = part.rows[self._key].filter(chosen).alias(key)
        if not self._several:
            return pl.DataFrame([name])
        return pl.DataFrame([pl.Series(ours.get(FILE, FILE), [part.file.name] * len(name), dtype=pl.String), name])

    def _rejected(self, part: Part, chosen: Array) -> pl.DataFrame:
        """The chosen rows as they came, after what names each of them."""
        key = self._key or ""
        named = self._names(part, chosen, self._given.get(key, key), self._ours)
        rest = part.rows.filter(chosen).drop(key, strict=False).rename(self._given, strict=False)
        return pl.concat([named, rest], how="horizontal")

    def _answers(self, inputs: dict[str, Array], outputs: Array) -> dict[str, pl.Series]:
        """The columns of answers, as the server gives them."""
        manifest = self._manifest
        decided = self._bundle.decider(outputs)
        by_machine, unseen = decided.by_machine.copy(), self._unseen(inputs)
        if self._unseen_to_person:
            # Nobody has measured how good the model is there.
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


def key_of(manifest: Manifest) -> str:
    """The column that names a row of the data that the model was trained on; empty if it does not say."""
    return "" if manifest.split is None else manifest.split.key


def _answer_names(manifest: Manifest) -> list[str]:
    """The columns that answers may have."""
    names = ["value", "low", "high"]
    if manifest.output.task == "classification":
        names = ["class", *(f"probability_{name}" for name in manifest.output.classes)]
    return [*names, "decision", "expected_yen", "unseen"]


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
