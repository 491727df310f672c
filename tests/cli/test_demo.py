"""What the demo shows of its rows; tests/test_loop.py runs all of it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from portfolio.bundle.manifest import InputField
from portfolio.cli.demo.clone import cleared, refreshed
from portfolio.cli.demo.drawing import show_rows, shown_rows
from portfolio.cli.demo.story import Story
from portfolio.core.errors import PortfolioError
from tests.checkouts import committed


def image(height: int, width: int, **bounds: float) -> InputField:
    return InputField(
        name="scan", kind="image", description="ink", shape=(height, width), example=[0.0] * (height * width), **bounds
    )


def test_images_stand_beside_each_other_with_their_answers_under_them(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"scan": [0, 1, 2, 1, 0, 2]}, {"scan": [2, 2, 2, 0, 0, 0]}]
    show_rows([image(2, 3, minimum=0, maximum=2)], rows, ["cat", "dog"], ["cat", "bird"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["=@", "@@@"],
        ["=", "@"],
        ["predicted", "cat", "dog"],
        ["actual", "cat", "bird"],
    ]


def test_a_photo_in_colour_is_dark_where_it_is_dark(capsys: pytest.CaptureFixture[str]) -> None:
    field = InputField(name="scene", kind="image", shape=(1, 3), channels=3, photo=True, minimum=0, maximum=255)
    show_rows([field], [{"scene": [0, 0, 0, 255, 0, 0, 255, 255, 255]}], ["cat"], ["cat"])
    assert capsys.readouterr().out.splitlines()[0].strip() == "@*"


def test_labels_of_any_alphabet_stand_under_their_images(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(
        [image(1, 8, minimum=0, maximum=5)],
        [{"scan": [0] * 7 + [5]}, {"scan": [5] * 8}],
        ["猫", "柴犬"],
        ["柴犬", "猫"],
    )
    drawn, *labels = capsys.readouterr().out.splitlines()
    for line in labels:
        second = line.rindex("猫" if line.rstrip().endswith("猫") else "柴")
        assert cell_len(line[:second]) >= drawn.index("@@@")


@pytest.mark.parametrize(
    ("shape", "count"), [((8, 8), 6), ((28, 28), 3), ((64, 64), 2), ((1000, 300), 6), ((2, 500), 2)]
)
def test_images_of_any_size_fit_into_a_line(
    shape: tuple[int, int], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    field = image(*shape)
    shown = shown_rows(field)
    assert shown == count
    show_rows([field], [{"scan": [1.0] * field.width}] * shown, ["a"] * shown, ["b"] * shown)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    assert len(lines) <= 34


def test_a_table_shows_some_inputs_the_answer_and_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [
        InputField(name="rooms", kind="number", description="rooms", example=3),
        InputField(name="age", kind="number", description="years", nullable=True, example=3),
        InputField(name="place", kind="category", description="where", categories=("a", "b"), example="a"),
        InputField(name="note", kind="text", description="anything", example="a"),
        InputField(name="fifth", kind="number", description="one more", example=1),
    ]
    row: dict[str, Any] = {"rooms": 1234.5, "age": None, "place": "[b]", "note": "many words " * 30, "fifth": 5.0}
    assert shown_rows(fields[0]) == 6
    show_rows(fields, [row], ["98,765 USD"], ["100,000 USD"])
    shown = capsys.readouterr().out
    for expected in ("rooms", "1,234", "missing", "[b]", "many", "98,765 USD", "100,000 USD", "predicted", "actual"):
        assert expected in shown
    assert "fifth" not in shown


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a folder of a larger repository."""
    folder = tmp_path / "large" / "ml"
    folder.mkdir(parents=True)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    git(folder.parent, "init", "-q")
    committed(folder.parent)
    monkeypatch.chdir(folder)
    return folder


def test_the_clone_of_a_part_of_a_repository_is_that_part(project: Path, tmp_path: Path) -> None:
    found = refreshed(tmp_path / "demo")
    assert found == tmp_path / "demo" / "ml"
    assert (found / "dvc.yaml").read_text() == "stages: {}\n"
    (found / "kept").write_text("cached")
    (project / "dvc.yaml").write_text("stages: {a: b}\n")
    committed(project.parent)
    assert (refreshed(tmp_path / "demo") / "dvc.yaml").read_text() == "stages: {a: b}\n"
    assert (found / "kept").exists()


def test_a_clone_of_a_checkout_that_was_moved_is_made_anew(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed(project.parent / ".state" / "demo")
    moved = tmp_path / "moved"
    monkeypatch.chdir(tmp_path)
    shutil.move(project.parent, moved)
    monkeypatch.chdir(moved / "ml")
    found = refreshed(moved / ".state" / "demo")
    assert git(found, "rev-parse", "HEAD") == git(moved, "rev-parse", "HEAD")


def test_without_a_repository_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PortfolioError, match=r"not in a git repository with a commit .*git init && git add --all"):
        refreshed(tmp_path / "demo")
    git(tmp_path, "init", "-q")
    with pytest.raises(PortfolioError, match=r"not in a git repository with a commit"):
        refreshed(tmp_path / "demo")


def test_another_demo_begins_before_there_is_a_champion(project: Path, tmp_path: Path) -> None:
    found = refreshed(tmp_path / "demo")
    gone = ["data/toy/raw/batches/a.parquet", "champions/toy/model.onnx", "champions/toy.dvc"]
    gone += ["metrics/toy/verdict.json", ".state/store/toy/champion.json", ".state/log/toy.db"]
    kept = [".dvc/cache/a", ".state/prefect/prefect.db", "data/toy/files/mine.csv"]
    for name in [*gone, *kept]:
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).write_text("x")
    cleared("toy", found)
    assert [name for name in [*gone, *kept] if (found / name).exists()] == kept


def test_a_claim_that_does_not_hold_is_told_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    with story.act("One") as act:
        act.claim("this holds [brackets]", True)
    with story.act("Two") as act:
        act.claim("this does not", False)
        act.claim("this does", True)
    with story.act("Three") as act:
        act.leave_out("too few rows")
    story.show_end()
    assert [act.number for act in story.failed] == [2]
    shown = capsys.readouterr().out
    assert "✓ this holds [brackets]" in shown
    assert "✗ does not hold: this does not" in shown
    assert "left out: too few rows" in shown
    marks = {
        line.split()[2]: line.split()[0] for line in shown.splitlines() if line.split()[1:2] in (["1"], ["2"], ["3"])
    }
    assert marks == {"One": "✓", "Two": "✗", "Three": "-"}
