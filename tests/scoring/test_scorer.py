"""Scored rows beside the data's own columns: whatever those are called, none is lost; and answers are the server's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import InputField, Output, SplitRule
from portfolio.bundle.store import Store
from portfolio.core.errors import ConfigError, DataError
from portfolio.scoring.job import Job
from portfolio.scoring.scorer import Scorer
from portfolio.scoring.source import Part
from serving.protocols.answers import Decisions
from tests.serving.conftest import table_bundle
from tests.workspace import TOY

ROWS = "age,town,note\n30,A,x\n80,MOON,y\nold,B,z\n"


def published(store: Store, folder: Path, key: str) -> Bundle:
    """The bundle of a table whose rows are named by this column."""
    of_table = table_bundle(folder / "table")
    rule = SplitRule(test_fraction=0.2, val_fraction=0.2, key=key)
    manifest = of_table.manifest.model_copy(update={"split": rule})
    write_bundle(folder / "keyed", (of_table.folder / "model.onnx").read_bytes(), manifest)
    return Bundle.open(store.bundle_folder(store.publish(folder / "keyed", manifest).digest))


def keyed(rows: str, key: str) -> str:
    header, *lines = rows.splitlines()
    return "\n".join([f"{key},{header}", *(f"k{place},{line}" for place, line in enumerate(lines)), ""])


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("id", "id"),
        ("value", "value"),
        ("class", "class_given"),
        ("decision", "decision_given"),
        ("expected_yen", "expected_yen_given"),
        ("unseen", "unseen_given"),
        ("probability_left", "probability_left_given"),
        ("reason", "reason_given"),
        ("file", "file"),
        ("row", "row"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_key_of_any_name_stands_beside_the_answers(
    store: Store, tmp_path: Path, key: str, shown: str, ending: str
) -> None:
    published(store, tmp_path, key)
    (tmp_path / "in.csv").write_text(keyed(ROWS, key))
    target = tmp_path / f"out{ending}"
    Job(TOY, tmp_path / "in.csv", target).run()
    read = pl.read_csv if ending == ".csv" else pl.read_parquet
    answers, rejected = read(target), read(tmp_path / f"out.rejected{ending}")
    assert answers[shown].to_list() == ["k0", "k1"]
    assert answers["class"].to_list() == ["left", "right"]
    assert answers["decision"].to_list() == ["machine", "person"]
    assert rejected[shown if key == "reason" else key].to_list() == ["k2"]
    assert "'old' is not a number" in rejected["reason"][0]


@pytest.mark.parametrize("key", ["value", "low", "high"])
def test_a_key_stands_beside_an_answered_quantity(key: str) -> None:
    manifest = SimpleNamespace(
        inputs=(InputField(name="age", kind="number", example=30.0),),
        split=SimpleNamespace(key=key),
        output=Output(task="regression", name="price", unit="EUR"),
        error_ratios=(),
        policy=None,
        reference={},
    )
    decided = SimpleNamespace(by_machine=np.array([True]), answers=None, error_yen=None)
    bundle = SimpleNamespace(
        manifest=manifest, predict=lambda _: np.array([[7.0]], dtype=np.float32), decider=lambda _: decided
    )
    rows = pl.DataFrame({key: ["k0"], "age": [3.0]})
    part = Part("a", Path("in.parquet"), 1, rows, is_plain=False)
    answers = Scorer(bundle, rows.columns, several=False).score(part).answers
    assert answers.row(0, named=True) == {f"{key}_given": "k0", "value": 7.0, "decision": "machine"}


def test_of_a_folder_a_key_named_file_stands_beside_the_name_of_the_file(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, "file")
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "in" / name).write_text(keyed(ROWS, "file"))
    Job(TOY, tmp_path / "in", tmp_path / "out.csv").run()
    answers, rejected = (pl.read_csv(tmp_path / f"out{name}.csv") for name in ("", ".rejected"))
    assert answers.select("file", "file_given").rows() == [
        ("a.csv", "k0"),
        ("a.csv", "k1"),
        ("b.csv", "k0"),
        ("b.csv", "k1"),
    ]
    assert rejected.select("file", "file_given").rows() == [("a.csv", "k2"), ("b.csv", "k2")]


def test_no_column_of_a_rejected_row_is_lost(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, "id")
    (tmp_path / "in.csv").write_text("row,reason,reason_given,age\nfront,moved,by post,old\nback,stays,here,30\n")
    found = Job(TOY, tmp_path / "in.csv", tmp_path / "out.csv").run()
    (rejected,) = pl.read_csv(tmp_path / "out.rejected.csv").rows(named=True)
    told = rejected.pop("reason")
    assert rejected == {
        "row": 1,
        "row_given": "front",
        "reason_given_given": "moved",
        "reason_given": "by post",
        "age": "old",
    }
    assert found.reasons == {told: 1}


def test_rejected_rows_keep_the_names_of_the_inputs(tmp_path: Path) -> None:
    """Corrected, they are scored again: ours must not be taken for the data's."""
    inputs = tuple(InputField(name=name, kind="number", example=1.0) for name in ("row", "reason"))
    bundle = SimpleNamespace(
        manifest=SimpleNamespace(
            inputs=inputs, split=None, output=Output(task="regression", name="price"), error_ratios=(), reference={}
        )
    )
    rows = pl.DataFrame({"row": ["1"], "reason": ["two"]})
    scorer = Scorer(bundle, rows.columns, several=False)
    (rejected,) = scorer.score(Part("a", tmp_path / "in.csv", 5, rows, is_plain=True)).rejected.rows(named=True)
    assert rejected == {
        "row_rejected": 5,
        "row": "1",
        "reason": "two",
        "reason_rejected": "reason: 'two' is not a number",
    }
    assert scorer.reason == "reason_rejected"


def test_a_file_without_the_key_that_the_others_have_is_named(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, "id")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(keyed(ROWS, "id"))
    (tmp_path / "in" / "b.csv").write_text(ROWS)
    with pytest.raises(DataError, match=r"b\.csv lacks the column id, which names the rows of .*a\.csv\. Add it"):
        Job(TOY, tmp_path / "in", tmp_path / "out.csv").run()


@pytest.mark.parametrize("to_person", ["true", "false", "0", ""])
def test_a_person_decides_what_training_never_saw_as_the_server_is_set(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to_person: str
) -> None:
    bundle = published(store, tmp_path, "id")
    if to_person:
        monkeypatch.setenv("SERVING_UNSEEN_TO_PERSON", to_person)
    (tmp_path / "in.csv").write_text(ROWS)
    Job(TOY, tmp_path / "in.csv", tmp_path / "out.parquet").run()
    answers = pl.read_parquet(tmp_path / "out.parquet")
    outputs = answers.select("probability_left", "probability_right").to_numpy()
    server = Decisions(bundle, outputs, {1: {"town": "MOON"}}, unseen_to_person=to_person in ("true", ""))
    assert answers["decision"].to_list() == server.names()
    assert answers["expected_yen"].to_list() == pytest.approx(server.expected_yen)
    assert answers["unseen"].to_list() == [None, "town"]


def test_a_setting_of_the_server_that_is_nonsense_is_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, tmp_path, "id")
    monkeypatch.setenv("SERVING_UNSEEN_TO_PERSON", "perhaps")
    (tmp_path / "in.csv").write_text(ROWS)
    with pytest.raises(ConfigError, match="SERVING_UNSEEN_TO_PERSON='perhaps' is neither true nor false"):
        Job(TOY, tmp_path / "in.csv", tmp_path / "out.csv").run()
