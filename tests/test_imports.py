"""Who may import whom: the rules of pyproject.toml hold, and a module that breaks one is found."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=root,
        # Before the installed packages, which are this checkout's.
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
    )


def test_no_module_breaks_the_rules() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout
    assert " 0 broken" in result.stdout


def library_modules(source: str) -> set[str]:
    """The library's modules that a text imports, however it does it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("portfolio.")}


# What training hands to serving, and what both agree on. Nothing else of the library, not even without its weight.
SERVING_MAY_IMPORT = {"bundle", "store", "value", "prediction_log", "environment", "errors"}


def test_serving_imports_what_it_may_and_nothing_else_of_the_library() -> None:
    for path in (ROOT / "serving").rglob("*.py"):
        assert library_modules(path.read_text()) <= SERVING_MAY_IMPORT, path.name


@pytest.mark.parametrize(
    "line", ["from portfolio import files", "import portfolio.files", "from portfolio.files import x"]
)
def test_any_way_of_importing_is_seen(line: str) -> None:
    assert library_modules(line) == {"files"}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("serving/app.py", "from pipelines import versioning"),
        ("serving/app.py", "from portfolio import registry"),
        ("serving/runtime/watcher.py", "import torch"),
        ("pipelines/training.py", "import serving.app"),
        ("src/portfolio/store.py", "import serving.settings"),
        ("src/portfolio/registry.py", "import prefect"),
        ("src/portfolio/stages/train.py", "import dvc.api"),
        ("src/portfolio/use_cases/digits/__init__.py", "from portfolio import registry"),
        ("src/portfolio/use_cases/housing/__init__.py", "from portfolio.use_cases import digits"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, module: str, line: str) -> None:
    for folder in ("src", "pipelines", "serving"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    with (tmp_path / module).open("a") as stream:
        stream.write(f"\n{line}\n")
    result = lint_imports(tmp_path)
    assert result.returncode != 0, result.stdout
    assert "BROKEN" in result.stdout
    name = module.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert name in result.stdout.partition("Broken contracts")[2]


def test_no_code_but_the_use_cases_own_names_one() -> None:
    """Adding a use case is adding its folder: nothing may ask which one it has before it."""
    own = ROOT / "src" / "portfolio" / "use_cases"
    names = [folder.name for folder in own.iterdir() if (folder / "__init__.py").exists()]
    # The command line's and the server's default, and the demo of that default.
    default = {"src/portfolio/cli.py", "src/portfolio/demo.py"}
    found = {
        str(path.relative_to(ROOT))
        for folder in ("src", "pipelines", "serving")
        for path in (ROOT / folder).rglob("*.py")
        if own not in path.parents and any(f'"{name}"' in path.read_text() for name in names)
    }
    assert found <= default
