"""Use cases are found in the current folder's `use_cases/`, and run the code that lies there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from portfolio.contract.loading import load_use_case, use_case_names
from portfolio.core.errors import ConfigError
from tests.workspace import ALL_USE_CASES, SMALL, make_workspace, write_use_case


def test_a_use_case_is_found_by_its_folder_alone(workspace: Path) -> None:
    assert use_case_names() == sorted(ALL_USE_CASES)
    write_use_case("small")
    (workspace / "use_cases" / "notes").mkdir()
    assert use_case_names() == sorted([*ALL_USE_CASES, "small"])
    assert load_use_case("small").name == "small"


def test_each_checkout_runs_its_own(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process may see several: a flow that runs a worktree, a test, a notebook."""
    write_use_case("small")
    assert [field.name for field in load_use_case("small").inputs] == ["age", "town"]
    other = tmp_path / "other"
    other.mkdir()
    make_workspace(other)
    monkeypatch.chdir(other)
    write_use_case("small", SMALL.replace('"age"', '"height"'))
    there = load_use_case("small")
    assert [field.name for field in there.inputs] == ["height", "town"]
    assert Path(sys.modules[type(there).__module__].__file__ or "").is_relative_to(other)
    monkeypatch.chdir(workspace)
    assert [field.name for field in load_use_case("small").inputs] == ["age", "town"]


def test_what_lies_beside_use_case_py_is_imported_relatively(workspace: Path) -> None:
    code = SMALL.replace("from portfolio", "from .towns import TOWNS\nfrom portfolio").replace('["A", "B"]', "TOWNS")
    folder = write_use_case("small", code)
    (folder / "towns.py").write_text('TOWNS = ["Ueno", "Nara"]\n')
    assert load_use_case("small").inputs[1].categories == ("Ueno", "Nara")


@pytest.mark.parametrize(("fault", "kind"), [("TOWNS = [", "SyntaxError"), ("TOWNS = 1 / 0", "ZeroDivisionError")])
def test_a_fault_beside_use_case_py_is_named_by_its_own_file(workspace: Path, fault: str, kind: str) -> None:
    folder = write_use_case("small", f"from .towns import TOWNS\n{SMALL}")
    (folder / "towns.py").write_text(f"\n{fault}\n")
    with pytest.raises(ConfigError, match=rf"^use_cases/small/towns\.py, line 2: {kind}: "):
        load_use_case("small")


def test_a_module_of_the_same_name_elsewhere_is_not_taken(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "use_cases" / "small").mkdir(parents=True)
    (elsewhere / "use_cases" / "__init__.py").write_text("")
    (elsewhere / "use_cases" / "small" / "__init__.py").write_text("")
    (elsewhere / "use_cases" / "small" / "use_case.py").write_text(SMALL.replace('"age"', '"elsewhere"'))
    monkeypatch.syspath_prepend(str(elsewhere))
    write_use_case("small")
    assert load_use_case("small").inputs[0].name == "age"


def test_a_class_that_is_only_imported_is_not_the_use_case(workspace: Path) -> None:
    """Its own base beside it, for one."""
    folder = write_use_case("small", "from .base import Base\n\n\nclass Small(Base):\n    metric = 'f1'\n")
    (folder / "base.py").write_text(SMALL.replace("class Small", "class Base"))
    assert load_use_case("small").metric == "f1"
