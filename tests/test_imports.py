"""Who may import whom: the rules of pyproject.toml hold, and a module that breaks one is found."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workspace import ROOT, USE_CASES


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=root,
        # Before the installed packages, which are this checkout's; wide enough for a rule's line to stay whole.
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def test_no_module_breaks_the_rules() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout
    assert " 0 broken" in result.stdout


LAYERS = "rooms are layers"
SERVING_KNOWS = "serving knows the bundle"


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("src/portfolio/core/files.py", "from portfolio.bundle import manifest", LAYERS),
        ("src/portfolio/bundle/store.py", "import portfolio.contract.config", LAYERS),
        ("src/portfolio/contract/schema.py", "from portfolio.data.split import SPLITS", LAYERS),
        ("src/portfolio/data/dataset.py", "import portfolio.evaluation", LAYERS),
        ("src/portfolio/evaluation/gate.py", "from portfolio.training import export", LAYERS),
        ("src/portfolio/monitoring/prediction_log/log.py", "from portfolio.client import rows", LAYERS),
        ("src/portfolio/training/network.py", "import portfolio.stages.train", LAYERS),
        ("src/portfolio/stages/train.py", "from portfolio.cli import main", LAYERS),
        ("src/portfolio/novel/__init__.py", "", LAYERS),
        ("pipelines/training.py", "import serving.app", "pipelines and serving never import each other"),
        ("serving/app.py", "from pipelines import versioning", "pipelines and serving never import each other"),
        ("serving/app.py", "from portfolio.registry import registry", SERVING_KNOWS),
        ("serving/app.py", "import portfolio.contract.use_case", SERVING_KNOWS),
        ("serving/settings.py", "import torch", "serving imports nothing that trains or orchestrates"),
        ("src/portfolio/bundle/store.py", "import serving.settings", "the library does not import what runs it"),
        ("src/portfolio/registry/registry.py", "import prefect", "the library does not import what runs it"),
        ("src/portfolio/stages/train.py", "import dvc.api", "the library does not import what runs it"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, module: str, line: str, rule: str) -> None:
    for folder in ("src", "pipelines", "serving"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    (tmp_path / module).parent.mkdir(exist_ok=True)
    with (tmp_path / module).open("a") as stream:
        stream.write(f"\n{line}\n")
    result = lint_imports(tmp_path)
    assert result.returncode != 0, result.stdout
    said = " ".join(result.stdout.split())
    name = module.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if not line:
        # A room without a place in the order stops the linter before it begins.
        assert name.removeprefix("portfolio.") in said
        return
    kept = next(kept for kept in result.stdout.splitlines() if kept.startswith(rule))
    assert " BROKEN" in kept, result.stdout
    assert name in said.partition("Broken contracts")[2]


def imported(source: str) -> Iterator[str]:
    """The modules that a text imports, however it does it; relative ones begin with a dot."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from portfolio import files", "portfolio.files"),
        ("import portfolio.files", "portfolio.files"),
        ("from portfolio.files import x", "portfolio.files.x"),
        ("def f():\n    import portfolio.files as g", "portfolio.files"),
        ("from .towns import TOWNS", ".towns.TOWNS"),
    ],
)
def test_any_way_of_importing_is_seen(line: str, found: str) -> None:
    assert list(imported(line)) == [found]


ENGINE = ("portfolio", "pipelines", "serving", "use_cases", "bench", "tests")
OWN = [path for root in ("use_cases", "tests/use_cases") for path in sorted((ROOT / root).glob("*/*.py"))]


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_use_cases_import_what_the_contract_offers_and_nothing_else_of_the_engine(path: Path) -> None:
    import portfolio.contract

    offered = {f"portfolio.contract.{name}" for name in portfolio.contract.__all__}
    engine = {name for name in imported(path.read_text()) if name.split(".")[0] in ENGINE}
    assert engine <= offered


def test_serving_reaches_the_bundle_the_prediction_log_and_the_core_alone() -> None:
    monitoring = tuple(f"portfolio.monitoring.{name}" for name in ("prediction_log", "looks", "timeline"))
    rooms = ("portfolio.bundle.", "portfolio.core.", *monitoring)
    for path in (ROOT / "serving").rglob("*.py"):
        library = {name for name in imported(path.read_text()) if name.startswith("portfolio")}
        assert {name for name in library if not name.startswith(rooms)} == set(), path.name


def test_no_code_but_the_use_cases_own_names_one() -> None:
    """Adding a use case is adding its folder: nothing may ask which one it has before it."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
        for folder in ("src", "pipelines", "serving", "bench")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in USE_CASES
    ]
    assert found == []
