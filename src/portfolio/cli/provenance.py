"""Whether DVC would record a stage's result correctly: under the code, library versions and config of this checkout.

Run as a module, it prints requirements/versions.yaml: `python -m portfolio.cli.provenance`.
"""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

import portfolio
from portfolio.contract.config import Config, config_path
from portfolio.core.errors import ConfigError, DataError
from portfolio.core.paths import Paths

# The libraries that results depend on. Each stage in dvc.yaml names those that it reaches.
LIBRARIES = (
    "duckdb",
    "lightgbm",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxmltools",
    "onnxruntime",
    "onnxscript",
    "pandera",
    "polars",
    "pytorch-lightning",
    "scikit-learn",
    "scipy",
    "skl2onnx",
    "torch",
)
VERSIONS = Path("requirements") / "versions.yaml"
LOCK = Path("requirements") / "pipeline.lock"


def check_code() -> None:
    """Raises ConfigError if the current folder has its own code, but other code is running."""
    own, running = Path("src").resolve() / "portfolio", Path(portfolio.__file__).resolve().parent
    if own.is_dir() and own != running:
        raise ConfigError(
            f"The code that runs is {running}, but the result would be recorded as that of {own}. Let DVC run the "
            "stage (dvc repro), or run it as dvc.yaml does: env PYTHONPATH=src:. portfolio stage ..."
        )


def check_versions(stage: str, pipeline: Path = Path("dvc.yaml")) -> None:
    """Raises ConfigError if a library that the stage depends on is installed in a version other than the locked one."""
    if not pipeline.exists():
        return
    locked: dict[str, str | list[str]] = yaml.safe_load(VERSIONS.read_text())
    differ = []
    for name in named_libraries(yaml.safe_load(pipeline.read_text())["stages"][stage]):
        try:
            # Builds of torch differ in the part after the plus sign: 2.13.0+cpu.
            installed = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            installed = "not installed"
        if installed not in _as_list(locked[name]):
            differ.append(f"{name} {installed} (locked: {' or '.join(_as_list(locked[name]))})")
    if differ:
        raise ConfigError(
            f"The installed libraries differ from {VERSIONS}, under whose versions the result would be recorded: "
            f"{', '.join(differ)}. Install the locked ones: make setup"
        )


def check_config(config: Config) -> None:
    """Raises DataError if the config differs from the one that `configure` wrote, on which the stages depend."""
    path = Paths(config.use_case).config
    if path.exists() and json.loads(path.read_text()) != config.sections():
        raise DataError(
            f"{config_path(config.use_case)} has changed since {path} was made from it, and the result would be "
            f"recorded as that of before. Run: dvc repro configure@{config.use_case}, then the same again."
        )


def named_libraries(stage: dict[str, Any]) -> list[str]:
    """The libraries that a stage of dvc.yaml depends on."""
    return [
        name
        for entry in stage.get("params", [])
        if isinstance(entry, dict)
        for path, keys in entry.items()
        if path == str(VERSIONS)
        for name in keys
    ]


def locked_versions(lock: str, project: str) -> dict[str, str | list[str]]:
    """The versions of LIBRARIES in a lock's text, and torch's in that of pyproject.toml.

    A library whose version depends on the Python version has a list.
    """
    found: dict[str, str | list[str]] = {}
    for name in LIBRARIES:
        text, pattern = (project, r'^torch = "(.+)"') if name == "torch" else (lock, rf"^{name}==(\S+)")
        versions = re.findall(pattern, text, re.M)
        if not versions:
            raise ConfigError(f"No version of {name} is locked. Add it to pyproject.toml and run: make lock")
        found[name] = versions[0] if len(versions) == 1 else versions
    return found


def _as_list(versions: str | list[str]) -> list[str]:
    return [versions] if isinstance(versions, str) else versions


if __name__ == "__main__":
    print("# Written by `make lock`: the locked versions of the libraries that results depend on; dvc.yaml names them.")
    print(yaml.safe_dump(locked_versions(LOCK.read_text(), Path("pyproject.toml").read_text())), end="")
