"""No use case is special: with the project's own deleted, and another in their place, everything works."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.core.paths import ANSWERS
from tests.checkouts import MADE, checkout_of_one, committed, make_in, run_in
from tests.workspace import ROOT, TOY


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that has the toy and nothing else."""
    folder = checkout_of_one(tmp_path_factory.mktemp("copy"))
    run_in(folder, "portfolio", "readme")
    return committed(folder)


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "lint-imports --no-cache"])
def test_its_checks_pass(copy: Path, command: str) -> None:
    """But for mypy, which looks at the engine alone, and so at what it has looked at before."""
    run_in(copy, *command.split())


def test_its_readme_says_how_to_get_figures(copy: Path) -> None:
    run_in(copy, "portfolio", "readme", "--check")
    # In a project that was made from the template the README is its owner's, in any language.
    if not (ROOT / ANSWERS).exists():
        assert "No figures yet. This measures them: `make run`" in (copy / "README.md").read_text()


def test_dvc_knows_its_stages(copy: Path) -> None:
    assert f"evaluate@{TOY}" in run_in(copy, "dvc", "dag")


def test_its_makefile_has_it_as_the_default(copy: Path) -> None:
    assert f"portfolio run {TOY}\n" in run_in(copy, "make", "--dry-run", "run")


def test_its_tests_pass(copy: Path) -> None:
    """Those that ask what use cases there are, or read what is written about them; all others use the toy anywhere."""
    files = [f"tests/test_{name}.py" for name in ("imports", "readme", "dvc", "workflows")]
    listed = "tests/test_contract.py::test_every_use_case_has_a_folder_and_a_config"
    assert " passed" in run_in(copy, "pytest", "-q", "-p", "no:cacheprovider", *files, listed)


@pytest.mark.copy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", MADE)
def test_make_target_works(copy: Path, first_shell: dict[str, str], target: str) -> None:
    """For as long as it takes, and so apart from the others. What the target prints is seen as it comes."""
    make_in(copy, target, first_shell)
