"""Batches and labels that are wrong: what is wrong in form goes to quarantine, and the champion stays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.reliability import toy
from bench.reliability.asking import call, wait_until
from bench.reliability.flows import trained
from bench.rows import Row, console
from portfolio.core.paths import Paths
from portfolio.data.batches import of_feedback
from tests.workspace import TOY

BATCH_ROWS = 40
FIRST_NEW_DAY = date(2026, 2, 1)
FLIPPED = (0.05, 0.1, 0.2, 0.4)
LABELLED = 600
"""Rows that a server is asked about, before labels come back."""
TOLD_OF_FLIPPED = "labels contradict an answer"
TOLD_OF_REFUSED = "is taken for wrong labels"
TOLD_OF_UNASKED = "labels that nobody had asked for"

Change = Callable[[pl.DataFrame], pl.DataFrame]


def batch(seed: int, count: int = BATCH_ROWS) -> pl.DataFrame:
    """A good one, as the source delivers them."""
    inputs, labels = toy.rows(count, seed)
    return pl.DataFrame(inputs).with_columns(
        pl.Series("melon", [f"{seed}-{number:03d}" for number in range(count)]),
        pl.Series("ripe", [label == "ripe" for label in labels]),
    )


def _all(name: str, value: Any) -> Change:
    return lambda rows: rows.with_columns(pl.lit(value).alias(name))


def _none(name: str) -> Change:
    return lambda rows: rows.with_columns(pl.lit(None, rows.schema[name]).alias(name))


POISONS: dict[str, Change] = {
    "a column is missing": lambda rows: rows.drop("weight"),
    "a column has another name": lambda rows: rows.rename({"colour": "color"}),
    "text instead of numbers": _all("weight", "heavy"),
    "lists instead of numbers": lambda rows: rows.with_columns(pl.concat_list("weight", "weight").alias("weight")),
    "grams instead of kilograms": lambda rows: rows.with_columns(pl.col("weight") * 1000),
    "infinite numbers": _all("weight", float("inf")),
    "a category never seen": _all("colour", "blue"),
    "labels of another question": _all("ripe", "sweet"),
    "no labels": _none("ripe"),
    "no keys": _none("melon"),
    "every row twice": lambda rows: pl.concat([rows, rows]),
    "one row in ten out of range": lambda rows: rows.with_columns(
        pl.when(pl.int_range(pl.len()) % 10 == 0).then(-1.0).otherwise("weight").alias("weight")
    ),
    "no rows at all": lambda rows: rows.clear(),
}
"""What becomes of a good batch; one more repeats the rows of an earlier one."""


def poisoned_batches(work: Path, *, good: int = 50) -> list[Row]:
    """Batches that are wrong in form are quarantined whole, nothing else changes; good ones are all taken."""
    project = toy.copy(trained(), work / "project")
    before, paths = toy.results(project), Paths(TOY)
    (first, *_) = sorted((project / paths.batches).glob("*.parquet"))
    wrong = {name: change(batch(seed)) for seed, (name, change) in enumerate(POISONS.items())}
    wrong["the rows of an earlier batch"] = pl.read_parquet(first).head(BATCH_ROWS)
    names = deliver(project, FIRST_NEW_DAY, wrong)
    told = toy.run(project, "run", TOY, PREFECT_API_URL=toy.prefect())
    reasons = {kind: _reason(project, name, told.stdout) for kind, name in names.items()}
    for kind, reason in reasons.items():
        console.print(f"  {kind}: {reason or '[red]not quarantined[/]'}", highlight=False)
    after = toy.results(project)
    meant = {str(path) for path in (paths.batches, paths.quarantine, paths.metrics("validate"))}
    taken = deliver(project, FIRST_NEW_DAY + timedelta(days=len(wrong)), {str(n): batch(1000 + n) for n in range(good)})
    toy.run(project, "stage", "validate", TOY).check_returncode()
    refused = [name for name in taken.values() if (project / paths.quarantine / f"{name}.parquet").exists()]
    return [
        Row("kinds of batches that are wrong in form", len(wrong), ""),
        Row("quarantined whole, with the reason", sum(map(bool, reasons.values())), "", at_least=len(wrong)),
        Row("trainings that failed because of it", told.returncode != 0, "", at_most=0),
        Row(
            "results that changed because of it, champion included",
            len(set(toy.differing(after, before)) - meant),
            "",
            at_most=0,
        ),
        Row("good batches", good, ""),
        Row("of these, refused, or rows of them", len(refused), "", at_most=0),
    ]


def deliver(project: Path, day: date, batches: dict[str, pl.DataFrame]) -> dict[str, str]:
    """Put batches where collected ones lie, one a day. Gives their names."""
    names = {name: str(day + timedelta(days=number)) for number, name in enumerate(batches)}
    for name, rows in batches.items():
        rows.write_parquet(project / Paths(TOY).batches / f"{names[name]}.parquet")
    return names


def _reason(project: Path, name: str, told: str) -> str:
    """Why a batch was quarantined whole; empty if it was not."""
    paths = Paths(TOY)
    if (project / paths.clean / f"{name}.parquet").exists():
        return ""
    rows = project / paths.quarantine / f"{name}.parquet"
    if rows.exists():
        return str(pl.read_parquet(rows)["reason"].mode()[0])
    # One without rows leaves none in quarantine.
    return next(iter(re.findall(rf"batches without a row: .*{name}", told)), "")


def poisoned_labels(work: Path) -> list[Row]:
    """Labels that are wrong in form are refused; of flipped ones, what is found. The champion stays."""
    project = toy.copy(trained(), work / "in-form")
    champion = toy.champion(project)
    at_the_door = 0
    with toy.served(project) as url:
        inputs, _ = toy.rows(BATCH_ROWS, seed=0)
        conflicting = toy.ask(url, inputs[:1] * BATCH_ROWS, ["ripe", "unripe"] * (BATCH_ROWS // 2))
        flood = toy.ask(url, inputs[1:2] * BATCH_ROWS, ["ripe"] * BATCH_ROWS)
        unasked = toy.ask(url, inputs, ["ripe"] * BATCH_ROWS, wanted=False)
        for label in ({"row": 0, "label": "blue"}, {"row": BATCH_ROWS, "label": "ripe"}, {"row": "x", "label": "ripe"}):
            content = json.dumps(toy.of_request(conflicting.request_id, [label])).encode()
            status, answer, _ = call(f"{url}/feedback", content)
            # One of several labels is refused by itself.
            at_the_door += 400 <= status < 500 or answer["refused"] == 1
        wait_until(lambda: toy.logged_rows(project) == 3 * BATCH_ROWS)
    told = toy.run(project, "run", TOY, PREFECT_API_URL=toy.prefect())
    told.check_returncode()
    quarantined = _feedback(project, Paths(TOY).quarantine)
    let_through = _feedback(project, Paths(TOY).clean)
    rows = [
        Row("kinds of labels that the server refuses", at_the_door, "", at_least=3),
        Row("labels of the same inputs that contradict each other", conflicting.labels, "", at_least=2),
        Row("labels of the same inputs, again and again", flood.labels, "", at_least=2),
        Row(
            "of both, quarantined with the reason", len(quarantined), "", at_least=conflicting.labels + flood.labels - 1
        ),
        Row("labels that nobody asked for", unasked.labels, "", at_least=1),
        Row("rows learned from, of all of these", len(let_through), "", at_most=1),
        Row("said of those that nobody asked for", TOLD_OF_UNASKED in told.stdout, "", at_least=1),
    ]
    changed = int(toy.champion(project) != champion)
    for share in FLIPPED:
        rows += _flipped(work / f"{share:g}", share)
        changed += toy.champion(work / f"{share:g}") != champion
    return [*rows, Row("champions that changed because of it", changed, "", at_most=0)]


def _flipped(folder: Path, share: float) -> list[Row]:
    """What a run says of labels of which a share is of the other class."""
    project = toy.copy(trained(), folder)
    random = np.random.default_rng(0)
    with toy.served(project) as url:
        inputs, labels = toy.rows(LABELLED, seed=1)
        other = {"ripe": "unripe", "unripe": "ripe"}
        sent = [other[label] if random.random() < share else label for label in labels]
        asked = toy.ask(url, inputs, sent)
        wait_until(lambda: toy.logged_rows(project) == LABELLED)
    told = toy.run(project, "run", TOY, PREFECT_API_URL=toy.prefect())
    told.check_returncode()
    what = f"{asked.labels} labels, {share:.0%} flipped"
    return [
        Row(f"{what}: told", TOLD_OF_FLIPPED in told.stdout, ""),
        Row(f"{what}: refused", TOLD_OF_REFUSED in told.stdout, ""),
        Row(f"{what}: learned from", len(_feedback(project, Paths(TOY).clean)), ""),
    ]


def _feedback(project: Path, folder: Path) -> pl.DataFrame:
    """The rows there that came back as labels."""
    found = [pl.read_parquet(path) for path in of_feedback(project / folder)]
    return pl.concat(found) if found else pl.DataFrame()
