"""True labels that came back to the server, as a batch like any other, so that the next training learns from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from portfolio.bundle.bundle import to_array
from portfolio.bundle.manifest import InputField, Manifest
from portfolio.bundle.store import Store
from portfolio.contract.config import Retrain
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.errors import DataError
from portfolio.core.hashing import uniform
from portfolio.core.labels import declared
from portfolio.data.batches import FAIR, REFUSED, next_feedback, of_feedback, read_batch
from portfolio.data.collect import collect_lock
from portfolio.data.parquet import write_parquet
from portfolio.monitoring.inflow import inside_support
from portfolio.monitoring.looks import CLOCKS_APART
from portfolio.monitoring.prediction_log.database import Database
from portfolio.monitoring.prediction_log.labels import in_utc
from portfolio.monitoring.prediction_log.statements import parts
from portfolio.monitoring.prediction_log.tables import feedback, predictions

if TYPE_CHECKING:
    import polars as pl

WHO = ("by_machine", "asked")
ANSWER = ("inputs", "outputs", *WHO)


@dataclass(frozen=True)
class Labelled:
    """Labelled answers that no batch has yet, in the order in which their labels came.

    `rows` has the columns of a batch. `facts`, row by row: `request_id`, `received_at`, the `certainty` of the answer,
    `by_machine`, `right` (null where that can't be said), `inside`, whether the model was trained on such rows, and
    `fair`, whether it is one of a sample in which every answer is as likely as any other.
    """

    rows: pl.DataFrame
    facts: pl.DataFrame
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Taken:
    """What one call of `take_feedback` did. `path` is None if there was nothing new."""

    path: Path | None = None
    rows: int = 0
    refused: int = 0
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.path is None:
            return "\n  ".join(["no new labels", *self.notes])
        refused = f", {self.refused:,} of them refused" if self.refused else ""
        return "\n  ".join([f"{counted(self.rows, 'new label')}{refused}: {self.path.name}", *self.notes])


def take_feedback(use_case: UseCase, limits: Retrain, address: str, folder: Path) -> Taken:
    """Write the labels that no batch has yet into a batch of their own, those that are refused with the reason.

    Validation then puts the refused ones into quarantine. Raises as `PredictionLog` does.
    """
    from portfolio.monitoring.doubts import doubts

    folder.mkdir(parents=True, exist_ok=True)
    with collect_lock(folder):
        found = labelled_rows(use_case, address, folder)
        if not len(found):
            return Taken(notes=found.notes)
        reasons, notes = doubts(use_case, limits, found.rows, found.facts, folder)
        path = next_feedback(folder)
        with files.replaced(path) as partial:
            write_parquet(partial, found.rows.with_columns(reasons.alias(REFUSED), found.facts["fair"].alias(FAIR)))
        return Taken(path, len(found), len(reasons) - reasons.null_count(), [*found.notes, *notes])


def refuse(use_case: UseCase, folder: Path, batch: str, reason: str) -> int:
    """Refuse all rows of a batch of labels that turned out to be wrong, and say how many they are.

    Validation then puts them into quarantine, and since the batch stays, its labels are not taken again. Raises
    DataError if there is no such batch.
    """
    import polars as pl

    with collect_lock(folder):
        path = {one.stem: one for one in of_feedback(folder)}.get(batch)
        if path is None:
            names = ", ".join(one.stem for one in of_feedback(folder)[-5:]) or "none"
            raise DataError(f"{folder} has no batch of labels '{batch}'. The newest are: {names}.")
        rows = read_batch(path, use_case.name)
        kept = rows[REFUSED].null_count()
        with files.replaced(path) as partial:
            write_parquet(partial, rows.with_columns(pl.col(REFUSED).fill_null(reason)))
    return kept


def waiting_labels(use_case: UseCase, address: str, folder: Path) -> int:
    """How many labels could be learned from that have come since the last batch of them.

    The monitor asks at each look, so this costs as much as those labels, however many came before.
    """
    # What was asked and answered is not needed to count them.
    return len(_not_taken(use_case, address, folder, WHO, since_last_batch=True).labels)


def labelled_rows(use_case: UseCase, address: str, folder: Path) -> Labelled:
    """The labels of this use case's answers that no batch in the folder has.

    Only those that were asked for: what else people send in is no fair sample. Columns that a server does not know,
    such as what rows are split by, are null.
    """
    found = _not_taken(use_case, address, folder, ANSWER)
    rows = _batch(use_case, found)
    return Labelled(rows, _facts(found.labels, found.answers, found.manifests), found.notes)


class _NotTaken(NamedTuple):
    """Labels that were asked for and that no batch has; `answers` by request id."""

    labels: list[dict[str, Any]]
    answers: dict[str, dict[str, Any]]
    manifests: dict[str, Manifest]
    notes: list[str]


def _not_taken(
    use_case: UseCase, address: str, folder: Path, columns: Sequence[str], *, since_last_batch: bool = False
) -> _NotTaken:
    """With these columns of the answers."""
    used = _used(use_case, folder)
    stored = {d: m for d, m in Store.of(use_case.name).manifests().items() if m.use_case == use_case.name}
    manifests = {digest: manifest for digest, manifest in stored.items() if _same_target(use_case, manifest)}
    database = Database(address)
    try:
        with database.begin() as connection:
            labels = _labels(connection, _last_taken(connection, use_case, folder) if since_last_batch else None)
            answered = [label for label in labels if label["digest"] in stored]
            known = [label for label in answered if label["digest"] in manifests]
            new = [label for label in known if _key(label) not in used]
            answers = _answers(connection, {label["request_id"] for label in new}, columns)
    finally:
        database.close()
    corrected = sum(
        _key(label) in used and used[_key(label)] != _target(use_case, manifests[label["digest"]], label["label"])
        for label in known
    )
    notes = []
    asked = [label for label in new if _asked(answers[label["request_id"]], label["row"])]
    if len(asked) < len(new):
        notes.append(f"labels that nobody had asked for, which are left out: {len(new) - len(asked):,}")
    if len(known) < len(answered):
        notes.append(f"labels of answers by a model of another target, left out: {len(answered) - len(known):,}")
    if len(answered) < len(labels):
        gone = len(labels) - len(answered)
        notes.append(f"labels of answers by a bundle that isn't in the store, left out: {gone:,}")
    if corrected:
        notes.append(
            f"labels that were corrected after a batch had them: {corrected:,}; a batch never changes by itself. To "
            "take them anew, delete the feedback batches before the run"
        )
    return _NotTaken(asked, answers, manifests, notes)


def _labels(connection: Connection, last_taken: datetime | None = None) -> list[dict[str, Any]]:
    """Every label and who gave the answer, oldest first, without what the answer was.

    Those that came before `last_taken` are left out, but for what clocks of several servers may differ by.
    """
    query = select(feedback, predictions.c.digest).join(predictions, predictions.c.request_id == feedback.c.request_id)
    if last_taken is not None:
        query = query.where(feedback.c.received_at >= last_taken - CLOCKS_APART)
    found = connection.execute(query.order_by(feedback.c.received_at, feedback.c.request_id, feedback.c.row))
    return [row._asdict() | {"label": json.loads(row.label)} for row in found]


def _last_taken(connection: Connection, use_case: UseCase, folder: Path) -> datetime | None:
    """When the newest label of the last batch came; None without a batch, or if the log does not have its labels."""
    newest = of_feedback(folder)[-1:]
    keys = [key for path in newest for key in read_batch(path, use_case.name, [use_case.key])[use_case.key]]
    came = []
    for some in parts(sorted({key.rpartition("-")[0] for key in keys})):
        query = select(func.max(feedback.c.received_at)).where(feedback.c.request_id.in_(some))
        came.append(connection.execute(query).scalar())
    return max((in_utc(moment) for moment in came if moment is not None), default=None)


def _answers(connection: Connection, request_ids: Iterable[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    columns = [predictions.c[name] for name in ("request_id", *names)]
    found = {}
    for some in parts(sorted(request_ids)):
        for row in connection.execute(select(*columns).where(predictions.c.request_id.in_(some))):
            found[row.request_id] = {name: json.loads(getattr(row, name) or "null") for name in names}
    return found


def _used(use_case: UseCase, folder: Path) -> dict[str, Any]:
    """The labels that batches have, by the key of their row; null in a batch of another target."""
    found: dict[str, Any] = {}
    key, target = use_case.key, use_case.target.column
    for path in of_feedback(folder):
        if target in read_batch(path, use_case.name, n_rows=0).columns:
            found.update(read_batch(path, use_case.name, [key, target]).iter_rows())
        else:
            found.update(dict.fromkeys(read_batch(path, use_case.name, [key])[key]))
    return found


def _key(label: Mapping[str, Any]) -> str:
    return f"{label['request_id']}-{label['row']}"


def _asked(answer: Mapping[str, Any], row: int) -> bool:
    """Whether the label was asked for. Logs of earlier versions only tell what was left to a person."""
    asked = answer["asked"]
    return bool(asked[row] if asked is not None else not answer["by_machine"][row])


def _same_target(use_case: UseCase, manifest: Manifest) -> bool:
    """Whether a model was asked what the use case asks now: if not, its labels answer another question."""
    return (manifest.output.task, manifest.output.name) == (use_case.output.task, use_case.output.name)


def _target(use_case: UseCase, manifest: Manifest, label: Any) -> Any:
    """A label as the data write it: the log has the name that people read, maybe another then than now."""
    output = use_case.output
    if output.task == "regression":
        return float(label)
    names = {name: text for of in (manifest.output, output) for name, text in zip(of.classes, of.labels, strict=True)}
    return names[label] if label in names else declared(str(label), output.labels)


def _batch(use_case: UseCase, found: _NotTaken) -> pl.DataFrame:
    import polars as pl

    labels, answers = found.labels, found.answers
    unknown = pl.Series([None] * len(labels), dtype=pl.String)
    columns = dict.fromkeys(use_case.columns(), unknown)
    for one in use_case.inputs:
        values = [_value(one, answers[label["request_id"]]["inputs"], label["row"]) for label in labels]
        kind: Any = {"image": pl.List(pl.Float64), "number": pl.Float64, "date": pl.Float64}.get(one.kind, pl.String)
        column = pl.Series(values, dtype=kind, strict=False)
        columns[one.name] = column.cast(pl.Int32).cast(pl.Date) if one.kind == "date" else column
    columns[use_case.key] = pl.Series([_key(label) for label in labels], dtype=pl.String)
    target: Any = pl.Float64 if use_case.output.task == "regression" else pl.String
    given = [_target(use_case, found.manifests[label["digest"]], label["label"]) for label in labels]
    columns[use_case.target.column] = pl.Series(given, dtype=target)
    return pl.DataFrame(columns)


def _value(one: InputField, inputs: Mapping[str, Any], row: int) -> Any:
    """What a request said of a field: the pixels of a picture, else one value; None if it is missing."""
    values = inputs.get(one.name)
    if values is None:
        return None
    return values[row] if one.kind == "image" else values[row][0]


def _facts(labels: list[dict[str, Any]], answers: Mapping[str, Any], manifests: Mapping[str, Manifest]) -> pl.DataFrame:
    import polars as pl

    certainties, inside = np.zeros(len(labels)), np.ones(len(labels), dtype=bool)
    shares = np.zeros(len(labels))
    for digest in {label["digest"] for label in labels}:
        manifest = manifests[digest]
        places = [place for place, label in enumerate(labels) if label["digest"] == digest]
        given = [(answers[labels[place]["request_id"]], labels[place]["row"]) for place in places]
        outputs = np.array([answer["outputs"][row] for answer, row in given])
        certainties[places] = manifest.decider()(outputs).certainty
        asked = [1.0 if answer["asked"] is None else answer["asked"][row] for answer, row in given]
        shares[places] = 0 if manifest.policy is None else manifest.policy.audit_share / np.array(asked)
        inputs = {
            one.name: to_array(one, [_value(one, answer["inputs"], row) for answer, row in given])
            for one in manifest.inputs
        }
        inside[places] = inside_support(manifest, inputs)
    return pl.DataFrame(
        {
            "request_id": pl.Series([label["request_id"] for label in labels], dtype=pl.String),
            "received_at": pl.Series(
                [in_utc(label["received_at"]) for label in labels], dtype=pl.Datetime("us", "UTC")
            ),
            "certainty": certainties,
            "inside": inside,
            # Of the answers that a person was asked about anyway, as large a share as of the others.
            "fair": uniform(pl.DataFrame({"key": [_key(label) for label in labels]}), salt="fair") < shares
            if labels
            else pl.Series([], dtype=pl.Boolean),
            "by_machine": pl.Series(
                [answers[label["request_id"]]["by_machine"][label["row"]] for label in labels], dtype=pl.Boolean
            ),
            "right": pl.Series([label["right"] for label in labels], dtype=pl.Boolean),
        }
    )
