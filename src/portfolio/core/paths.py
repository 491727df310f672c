"""Where the stages read and write. The same paths stand in dvc.yaml."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from portfolio.core.environment import state_folder
from portfolio.core.errors import ConfigError

# Set by whoever shows the stages' output itself: each then writes to its log, and not to the terminal.
LOGS_VARIABLE = "PORTFOLIO_STAGE_LOGS"

PARAMS = Path("params.yaml")

# In a project that was made from the template: what was answered then, and by which version.
ANSWERS = Path(".copier-answers.yml")

# Beside a candidate's bundle: the parameters of its scikit-learn estimator, for MLflow.
PARAMETERS_NAME = "parameters.json"
# And a regression's error scales of the validation rows, each by a forest that has not seen the row.
VAL_ERROR_SCALE_NAME = "val_error_scale.npy"

# What `make bench` and its siblings measured, of no single use case.
BENCH = Path("metrics") / "bench.json"
SERVING_BENCH = Path("metrics") / "serving_bench.json"
RELIABILITY = Path("metrics") / "reliability.json"
MONITOR_BENCH = Path("metrics") / "monitor_bench.json"


def live_record() -> Path:
    """What `portfolio live` has started."""
    return state_folder() / "live.json"


def listed_use_cases() -> list[str]:
    """The use cases of params.yaml in the current folder, in its order; [] if the last one was removed.

    Raises ConfigError if there is no such file, or if it is damaged.
    """
    try:
        content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {PARAMS} in {Path.cwd()}. It lists the use cases: run this in the project's folder, or "
            "restore the file."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        # Pydantic comes with it, which takes long to import.
        from portfolio.core.faults import yaml_fault

        raise ConfigError(
            f"{PARAMS} is not valid YAML in UTF-8 ({yaml_fault(error)}). Correct it, or restore it."
        ) from error
    listed = content.get("use_cases") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ConfigError(
            f"{PARAMS} has no list of use cases. List them under 'use_cases', such as:\nuse_cases:\n  - my_use_case"
        )
    # YAML takes 2024 for a number and `no` for false.
    strange = [name for name in listed if not isinstance(name, str)]
    if strange:
        raise ConfigError(f"{PARAMS}: {strange[0]!r} is not a name. Quote what YAML takes for something else.")
    return listed


def default_use_case() -> str:
    """The first use case of params.yaml. Raises ConfigError if there is none, and as `listed_use_cases` does."""
    listed = listed_use_cases()
    if not listed:
        raise ConfigError(
            f"{PARAMS} lists no use case. Make one from a file of your own: portfolio new NAME FILE --target COLUMN"
        )
    return listed[0]


@dataclass(frozen=True)
class Paths:
    use_case: str

    @property
    def batches(self) -> Path:
        return Path("data") / self.use_case / "raw" / "batches"

    @property
    def clean(self) -> Path:
        return Path("data") / self.use_case / "clean"

    @property
    def quarantine(self) -> Path:
        return Path("data") / self.use_case / "quarantine"

    @property
    def splits(self) -> Path:
        return Path("data") / self.use_case / "splits"

    @property
    def models(self) -> Path:
        return Path("models") / self.use_case

    @property
    def config(self) -> Path:
        """The config with its defaults filled in, as the stages depend on it."""
        return self.models / "config.json"

    @property
    def checked(self) -> Path:
        """The candidates that were found fit to be trained."""
        return self.models / "checked.json"

    @property
    def best(self) -> Path:
        return self.models / "best.json"

    def best_folder(self) -> Path:
        """The bundle of the candidate that the evaluation named the best."""
        return Path(json.loads(self.best.read_text())["folder"])

    def metrics(self, stage: str) -> Path:
        return Path("metrics") / self.use_case / f"{stage}.json"

    @property
    def verdict(self) -> Path:
        """What the gate said last, and of which bundle. It is in git, so that others have the same champion."""
        return self.metrics("verdict")

    @property
    def champion(self) -> Path:
        """The champion's bundle, under DVC: the way in which it gets to other machines."""
        return Path("champions") / self.use_case

    def train_seconds(self, model_sha256: str) -> Path:
        """How long a training took. It is the machine's, so no part of the model, which DVC knows by its content."""
        return state_folder() / "train_seconds" / self.use_case / model_sha256

    @property
    def report(self) -> Path:
        return Path("reports") / self.use_case

    def beside_dvc(self) -> str:
        """A digest of what the report shows and DVC does not know it needs: the gate's verdict, and studies if any."""
        shown = [self.verdict, *sorted(self.study("").parent.glob("*.json"))]
        return hashlib.sha256(b"".join(path.read_bytes() for path in shown if path.exists())).hexdigest()

    def report_is_stale(self) -> bool:
        """Whether there is a report that was written beside another verdict or other studies."""
        seen = self.report / "beside_dvc.sha256"
        return seen.exists() and seen.read_text() != self.beside_dvc()

    def study(self, name: str) -> Path:
        return Path("metrics") / self.use_case / "studies" / f"{name}.json"

    @property
    def plots(self) -> Path:
        return Path("plots") / self.use_case

    def log(self, stage: str) -> Path:
        return state_folder() / "logs" / self.use_case / f"{stage}.log"

    def lock(self, stage: str) -> Path:
        return state_folder() / "locks" / self.use_case / f"{stage}.lock"

    @property
    def bundles(self) -> Path:
        return self.models / "bundles"

    def fitted(self) -> dict[str, Path]:
        """Every candidate's bundle by its name, as training left it: without a policy."""
        folders = [*sorted((self.models / "baselines").iterdir()), self.models / "network"]
        return {folder.name: folder for folder in folders if (folder / "manifest.json").exists()}

    def candidates(self) -> dict[str, Path]:
        """Every candidate's bundle by its name, as the evaluation left it: as it would be served."""
        return {folder.name: folder for folder in sorted(self.bundles.iterdir())}
