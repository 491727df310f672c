"""Small real bundles, and workspaces: with the real configs, or with every stage run for a few epochs."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import yaml
from filelock import FileLock
from onnx import TensorProto, helper, numpy_helper

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import InputField, Lineage, Manifest, Origin, Output, Reference
from portfolio.bundle.policy import Policy, Prices
from portfolio.bundle.store import Store
from portfolio.contract.card import REQUIRED
from portfolio.contract.config import config_path
from portfolio.contract.folder import Folder
from portfolio.contract.loading import load_use_case
from portfolio.contract.made_up import made_up_rows
from portfolio.contract.use_case import UseCase
from portfolio.core.paths import Paths
from portfolio.data.collect import Collected
from portfolio.data.collect import collect as collect_new
from portfolio.profiling import project
from tests.pictures import draw_signs

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ROOT = Path(__file__).parent.parent
# What `make test` tells the makes that are started inside it; here they are started as from a shell.
for variable in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(variable, None)
ZEROS = "0" * 64


def tiny_model(bias: float) -> bytes:
    """Softmax of a 4 x 2 projection plus a bias for the second class."""
    weights = np.array([[1, -1], [0.5, -0.5], [-1, 1], [-0.5, 0.5]], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["input_0", "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("input_0", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0, bias], dtype=np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


MADE = Origin(git_commit="abc", dirty=False, config_sha256=ZEROS)
# The machine answers from a probability of 0.9 on: below, an error is expected to cost more than a check.
CAREFUL = Policy(prices=Prices(by_hand_yen=6, check_yen=2, error_yen=20))


def tiny_bundle(folder: Path, bias: float = 0.0, version: int | None = None, policy: Policy | None = CAREFUL) -> Bundle:
    """A bundle that tells two-by-two images apart."""
    raw = tiny_model(bias)
    golden = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    logits = np.array(golden) @ np.array([[1, -1], [0.5, -0.5], [-1, 1], [-0.5, 0.5]]) + [0, bias]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    manifest = Manifest(
        use_case=TOY,
        candidate="tiny",
        inputs=(
            InputField(
                name="pixels",
                kind="image",
                description="ink",
                shape=(2, 2),
                minimum=0,
                maximum=16,
                example=[1, 2, 3, 4],
            ),
        ),
        output=Output(task="classification", name="side", classes=("left", "right")),
        policy=policy,
        reference={"pixels": Reference(edges=(1.0,), shares=(0.5, 0.5), missing_share=0)},
        golden_inputs={"pixels": golden},
        golden_outputs=expected.tolist(),
        lineage=Lineage(trained=MADE, evaluated=MADE, data_sha256=ZEROS, model_version=version),
        model_sha256=hashlib.sha256(raw).hexdigest(),
    )
    write_bundle(folder, raw, manifest)
    return Bundle.open(folder)


def publish(store: Store, folder: Path, *, version: int, bias: float = 0.0) -> str:
    bundle = tiny_bundle(folder, bias, version)
    return store.publish(folder, bundle.manifest).digest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest come first, so that none is left when all others are done.

    They are those of the whole project, and of the server, a browser before it, which lie deepest.
    """

    depths = {item.path: len(item.path.relative_to(ROOT).parts) for item in items}
    items.sort(key=lambda item: (depths[item.path] != 2, -depths[item.path]))


@contextmanager
def environment_kept() -> Iterator[None]:
    """Undo what is set on the way: local_environment() sets what the tools beside us read, for the whole process."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One that pytest deletes: what is killed, and each process of pytest-xdist, leaves its temporary files behind."""
    folder = tmp_path_factory.mktemp("of-processes")
    with environment_kept(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        os.environ["TMPDIR"] = str(folder)
        yield


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    with environment_kept():
        yield


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PORTFOLIO_USE_CASE", TOY)
    return Store.of(TOY)


TOY = "toy"
SHAPES = "shapes"
SIGNS = "signs"
REMARKS = "remarks"
USE_CASES: list[str] = yaml.safe_load((ROOT / "params.yaml").read_text())["use_cases"]
"""The use cases of this project, whichever they are."""
ALL_USE_CASES = list(dict.fromkeys([*USE_CASES, TOY, SHAPES, SIGNS, REMARKS]))
"""Those, and the ones for tests alone: a table, drawings, pictures in colour in a folder, and texts."""


def make_workspace(folder: Path) -> Path:
    """Fill a folder with the project's use cases, and those that exist for tests alone."""
    for name in ("configs", "use_cases"):
        copy_folder(ROOT / name, folder / name)
    # What a source reads from the repository itself, such as a table of one's own.
    for path in (ROOT / "data").glob("*.*"):
        if path.is_file():
            (folder / "data").mkdir(exist_ok=True)
            shutil.copyfile(path, folder / "data" / path.name)
    return add_test_use_cases(folder)


def add_test_use_cases(folder: Path) -> Path:
    """Add the use cases of the tests to a repository's own, as anybody would."""
    own = ROOT / "tests" / "use_cases"
    for name in (TOY, SHAPES, SIGNS, REMARKS):
        copy_folder(own / name, folder / "use_cases" / name)
        shutil.copyfile(own / f"{name}.yaml", folder / "configs" / f"{name}.yaml")
    (folder / "params.yaml").write_text(yaml.safe_dump({"use_cases": ALL_USE_CASES}))
    return folder


def copy_folder(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with use cases, and nothing else, as the current folder."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    make_workspace(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PORTFOLIO_STATE", str(folder / ".state"))
    return folder


QUICK_EPOCHS = 3
QUICK_ROWS = 2500
MADE_UP_ROWS = 800


def edit_config(use_case: str, **sections: dict[str, Any]) -> None:
    """Change values of the config in the current folder: edit_config("toy", train={"max_epochs": 3})."""
    path = config_path(use_case)
    config = yaml.safe_load(path.read_text())
    for section, values in sections.items():
        config[section] = {**(config.get(section) or {}), **values}
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def quicken(use_case: str) -> None:
    """Change the config in the current folder so that all stages take seconds.

    Of the project's own use cases, which may be large, that is one network in the place of several, and the first
    batches.
    """
    edit_config(use_case, train={"max_epochs": QUICK_EPOCHS})
    if use_case in USE_CASES:
        edit_config(use_case, train={"members": 1})
        case = load_use_case(use_case)
        if is_at_hand(case):
            edit_config(use_case, collect={"until": day_of_row(case, QUICK_ROWS)})


def day_of_row(case: UseCase, number: int) -> date:
    """The day of the batch that has the source's row of this number, or else of the last that is to be collected."""
    until = case.config().collect.until
    days = [day for day in case.source.dates() if until is None or day <= until]
    batches = case.source.read(days)
    rows = accumulate(len(batch) for batch in batches.values())
    return next((day for day, so_far in zip(batches, rows, strict=True) if so_far >= number), days[-1])


def stage_names() -> list[str]:
    return list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def run_stage(name: str, use_case: str) -> None:
    case = load_use_case(use_case)
    importlib.import_module(f"portfolio.stages.{name}").run(case, case.config())


def collect(use_case: str) -> Collected:
    """Collect what the source has. Where that is on the web and no mirror has it, the rows are made up."""
    case = load_use_case(use_case)
    batches = Paths(use_case).batches
    if use_case == SIGNS:
        draw_signs(Path("data") / SIGNS / "pictures", each=120)
    if is_at_hand(case):
        return collect_new(case.source, batches, case.config().collect.until)
    batches.mkdir(parents=True)
    days = [f"2026-01-0{day}" for day in range(1, 4)]
    for seed, day in enumerate(days):
        made_up_rows(case, MADE_UP_ROWS, seed).write_parquet(batches / f"{day}.parquet")
    return Collected(added=days, present=0, rows=len(days) * MADE_UP_ROWS)


def is_at_hand(case: UseCase) -> bool:
    """Whether its source can be read without the network, and without files that git does not have."""
    if isinstance(case.source, Folder) and not case.source.path.is_dir():
        return False
    url = getattr(case.source, "url", "")
    mirror = os.environ.get("PORTFOLIO_MIRROR", "")
    return not url or (bool(mirror) and (Path(mirror) / url.split("://", 1)[1]).is_file())


@pytest.fixture(scope="session")
def common_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that all processes of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    common = (base.parent if hasattr(request.config, "workerinput") else base) / "built"
    common.mkdir(exist_ok=True)
    return common


@pytest.fixture(scope="session")
def built_once(common_folder: Path) -> Callable[[str], Path]:
    """A folder in which a use case was collected and every stage was run, quickly. Not to be changed."""
    return lambda use_case: made_once(common_folder / use_case, lambda folder: build_in(folder, use_case))


@pytest.fixture(scope="session")
def looped_once(common_folder: Path) -> Callable[[], Path]:
    """A repository with all use cases, in which the loop has run on the toy. Not to be changed; a copy works alike."""

    def loop(folder: Path) -> None:
        run_in(checkout(folder), "portfolio", "run", TOY)

    return lambda: made_once(common_folder / "looped", loop)


FAILED: dict[Path, Exception] = {}
"""Of what this process has failed to make."""


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """A folder that one of the processes of this run fills, while the others wait."""
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if folder in FAILED:
            raise FAILED[folder]
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                make(folder)
            except Exception as error:
                FAILED[folder] = error
                raise
            done.touch()
    return folder


def build_in(folder: Path, use_case: str) -> Path:
    make_workspace(folder)
    with environment_kept(), chdir(folder):
        os.environ["PORTFOLIO_STATE"] = str(folder / ".state")
        quicken(use_case)
        collect(use_case)
        for name in stage_names():
            run_stage(name, use_case)
    return folder


@pytest.fixture
def built(built_once: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A copy of such a folder of one's own, as the current folder."""

    def copy(use_case: str) -> Path:
        folder = tmp_path / "built"
        shutil.copytree(built_once(use_case), folder)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PORTFOLIO_STATE", str(folder / ".state"))
        return folder

    return copy


def make_repository(folder: Path) -> Path:
    """Make of a folder what git and DVC work in, with this repository's settings."""
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def checkout(folder: Path) -> Path:
    """A repository with this working tree's files, and the use cases of the tests, in one commit."""
    add_test_use_cases(copy_tree(folder))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return committed(folder)


def copy_tree(folder: Path) -> Path:
    """Copy this working tree's files, but for what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def checkout_of_one(folder: Path) -> Path:
    """The same with the toy in place of all other use cases, as of somebody who has deleted the project's own."""
    checkout(folder)
    with chdir(folder):
        for name in ALL_USE_CASES:
            if name != TOY:
                project.remove(name)
    return committed(folder)


def committed(folder: Path) -> Path:
    """The repository, with all that it holds in a commit."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["add", "-A"], [*identity, "commit", "--allow-empty", "-qm", "tree"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables, which take seconds to make, and nothing in them."""
    folder = tmp_path_factory.mktemp("mlflow")
    with environment_kept():
        os.environ["PORTFOLIO_STATE"] = str(folder)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        from portfolio.registry.tracking import client

        client().search_experiments()
    return folder / "mlflow" / "mlflow.db"


@pytest.fixture
def mlflow(empty_mlflow: Path, built: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client of an empty MLflow of one's own, beside the toy use case with all its stages run."""
    folder = built(TOY) / ".state" / "mlflow"
    folder.mkdir()
    shutil.copyfile(empty_mlflow, folder / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from portfolio.registry.tracking import client

    return client()


def run_in(folder: Path, *command: str) -> str:
    """Run a command with the code of a copy. What it prints is shown if it fails."""
    beside = Path(sys.executable).parent
    dropped = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI")
    environment = {
        # Options meant for this run would make the one inside it collect this file again, and so on for ever.
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_") and key not in dropped},
        "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}",
        "PORTFOLIO_STATE": str(folder / ".state"),
    }
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-8000:]}{result.stderr[-4000:]}"
    return result.stdout


SMALL = """
from portfolio.contract import Category, Classes, Csv, Image, Images, Number, Quantity, Table


class Small(Table):
    source = Csv(path="rows.csv", key="id", start="2026-01-05")
    target = Classes("bought", ["no", "yes"])
    inputs = [Number("age", 0, 120), Category("town", ["A", "B"])]
"""
"""The least that a use case must say."""
SMALL_CARD = "\n".join(f"{key}: Made up." for key in REQUIRED)
SMALL_CONFIG = "value: {by_hand_yen: 10, check_yen: 4, error_yen: 50}\ntrain: {accelerator: cpu}\n"


def write_use_case(name: str, code: str = SMALL, *, card: str = SMALL_CARD, config: str = SMALL_CONFIG) -> Path:
    """Add a use case to the workspace that is the current folder, as its user would. Gives its folder."""
    folder = Path("use_cases") / name
    folder.mkdir(parents=True)
    (folder / "use_case.py").write_text(code)
    (folder / "card.yaml").write_text(card)
    config_path(name).write_text(config)
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({"use_cases": [*params["use_cases"], name]}))
    return folder
