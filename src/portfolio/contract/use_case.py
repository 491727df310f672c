"""The contract of a use case, and the one function that finds them.

A use case is a folder `use_cases/<name>/` whose `__init__.py` sets USE_CASE to an instance of a subclass of
`UseCase`, and a file `configs/<name>.yaml`. Nothing else in the code names one.

You must write: `inputs`, `output`, `key`, `identity`, `target`, `metric`, `network_params`, `source`, `schema`,
`baselines`, `network`; and beside them a `card.yaml`, what the report and the page say of the problem, the prices and
the limits, in two languages; there the page also finds the names of the output (`output`) and of the inputs
(`field.<name>`).
You may write: `preprocessor` (scikit-learn, fitted on train alone, ends up inside the graph), `log_target`, `wrong`
(which answers are errors in the sense of the prices), `slices` (groups of rows in which no new model may be worse),
`augmentation` (of training batches).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import yaml

import portfolio.use_cases
from portfolio.bundle.manifest import InputField, Output
from portfolio.contract.config import Config, Value, config_path, load_config
from portfolio.contract.params import NetworkParamsBase
from portfolio.core.errors import ConfigError
from portfolio.core.types import Array

if TYPE_CHECKING:
    import polars as pl
    import torch
    from pandera.polars import DataFrameSchema

    from portfolio.contract.sources import Source

LANGUAGES = ("en", "ja")
_JOINT = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])")


class UseCase(ABC):
    """Everything that is special about one use case. Heavy libraries are imported inside the methods."""

    name: ClassVar[str]
    title: ClassVar[str]
    inputs: ClassVar[tuple[InputField, ...]]
    output: ClassVar[Output]
    key: ClassVar[str]
    """The column that names a row: no two rows share a value."""
    identity: ClassVar[tuple[str, ...]]
    """The columns from whose values a row's split follows: its key, or what rows that belong together share."""
    target: ClassVar[str]
    metric: ClassVar[str]
    """The metric that is shown first beside the value, which decides."""
    network_params: ClassVar[type[NetworkParamsBase]]
    """What the config's section `network` may say. Its module imports no torch, so that a typo is found at once."""
    log_target: ClassVar[bool] = False
    """Train on the logarithm of a skewed target; the graph answers in the target's own unit."""

    @property
    def card(self) -> Path:
        """The texts of the report and of the server's page that are this use case's own."""
        return Path(inspect.getfile(type(self))).with_name("card.yaml")

    def card_texts(self) -> dict[str, dict[str, str]]:
        """Those texts by language."""
        texts = yaml.safe_load(self.card.read_text(encoding="utf-8"))
        # YAML joins the lines of a text by spaces, which Japanese has none of.
        return {
            language: {key: _JOINT.sub("", text[language]) for key, text in texts.items()} for language in LANGUAGES
        }

    def config(self) -> Config:
        """Its config, checked as far as that can be done before anything runs: also what studies and tuning change.

        Raises ConfigError naming the file, the key, the value and what is allowed.
        """
        config = load_config(self.name)
        self._check(config, "")
        for changes in config.variations():
            self._check(config.changed(changes), f" with {changes}")
        return config

    def _check(self, config: Config, changed: str) -> None:
        path = config_path(self.name)
        self.network_params.read(config.network, f"{path}, section 'network'{changed}")
        if self.output.task == "regression":
            self._tolerance(config.value)
            return
        outside = [f"{threshold:g}" for threshold in config.value.thresholds if not 0 <= threshold <= 1]
        if outside:
            raise ConfigError(
                f"{path}: value.thresholds: {', '.join(outside)} can be no probability, which lies from 0 to 1."
            )
        if config.value.tolerance is not None:
            raise ConfigError(
                f"{path}: value.tolerance: classes are right or wrong, so nothing would read it. Leave it out."
            )

    def _tolerance(self, value: Value) -> float:
        if value.tolerance is None:
            raise ConfigError(
                f"{config_path(self.name)}: value.tolerance is missing. Say by how much a {self.output.name} may be "
                f"off, in {self.output.unit}."
            )
        return value.tolerance

    @abstractmethod
    def source(self, config: Config) -> Source:
        """Where raw batches come from."""

    @abstractmethod
    def schema(self) -> DataFrameSchema:
        """What a valid raw row looks like."""

    def preprocessor(self) -> Any | None:
        """An unfitted scikit-learn transformer over a data frame of the inputs, or None for one numeric input."""
        return None

    @abstractmethod
    def baselines(self) -> dict[str, Any]:
        """Unfitted scikit-learn estimators by name, which follow the preprocessor."""

    @abstractmethod
    def network(self, params: dict[str, Any], width: int) -> torch.nn.Module:
        """A network from preprocessed float32 [rows, width] to logits [rows, classes] or values [rows, 1].

        Raises ConfigError if `params` (the config's `network` section) does not fit.
        """

    def augmentation(self) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """What changes the features of a training batch, float32 [rows, width], but not their targets; or None.

        It draws from torch's global generator, which is seeded in each epoch. `train.augment` switches it on.
        """
        return None

    def wrong(self, targets: Array, predictions: Array, value: Value) -> Array:
        """Which answers are errors, bool [rows]: another class, or a value off by more than the tolerance.

        Raises ConfigError if the use case predicts values and the config has no tolerance.
        """
        if self.output.task == "classification":
            return np.asarray(predictions.argmax(axis=1) != targets)
        return np.asarray(np.abs(predictions[:, 0] - targets) > self._tolerance(value))

    def slices(self, frame: pl.DataFrame) -> dict[str, pl.Series]:
        """Ways to group rows [rows], by name. Of classes, the class; always the batch that brought the row."""
        groups = {"batch": frame["batch"]}
        if self.output.task == "classification":
            groups[self.output.name] = frame[self.target]
        return groups

    def features(self, frame: pl.DataFrame) -> dict[str, Array]:
        """The rows as the tensors a bundle takes: by input, float32 or str of shape [rows, width]."""
        import polars as pl

        arrays: dict[str, Array] = {}
        for field in self.inputs:
            column = frame[field.name]
            if field.is_string:
                arrays[field.name] = column.fill_null("").to_numpy().astype(object).reshape(-1, 1)
            elif field.kind == "image":
                arrays[field.name] = np.ascontiguousarray(column.to_numpy(), dtype=np.float32)
            else:
                arrays[field.name] = column.cast(pl.Float32).to_numpy().reshape(-1, 1)
        return arrays

    def targets(self, frame: pl.DataFrame) -> Array:
        """Class indices, int64 [rows], or values, float64 [rows]."""
        column = frame[self.target].to_numpy()
        return column.astype(np.int64 if self.output.task == "classification" else np.float64)


def use_case_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(portfolio.use_cases.__path__) if module.ispkg)


def load_use_case(name: str) -> UseCase:
    """The use case of that name. Raises ConfigError, listing those there are, if there is none."""
    if name not in use_case_names():
        raise ConfigError(f"There is no use case '{name}'. There are: {', '.join(use_case_names())}.")
    found = importlib.import_module(f"portfolio.use_cases.{name}").USE_CASE
    assert isinstance(found, UseCase)
    return found
