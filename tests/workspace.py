"""Workspaces: folders with the real use cases and configs, and stages that are run in them for a few epochs."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

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

ROOT = Path(__file__).parent.parent


@contextmanager
def environment_kept() -> Iterator[None]:
    """Undo what is set on the way: local_environment() sets what the tools beside us read, for the whole process."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


TOY = "toy"
SHAPES = "shapes"
SIGNS = "signs"
REMARKS = "remarks"
USE_CASES: list[str] = yaml.safe_load((ROOT / "params.yaml").read_text())["use_cases"]
"""The use cases of this project, whichever they are."""
OF_TESTS = (TOY, SHAPES, SIGNS, REMARKS)
ALL_USE_CASES = list(dict.fromkeys([*USE_CASES, *OF_TESTS]))
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
    for name in OF_TESTS:
        copy_folder(own / name, folder / "use_cases" / name)
        shutil.copyfile(own / f"{name}.yaml", folder / "configs" / f"{name}.yaml")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    with chdir(folder):
        for name in ALL_USE_CASES[len(USE_CASES) :]:
            project.list_use_case(name)
    return folder


def copy_folder(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


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
    if use_case not in OF_TESTS:
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


def build_in(folder: Path, use_case: str) -> Path:
    make_workspace(folder)
    with environment_kept(), chdir(folder):
        os.environ["PORTFOLIO_STATE"] = str(folder / ".state")
        quicken(use_case)
        collect(use_case)
        for name in stage_names():
            run_stage(name, use_case)
    return folder


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
