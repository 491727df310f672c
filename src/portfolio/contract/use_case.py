"""The contract of a use case: a class in `use_cases/<name>/use_case.py` whose body declares the facts.

You must write `source`, `target` and `inputs`, and beside the class a `card.yaml` and `configs/<name>.yaml`. Everything
else follows from those, and each part that follows is a method that you may write to do otherwise:

    schema          what a valid row looks like (pandera)
    preprocessor    from the inputs to features (scikit-learn; fitted on train alone; ends up inside the graph);
                    `network_preprocessor` where the network takes others
    candidates      the scikit-learn estimators, by name
    network         the PyTorch network, and `network_params`, what the config may say of it
    augmentation    what changes training batches at random
    groups          the slices of rows in which no new model may be worse
    drifts          ways in which rows may change in production, to try the monitor with

Start from `Table`, `Images` or `Text`, which say what the inputs of that kind are given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from portfolio.bundle.manifest import InputField, Output
from portfolio.contract.card import LANGUAGES, read_card
from portfolio.contract.config import Config, read_config
from portfolio.contract.drifts import Drift
from portfolio.contract.fields import as_arrays
from portfolio.contract.graph_features import FILE, GraphFeatures
from portfolio.contract.network_params import NetworkParams
from portfolio.contract.sources import Source
from portfolio.contract.targets import Target
from portfolio.core.types import Array

if TYPE_CHECKING:
    import polars as pl
    import torch
    from pandera.polars import DataFrameSchema

USE_CASES = Path("use_cases")
BATCH = "batch"
"""The column that names the batch which brought a row."""
MISSING = "(missing)"


class UseCase(ABC):
    """Everything that is special about one use case. Heavy libraries are imported inside the methods."""

    source: ClassVar[Source]
    target: ClassVar[Target]
    inputs: ClassVar[list[InputField]]
    ignore: ClassVar[list[str]] = []
    """Columns of the data that are neither inputs nor target."""
    trusted: ClassVar[list[str]] = []
    """Inputs that tell nearly all of the target, and are known before it: without this, training stops at them."""
    slices: ClassVar[list[str]] = []
    """Columns by whose values the evaluation and the gate look at groups of rows."""
    metric: str = ""
    """The metric that is shown first beside the value, which decides. Unless given: accuracy, or rmse."""
    kinds: ClassVar[tuple[str, ...]] = ()
    """The kinds of inputs that the base's own preprocessors and networks take."""
    network_params: ClassVar[type[NetworkParams]]

    def __init__(self, name: str) -> None:
        self.name = name
        self.source.use_case = name
        self.metric = self.metric or ("accuracy" if self.output.task == "classification" else "rmse")

    @property
    def output(self) -> Output:
        return self.target.output

    @property
    def key(self) -> str:
        """The column that names a row: no two rows share a value."""
        return self.source.key

    @property
    def folder(self) -> Path:
        return USE_CASES / self.name

    @property
    def title(self) -> str:
        return self.card_texts()[LANGUAGES[0]]["title"]

    def card_texts(self) -> dict[str, dict[str, str]]:
        """The texts of the report and of the server's page, by language. Raises ConfigError where one is missing."""
        return read_card(self.folder / "card.yaml", self.output.name, [field.name for field in self.inputs])

    def config(self) -> Config:
        """Its config, defaults included. Raises ConfigError naming the file, the key, the value and what is allowed."""
        return read_config(self.name, self.network_params)

    def columns(self) -> list[str]:
        """The columns that a batch must have."""
        source = self.source
        names = [self.key, *source.split_columns, *(field.name for field in self.inputs), self.target.column]
        predefined = [] if source.split is None else [source.split.column]
        return list(dict.fromkeys([*names, *predefined, *self.slices]))

    @cached_property
    def graph_features(self) -> GraphFeatures:
        """What follows from the dates among the inputs, and what `features.sql` beside the use case declares."""
        return GraphFeatures(self.folder / FILE, self.inputs)

    def schema(self) -> DataFrameSchema:
        """What a valid row looks like, once types and missing values have been brought to one form."""
        from portfolio.contract.schema import schema

        return schema(self)

    def preprocessor(self) -> Any | None:
        """An unfitted scikit-learn transformer over a data frame of the inputs, or None for one numeric input."""
        return None

    def network_preprocessor(self, params: Any) -> Any | None:
        """The same for the network alone. `params` is an instance of `network_params`."""
        return self.preprocessor()

    @abstractmethod
    def candidates(self) -> dict[str, Any]:
        """Unfitted scikit-learn estimators by name, which follow the preprocessor.

        A pipeline that begins with a ColumnTransformer takes the raw inputs instead.
        """

    @abstractmethod
    def network(self, params: Any, width: int) -> torch.nn.Module:
        """A network from preprocessed float32 [rows, width] to logits [rows, classes] or values [rows, 1].

        `params` is an instance of `network_params`.
        """

    def augmentation(self) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """What changes the features of a training batch, float32 [rows, width], but not their targets; or None.

        It draws from torch's global generator, which is seeded in each epoch. `train.augment` switches it on.
        """
        return None

    def drifts(self) -> dict[str, Drift]:
        """Ways in which the rows may change in production, by name, for `portfolio simulate`; the first is the demo's.

        Each takes normalized rows and gives as many, whose inputs a server still takes.
        """
        return {}

    def groups(self, rows: pl.DataFrame) -> dict[str, pl.Series]:
        """Ways to group rows, each a text [rows], by name: the batch, the class, and the columns of `slices`."""
        found = {BATCH: rows[BATCH]}
        if self.output.task == "classification":
            names = dict(zip(self.output.labels, self.output.classes, strict=True))
            found[self.output.name] = rows[self.target.column].replace_strict(names)
        return {**found, **{name: rows[name].cast(str).fill_null(MISSING) for name in self.slices}}

    def features(self, rows: pl.DataFrame) -> dict[str, Array]:
        """The rows as a bundle takes them: by input, float32 or str of shape [rows, width]."""
        return as_arrays(self.inputs, rows)

    def targets(self, rows: pl.DataFrame) -> Array:
        """Class indices, int64 [rows], or values, float64 [rows]."""
        return self.target.read(rows[self.target.column])
