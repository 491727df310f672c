"""Use cases come and go, the last one too, and what is left works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from portfolio.cli.main import main
from portfolio.core import files
from portfolio.core.errors import ConfigError
from portfolio.core.paths import PARAMS, Paths, listed_use_cases
from portfolio.profiling import project
from tests.checkouts import checkout, committed, run_in
from tests.workspace import ALL_USE_CASES, TOY


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my-data", "For example: my_data"),
        ("2024 sales", "For example: data_2024_sales"),
        ("class", "not be a word of Python's own"),
        ("", "can't be the name"),
        ("_hidden", "begin with a letter"),
        ("../outside", "can't be the name"),
        ("a" * 61, "up to 60 are allowed"),
        ("売" * 21, "63 bytes"),
        (TOY, f"portfolio remove {TOY}"),
    ],
)
def test_a_name_that_none_can_have_is_refused(workspace: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project.check_new_name(name)


@pytest.mark.parametrize("name", ["sales", "売上", "sales_2024", "a" * 60])
def test_names_in_any_alphabet_are_allowed(workspace: Path, name: str) -> None:
    project.check_new_name(name)


def test_what_lies_in_the_way_is_named(workspace: Path) -> None:
    (workspace / "data" / "sales").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"data/sales is there already, and nothing is overwritten"):
        project.check_new_name("sales")


@pytest.mark.parametrize("name", ["..", ".", "../use_cases", "toy/..", ""])
@pytest.mark.parametrize("command", [["remove", "--yes"], ["rename", "other"]])
def test_a_name_that_leads_elsewhere_is_none(
    workspace: Path, name: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(workspace.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["portfolio", command[0], name, *command[1:]])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert sorted(workspace.rglob("*")) == before


def test_the_comments_of_the_list_are_kept(workspace: Path) -> None:
    PARAMS.write_text("# Mine.\nuse_cases:\n  - one  # the first\n")
    project.list_use_case("two")
    assert PARAMS.read_text() == "# Mine.\nuse_cases:\n  - one  # the first\n  - two\n"
    project.remove("two")
    assert PARAMS.read_text() == "# Mine.\nuse_cases:\n  - one  # the first\n"
    project.remove("one")
    assert listed_use_cases() == []
    project.list_use_case("three")
    assert PARAMS.read_text() == "# Mine.\nuse_cases:\n  - three\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("copy"))


def test_a_renamed_use_case_runs_under_its_new_name(copy: Path) -> None:
    run_in(copy, "portfolio", "rename", TOY, "plaything")
    run_in(copy, "portfolio", "check", "plaything")
    assert (copy / "use_cases" / "plaything" / "use_case.py").exists()
    assert not (copy / "use_cases" / TOY).exists()
    run_in(copy, "portfolio", "collect", "plaything")
    run_in(copy, "dvc", "repro", "-q", "prepare@plaything")
    run_in(copy, "portfolio", "rename", "plaything", TOY)
    assert (copy / Paths(TOY).batches).is_dir()


def test_without_any_use_case_the_checks_pass_and_a_new_one_can_come(copy: Path) -> None:
    for name in ALL_USE_CASES:
        run_in(copy, "portfolio", "remove", name, "--yes")
    # The project's own is its owner's, in any language.
    (copy / "README.md").write_text("<!-- figures: use-cases -->\n<!-- /figures -->\n")
    run_in(copy, "portfolio", "readme")
    committed(copy)
    run_in(copy, "portfolio", "readme", "--check")
    run_in(copy, "ruff", "check", ".")
    run_in(copy, "ruff", "format", "--check", ".")
    assert "no use case yet" in (copy / "README.md").read_text()
    for folder in (copy, copy / "studies"):
        run_in(folder, "dvc", "status")
        run_in(folder, "dvc", "repro")
    told = subprocess.run(
        [sys.executable, "-m", "portfolio", "run"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}"},
        capture_output=True,
        text=True,
    )
    assert (told.returncode, told.stderr.count("portfolio new NAME FILE")) == (1, 1)
    rows = "\n".join(f"{number % 61 + 18},{'yes' if number % 3 else 'no'}" for number in range(200))
    (copy / "rows.csv").write_text(f"age,bought\n{rows}\n")
    run_in(copy, "portfolio", "new", "sales", "rows.csv", "--target", "bought", "--yes")
    run_in(copy, "portfolio", "collect")
    run_in(copy, "dvc", "repro", "-q", "prepare@sales")


CHANGES = {
    "new": "with project.added('two'): project.list_use_case('two')",
    "remove": "project.remove('toy')",
    "rename": "project.rename('toy', 'plaything')",
}


@pytest.mark.parametrize(
    ("change", "listed"), [("new", {TOY, "two"}), ("remove", set()), ("rename", {"plaything"})], ids=list(CHANGES)
)
def test_of_two_changes_at_once_one_waits_and_both_are_kept(workspace: Path, change: str, listed: set[str]) -> None:
    """Also where the first fails: it takes out its own name alone."""
    PARAMS.write_text(f"use_cases:\n  - {TOY}\n")
    command = [sys.executable, "-c", f"from portfolio.profiling import project\n{CHANGES[change]}"]

    with ExitStack() as ended:
        with suppress(KeyError), project.added("one"):
            project.list_use_case("one")
            other = ended.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
            assert other.stderr is not None
            waiting = f"another change of params.yaml is under way: waiting for process {os.getpid()}"
            assert waiting in other.stderr.readline()
            raise KeyError
        assert (other.communicate()[1], other.returncode) == ("", 0)
    assert set(listed_use_cases()) == listed


def test_a_name_that_another_took_in_the_meantime_is_left_to_it(workspace: Path) -> None:
    project.check_new_name("sales")
    there = workspace / "data" / "sales" / "files"
    there.mkdir(parents=True)
    with pytest.raises(ConfigError, match="data/sales is there already"), project.added("sales"):
        pass
    assert there.is_dir()


def test_a_name_that_was_listed_before_stays_listed_once(workspace: Path) -> None:
    PARAMS.write_text("use_cases:\n  - sales\n")
    with suppress(KeyError), project.added("sales"):
        project.list_use_case("sales")
        assert listed_use_cases() == ["sales"]
        raise KeyError
    assert listed_use_cases() == ["sales"]


def test_where_one_folder_can_not_be_written_nothing_of_a_new_use_case_is_left(workspace: Path) -> None:
    shutil.rmtree("configs")
    # Nothing can be made in it, nor deleted from it, by root either.
    Path("configs").write_text("")
    copied = Path("data") / "sales" / "files" / "rows.csv"

    def write() -> None:
        with project.added("sales"):
            files.write_text(copied, "a,b\n")
            files.write_text(Path("configs") / "sales.yaml", "")

    with pytest.raises(FileExistsError):
        write()
    assert project.places_there("sales") == []
    assert not Path("data", "sales").exists()


def test_a_renaming_that_fails_in_its_midst_is_taken_back(workspace: Path) -> None:
    Paths(TOY).batches.mkdir(parents=True)
    before = project.places_there(TOY)
    PARAMS.write_text("use_cases: [toy\n")
    with pytest.raises(ConfigError, match=r"params\.yaml is not valid YAML"):
        project.rename(TOY, "plaything")
    assert project.places_there(TOY) == before
    assert project.places_there("plaything") == []


def test_of_two_that_rename_the_same_the_second_is_told(workspace: Path) -> None:
    project.rename(TOY, "plaything")
    with pytest.raises(ConfigError, match=f"There is no use case '{TOY}'"):
        project.rename(TOY, "pastime")
