"""Batch scoring: the same answers as the bundle gives, each row once, whatever the file is and whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField
from portfolio.bundle.store import Store
from portfolio.core import files
from portfolio.core.errors import ConfigError, DataError, PortfolioError, RegistryError
from portfolio.scoring import source as source_module
from portfolio.scoring.job import Job
from portfolio.scoring.scorer import Scorer
from portfolio.scoring.source import Part
from tests.tiny import publish
from tests.workspace import TOY


@pytest.fixture
def bundle(store: Store, tmp_path: Path) -> Bundle:
    return Bundle.open(store.bundle_folder(publish(store, tmp_path / "bundle", version=3)))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "PART_ROWS", (100, 100))


def pixels(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 17, (rows, 4)).astype(np.float32)


def table(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"note": ["x"] * len(values), "pixels": pl.Series(values.tolist())})


def test_each_row_has_the_bundles_own_answer(bundle: Bundle, tmp_path: Path) -> None:
    values = pixels(1234)
    table(values).write_parquet(tmp_path / "in.parquet")
    told: list[int] = []
    found = Job(TOY, tmp_path / "in.parquet", tmp_path / "out.parquet").run(told.append)
    answers, outputs = pl.read_parquet(tmp_path / "out.parquet"), bundle.predict({"pixels": values})
    assert answers["row"].to_list() == list(range(1, 1235))
    np.testing.assert_array_equal(answers.select("probability_left", "probability_right").to_numpy(), outputs)
    decided = bundle.decider(outputs)
    assert (answers["decision"] == "machine").to_list() == decided.by_machine.tolist()
    assert answers["class"].to_list() == [["left", "right"][answer] for answer in decided.answers]
    assert (found.rows, found.by_machine, found.rejected) == (1234, decided.by_machine.sum(), 0)
    assert found.expected_yen == pytest.approx(answers["expected_yen"].sum(), abs=0.01)
    assert found.by_hand_yen == 1234 * 6
    assert sum(told) == 1234
    assert json.loads((tmp_path / "out.summary.json").read_text())["model_version"] == 3
    assert not (tmp_path / "out.parquet.parts").exists()
    assert not (tmp_path / "out.rejected.parquet").exists()


@pytest.mark.parametrize("spread", [False, True])
def test_csv_and_a_folder_give_the_same_as_parquet(bundle: Bundle, tmp_path: Path, spread: bool) -> None:
    values = pixels(250)
    if spread:
        written = pl.DataFrame({f"pixels_{place}": values[:, place] for place in range(4)})
    else:
        written = table(values).with_columns(pl.Series("pixels", [json.dumps(row) for row in values.tolist()]))
    folder = tmp_path / "in"
    folder.mkdir()
    written[:150].write_csv(folder / "a.csv")
    written[150:].write_csv(folder / "b.csv")
    Job(TOY, folder, tmp_path / "out.csv").run()
    answers = pl.read_csv(tmp_path / "out.csv")
    outputs = bundle.predict({"pixels": values})
    np.testing.assert_allclose(answers["probability_left"].to_numpy(), outputs[:, 0], rtol=1e-6)
    assert answers["file"].to_list() == ["a.csv"] * 150 + ["b.csv"] * 100
    assert answers["row"].to_list() == [*range(1, 151), *range(1, 101)]


def test_rows_that_do_not_fit_go_aside_with_the_reason(bundle: Bundle, tmp_path: Path) -> None:
    texts = [json.dumps(row) for row in pixels(300).tolist()]
    texts[3], texts[120], texts[299] = "[1, 2]", "nonsense", "[1, 2, 3, 400]"
    pl.DataFrame({"pixels": texts}).write_csv(tmp_path / "in.csv")
    found = Job(TOY, tmp_path / "in.csv", tmp_path / "out.csv").run()
    rejected = pl.read_csv(tmp_path / "out.rejected.csv")
    assert rejected["row"].to_list() == [4, 121, 300]
    assert rejected["reason"].to_list()[:2] == ["pixels: must be 4 numbers"] * 2
    assert "pixels are 0 to 16 (found 1 to 400)" in rejected["reason"][2]
    assert sorted([*pl.read_csv(tmp_path / "out.csv")["row"], 4, 121, 300]) == list(range(1, 301))
    assert (found.rows, found.rejected) == (297, 3)
    assert found.reasons["pixels: must be 4 numbers"] == 2


def test_a_number_that_may_be_another_goes_aside(bundle: Bundle, tmp_path: Path) -> None:
    """Of a file that is not written as those of the use case, which have a point between thousands."""
    marked = InputField(name="rent", kind="number", unsure_marks=",.")
    manifest = bundle.manifest.model_copy(update={"inputs": (*bundle.manifest.inputs, marked)})
    scorer = Scorer(SimpleNamespace(manifest=manifest), [], several=False)
    rows = pl.DataFrame({"pixels": pixels(2).tolist(), "rent": ["1.200 €", "1.200"]})
    part = Part("a", tmp_path / "in.csv", 1, rows, is_plain=True)
    rejected = scorer.score(part).rejected
    assert rejected["row"].to_list() == [1, 2]
    assert "rent: '1.200' may be 1200 or 1.200" in rejected["reason"][1]


def run_in_another_process(tmp_path: Path, source: Path, target: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from pathlib import Path; from portfolio.scoring import source; from portfolio.scoring.job import "
        f"Job; source.PART_ROWS = (100, 100); Job({TOY!r}, Path(sys.argv[1]), Path(sys.argv[2])).run()"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(source), str(target)])


def test_after_kill_9_it_goes_on_with_each_row_once(bundle: Bundle, store: Store, tmp_path: Path) -> None:
    values = pixels(20_000)
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    table(values).write_parquet(source)
    parts = target.with_name("out.parquet.parts")
    kept = 0
    for number in range(3):
        process = run_in_another_process(tmp_path, source, target)
        deadline = time.monotonic() + 60
        while process.poll() is None and len(list(parts.glob("*.answers.parquet"))) < kept + 20:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert process.poll() is None, "it ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not target.exists()
        kept = len(list(parts.glob("*.answers.parquet")))
        if number == 0:
            # Another champion meanwhile: one output is of one model.
            publish(store, tmp_path / "other", version=4, bias=3.0)
    found = Job(TOY, source, target).run()
    answers = pl.read_parquet(target)
    assert answers["row"].to_list() == list(range(1, 20_001))
    np.testing.assert_array_equal(answers["probability_left"].to_numpy(), bundle.predict({"pixels": values})[:, 0])
    assert found.model_version == 3
    assert not parts.exists()


@pytest.mark.parametrize("name", ["out.rejected.csv", "out.summary.json", "out.csv"])
def test_no_file_that_is_there_is_overwritten(bundle: Bundle, tmp_path: Path, name: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text('pixels\n"[1, 2, 3, 4]"\nnothing\n')
    waiting = Job(TOY, source, tmp_path / "out.csv")
    (tmp_path / name).write_text("precious")
    # Also one that came while this one waited for its turn.
    for job in (lambda: waiting, lambda: Job(TOY, source, tmp_path / "out.csv")):
        with pytest.raises(ConfigError, match=f"{name} would be overwritten"):
            job().run()
    assert (tmp_path / name).read_text() == "precious"


def test_a_folder_that_no_scoring_made_is_not_deleted(bundle: Bundle, tmp_path: Path) -> None:
    source, kept = tmp_path / "in.csv", tmp_path / "out.csv.parts" / "precious.txt"
    source.write_text('pixels\n"[1, 2, 3, 4]"\n')
    waiting = Job(TOY, source, tmp_path / "out.csv")
    kept.parent.mkdir()
    kept.write_text("precious")
    for job in (lambda: waiting, lambda: Job(TOY, source, tmp_path / "out.csv")):
        with pytest.raises(
            ConfigError, match=r"out\.csv\.parts is there without the job\.json of a scoring.*name another output"
        ):
            job().run()
    assert kept.read_text() == "precious"


def test_a_scoring_that_was_killed_as_it_began_is_begun_again(bundle: Bundle, tmp_path: Path) -> None:
    source, parts = tmp_path / "in.csv", tmp_path / "out.csv.parts"
    source.write_text('pixels\n"[1, 2, 3, 4]"\n')
    parts.mkdir()
    (parts / ".job.json.x1.partial").write_text("")
    assert Job(TOY, source, tmp_path / "out.csv").run().rows == 1


def test_what_was_cut_off_after_its_last_file_is_done(bundle: Bundle, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('pixels\n"[1, 2, 3, 4]"\nnothing\n')
    parts = tmp_path / "out.csv.parts"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portfolio.scoring.job.shutil.rmtree", lambda *_, **__: None)
        found = Job(TOY, source, target).run()
    assert parts.exists()
    written = target.read_bytes()
    assert Job(TOY, source, target).run() == found
    assert target.read_bytes() == written
    assert not parts.exists()


@pytest.mark.parametrize("last", ["out.rejected.csv", "out.summary.json", "out.csv"])
def test_an_output_inside_its_source_is_no_part_of_it(bundle: Bundle, tmp_path: Path, last: str) -> None:
    """Also after a try that was cut off once it had written this file."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text('pixels\n"[1, 2, 3, 4]"\nnothing\n')
    replaced = files.replaced

    @contextmanager
    def cut_off(path: Path) -> Iterator[Path]:
        with replaced(path) as partial:
            yield partial
        if path.name == last:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "replaced", cut_off)
        with pytest.raises(KeyboardInterrupt):
            Job(TOY, folder, folder / "out.csv").run()
    found = Job(TOY, folder, folder / "out.csv").run()
    assert (found.rows, found.rejected) == (1, 1)
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.csv",
        "out.csv",
        "out.rejected.csv",
        "out.summary.json",
    ]
    assert pl.read_csv(folder / "out.csv").height == 1
    # A second scoring is another job: nothing of the first is lost.
    with pytest.raises(ConfigError, match="would be overwritten"):
        Job(TOY, folder, folder / "out.csv").run()


def test_rows_that_were_rejected_are_not_lost_when_they_are_scored_again(bundle: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "out.rejected.csv"
    source.write_text('pixels\n"[1, 2, 3, 4]"\nnothing\n')
    before = source.read_text()
    with pytest.raises(ConfigError, match=r"out.rejected.csv would be overwritten"):
        Job(TOY, source, tmp_path / "out.csv")
    assert source.read_text() == before


def test_parts_of_another_input_are_not_mixed_in(bundle: Bundle, tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    table(pixels(20_000)).write_parquet(source)
    process = run_in_another_process(tmp_path, source, target)
    parts = target.with_name("out.parquet.parts")
    while process.poll() is None and not list(parts.glob("*.answers.parquet")):
        time.sleep(0.005)
    process.kill()
    process.wait()
    table(pixels(500, seed=1)).write_parquet(source)
    with pytest.raises(DataError, match=r"has changed since.*rm -r"):
        Job(TOY, source, target).run()


@pytest.mark.parametrize("how", ["appended to", "replaced", "deleted"])
def test_a_source_that_changes_meanwhile_is_not_taken_for_whole(bundle: Bundle, tmp_path: Path, how: str) -> None:
    """A file that is still being copied grows; its answers would be those of a part."""
    source, parts = tmp_path / "in.parquet", tmp_path / "out.csv.parts"
    table(pixels(300)).write_parquet(source)

    def change(rows: int) -> None:
        if how == "deleted":
            source.unlink(missing_ok=True)
        elif how == "replaced":
            table(pixels(300, 1)).write_parquet(tmp_path / "other.parquet")
            (tmp_path / "other.parquet").replace(source)
        else:
            with source.open("ab") as stream:
                stream.write(b"more")

    with pytest.raises(DataError, match=r"in\.parquet has changed while it was scored.*again once nothing writes"):
        Job(TOY, source, tmp_path / "out.csv").run(change)
    assert not parts.exists()
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"digest": "a"}'])
def test_a_record_of_a_scoring_that_is_damaged_is_named(bundle: Bundle, tmp_path: Path, content: str) -> None:
    table(pixels(30)).write_parquet(tmp_path / "in.parquet")
    parts = tmp_path / "out.csv.parts"
    parts.mkdir()
    (parts / "job.json").write_text(content)
    with pytest.raises(DataError, match=f"To score all of it anew.*rm -r {parts}"):
        Job(TOY, tmp_path / "in.parquet", tmp_path / "out.csv").run()


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("note\nx\n", DataError, "lacks the column pixels.*the file's columns: note"),
        ("pixels\n", DataError, "no row that the model can answer"),
        ('pixels\n"[1, 2]"\nnothing\n', DataError, r"no row that the model can answer.\n  2 rows: pixels: must be 4"),
        (b"pixels\n\xff\xfe\x80\n", DataError, "can't be read as CSV in UTF-8"),
        ("", DataError, "can't be read as CSV"),
    ],
)
def test_what_can_not_be_scored_is_named(
    bundle: Bundle, tmp_path: Path, content: str | bytes, error: type[PortfolioError], said: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=said):
        Job(TOY, path, tmp_path / "out.csv").run()
    assert not (tmp_path / "out.csv").exists()
    path.with_suffix(".parquet").write_bytes(b"PAR1 no, it is cut off")
    with pytest.raises(DataError, match="can't be read as Parquet"):
        Job(TOY, path.with_suffix(".parquet"), tmp_path / "other.csv").run()


def test_a_column_of_another_type_is_named(bundle: Bundle, tmp_path: Path) -> None:
    pl.DataFrame({"pixels": [1.5, 2.5]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"in.parquet does not fit the model: the column 'pixels' holds no lists"):
        Job(TOY, tmp_path / "in.parquet", tmp_path / "out.csv").run()


def test_what_is_wrong_is_said_before_anything_is_read(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    with pytest.raises(DataError, match="is not there"):
        Job(TOY, source, tmp_path / "out.csv")
    table(pixels(3)).write_parquet(source)
    with pytest.raises(RegistryError, match=r"No champion of 'toy'.*portfolio run toy"):
        Job(TOY, source, tmp_path / "out.csv").run()
    with pytest.raises(ConfigError, match=r"must end in .csv or .parquet"):
        Job(TOY, source, tmp_path / "out.xlsx")
    with pytest.raises(ConfigError, match="would be overwritten"):
        Job(TOY, source, source)
    with pytest.raises(ConfigError, match="mkdir -p"):
        Job(TOY, source, tmp_path / "no" / "out.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no file that ends in .*\.xls\.$"):
        Job(TOY, tmp_path / "empty", tmp_path / "out.csv")
    (tmp_path / "empty" / "cats").mkdir()
    picture = tmp_path / "empty" / "cats" / "1.jpg"
    picture.write_bytes(b"")
    for of_pictures in (tmp_path / "empty", picture):
        with pytest.raises(PortfolioError, match=r"Picture files can't be scored.*portfolio predict"):
            Job(TOY, of_pictures, tmp_path / "out.csv")
