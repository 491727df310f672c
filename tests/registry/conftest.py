"""A registry of one's own, and models that are better and worse."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.tracking import MlflowClient

from portfolio.bundle.manifest import read_manifest
from portfolio.bundle.store import Champion, Store
from portfolio.contract.config import config_path
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths
from portfolio.registry.registry import Registry
from tests.workspace import edit_config, run_stage

BAD, MIDDLING, GOOD = "a shallow tree", "a deeper tree", "a logistic regression"
Train = Callable[[str], int]
CARD = Path("use_cases/toy/card.yaml")


@pytest.fixture
def registry(mlflow: MlflowClient) -> Registry:
    for folder in ("network", "baselines"):
        shutil.rmtree(Paths("toy").models / folder)
    return Registry(load_use_case("toy"))


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By what they were made from, the models and metrics of what any test has trained."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def train(registry: Registry, trained_once: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train, evaluate and register a model; gives the version. The same is trained once for all tests."""

    def train(kind: str) -> int:
        from sklearn.linear_model import LogisticRegression
        from sklearn.tree import DecisionTreeClassifier

        model = {
            BAD: DecisionTreeClassifier(max_depth=1, random_state=0),
            MIDDLING: DecisionTreeClassifier(max_depth=2, random_state=0),
            GOOD: LogisticRegression(),
        }[kind]

        case = type(load_use_case("toy"))
        monkeypatch.setattr(case, "candidates", lambda self: {"model": model})
        made_from = [kind, *(path.read_text() for path in (config_path("toy"), CARD))]
        kept = trained_once / hashlib.sha256("".join(made_from).encode()).hexdigest()
        if kept.exists():
            shutil.rmtree(Paths("toy").models)
            shutil.copytree(kept, Path.cwd(), dirs_exist_ok=True)
        else:
            run_stage("baselines", "toy")
            run_stage("evaluate", "toy")
            for folder in (Paths("toy").models, Paths("toy").verdict.parent):
                shutil.copytree(folder, kept / folder, ignore=shutil.ignore_patterns(Paths("toy").verdict.name))
        return registry.register(load_use_case("toy").config())

    return train


def aliases(registry: Registry) -> dict[str, int]:
    return {alias: version.number for version in registry.versions() for alias in version.aliases}


def published() -> Champion:
    champion = Store.of("toy").champion()
    assert champion is not None
    return champion


def verdict_record() -> dict[str, Any]:
    return dict(json.loads(Paths("toy").verdict.read_text()))


def edit_card() -> None:
    content = yaml.safe_load(CARD.read_text())
    content["not_for"] = "Anything that this test did not think of."
    CARD.write_text(yaml.safe_dump(content, allow_unicode=True))


def dearer() -> None:
    """Change a price, and nothing else."""
    edit_config("toy", value={"error_yen": load_use_case("toy").config().value.error_yen + 0.001})


def evaluate_again(registry: Registry) -> int:
    run_stage("evaluate", "toy")
    return registry.register(load_use_case("toy").config())


@pytest.fixture
def elsewhere(empty_mlflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Registry]:
    """Go on as on another machine: the same files in git and under DVC, and neither a registry nor a store."""

    def go() -> Registry:
        state = tmp_path / "another machine"
        (state / "mlflow").mkdir(parents=True)
        shutil.copyfile(empty_mlflow, state / "mlflow" / "mlflow.db")
        monkeypatch.setenv("PORTFOLIO_STATE", str(state))
        return Registry(load_use_case("toy"))

    return go


def digest_in_git() -> str:
    return read_manifest(Paths("toy").champion)[1]


def contents(*folders: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for folder in folders for path in Path(folder).rglob("*") if path.is_file()}


REGISTER = """
from portfolio.contract.loading import load_use_case
from portfolio.registry.registry import Registry
case = load_use_case("toy")
registry = Registry(case)
print(registry.promote(registry.register(case.config())).promoted)
"""


def never(*_: object) -> None:
    raise AssertionError("it was judged anew")
