"""The exercises can be solved, and their tests tell a solution from none and from a wrong one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspace import ROOT

EXERCISES = ROOT / "exercises"
SOLUTIONS = sorted((ROOT / "tests" / "exercises").glob("e*.py"))


def tried(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of the tests of a folder of exercises, and what they say."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "--rootdir", str(folder)]
    result = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def exercises(tmp_path: Path) -> Path:
    """A copy in which nothing has been begun."""
    folder = tmp_path / "exercises"
    shutil.copytree(EXERCISES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for solution in SOLUTIONS:
        answer = folder / solution.stem / "answer.py"
        name = solution.read_text().split("def ", 1)[1].split("(")[0]
        answer.write_text(f"def {name}(*args, **kwargs):\n    raise NotImplementedError\n")
    return folder


def test_there_is_a_solution_of_each() -> None:
    assert [path.stem for path in SOLUTIONS] == sorted(path.name for path in EXERCISES.glob("e*"))
    assert 5 <= len(SOLUTIONS) <= 8


def test_what_has_not_been_begun_is_skipped_and_says_where_to_begin(exercises: Path) -> None:
    code, said = tried(exercises)
    assert code == 0, said
    assert " passed" not in said
    assert "not begun: write e01_worth/answer.py" in said


def test_solutions_pass(exercises: Path) -> None:
    for solution in SOLUTIONS:
        shutil.copyfile(solution, exercises / solution.stem / "answer.py")
    code, said = tried(exercises)
    assert code == 0, said
    assert "skipped" not in said


def test_a_wrong_answer_fails_in_each(exercises: Path) -> None:
    for solution in SOLUTIONS:
        name = solution.read_text().split("def ", 1)[1].split("(")[0]
        wrong = "[False] * len(args[0])" if name == "is_test" else "0.5"
        (exercises / solution.stem / "answer.py").write_text(f"def {name}(*args, **kwargs):\n    return {wrong}\n")
    code, said = tried(exercises, "-rf")
    assert code == 1, said
    for solution in SOLUTIONS:
        assert f"FAILED {solution.stem}/" in said
