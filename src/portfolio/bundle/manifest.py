"""`manifest.json`: everything that the server, its page and the monitor need to know of a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from portfolio.bundle.policy import Decider, Policy
from portfolio.core import files
from portfolio.core.counted import readable
from portfolio.core.dates import iso_date
from portfolio.core.errors import BundleError
from portfolio.core.types import Digest, Strict

MODEL_NAME = "model.onnx"


MANIFEST_NAME = "manifest.json"


MAX_MANIFEST_BYTES = 16 * 1024 * 1024
# Below this a probability counts as zero: a tree's leaf gives exact zeros, whose logarithm says nothing.
SMALLEST_PROBABILITY = 1e-7


# Of a text or a label, unless its field says otherwise.
MAX_TEXT_LENGTH = 10_000


METRICS = {
    "classification": ("accuracy", "balanced_accuracy", "precision", "f1", "auc", "average_precision", "log_loss"),
    "regression": ("mae", "mse", "rmse", "r2"),
}
"""The figures that a manifest may have, by task."""
ORDERED_METRICS = ("class_distance", "quadratic_kappa")
"""And where the classes have an order."""


class InputField(Strict):
    """One input of the model, under the name that it has in the data. In the graph it is a tensor [rows, width]."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["image", "number", "category", "text", "date"]
    unit: str = ""
    description: str = ""
    shape: tuple[int, ...] = Field(default=(), description="(height, width) of an image; () for a single value")
    channels: Literal[1, 3] = Field(
        default=1,
        description="of an image: 1 for grey; 3 for colour: red, green and blue of each pixel in turn",
    )
    photo: bool = Field(
        default=False, description="an image is a picture as it is, scaled to its size; else it is a drawing on paper"
    )
    minimum: float | None = Field(
        default=None, description="smallest value that is possible at all; of a date in days since 1970-01-01"
    )
    maximum: float | None = Field(default=None, description="largest value that is possible at all, in the same unit")
    step: float | None = Field(default=None, gt=0, description="every value is a multiple of it")
    categories: tuple[str, ...] = Field(default=(), description="the categories seen in training")
    max_length: int | None = Field(default=None, ge=1, description="of a text, in characters as they are sent")
    normalization: Literal["", "NFKC, case-folded, single spaces"] = Field(
        default="", description="the form that a text is brought to before the graph (bundle/texts.py); none if empty"
    )
    nullable: bool = Field(default=False, description="may be missing (null)")
    # Left out where it says nothing, so that it changes no other bundle's name.
    unsure_marks: Literal["", ",", ",."] = Field(
        default="",
        exclude_if=lambda marks: not marks,
        description="of a number: the marks that mean something else in the files that the model learned from, where "
        "1,200 is 1.2 (and 1.200 is 1200): text with one is refused",
    )
    example: list[float] | float | str | None = Field(
        default=None, description="a value that was seen in training; a date as text"
    )

    @property
    def width(self) -> int:
        return prod(self.shape) * self.channels

    @property
    def is_string(self) -> bool:
        """Whether its tensor holds strings; all others hold float32."""
        return self.kind in ("category", "text")

    def shown(self, value: float) -> str:
        """A number or a date of its tensor, as people write it."""
        return iso_date(value) if self.kind == "date" else readable(value)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.kind == "image") != (len(self.shape) == 2):
            raise ValueError(f"field '{self.name}': an image has a shape (height, width), and nothing else has one")
        if (self.channels == 3 and not self.photo) or (self.photo and self.kind != "image"):
            raise ValueError(f"field '{self.name}': what is in colour is a photo, and only an image can be one")
        if isinstance(self.example, list) and len(self.example) != self.width:
            raise ValueError(f"field '{self.name}': the example must be a list of {self.width} values")
        return self


def tensor_names(count: int) -> list[str]:
    """The names of so many inputs in the graph: ours, so that no column's name can collide with another tensor's."""
    return [f"input_{number}" for number in range(count)]


class Output(Strict):
    """What the model answers: `probabilities` [rows, classes], or `value` [rows, 2], each with its error scale."""

    task: Literal["classification", "regression"]
    name: str = Field(description="the column that is predicted")
    classes: tuple[str, ...] = Field(default=(), description="the classes in the order of the probabilities")
    labels: tuple[str, ...] = Field(default=(), description="what the data call each class")
    ordered: bool = Field(default=False, description="whether the classes are in an order, such as small to large")
    unit: str = ""
    # Left out where there are none, so that they change no other bundle's name.
    minimum: float | None = Field(
        default=None, exclude_if=lambda bound: bound is None, description="the smallest value that may be true"
    )
    maximum: float | None = Field(
        default=None, exclude_if=lambda bound: bound is None, description="the largest value that may be true"
    )

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which a true value lies; infinite where nothing is declared."""
        return -inf if self.minimum is None else self.minimum, inf if self.maximum is None else self.maximum

    @property
    def tensor(self) -> str:
        return "probabilities" if self.task == "classification" else "value"


class Reference(Strict):
    """The distribution of one input in the training data: shares of the rows by bin or by category."""

    edges: tuple[float, ...] = Field(
        default=(), description="the inner bin edges of a number, of an image's mean, or of a text's length"
    )
    categories: tuple[str, ...] = ()
    shares: tuple[float, ...]
    missing_share: float
    rows: int = Field(default=0, ge=0, description="how many rows it was taken from")
    low: float | None = Field(default=None, description="the smallest of the values")
    high: float | None = Field(default=None, description="the largest of the values")
    summaries: dict[str, Reference] = Field(
        default={}, description="other features of a picture or a text, by name, each with its distribution"
    )
    characters: str = Field(default="", description="those that texts have, the most common first")


Outcomes = tuple[tuple[float, int], ...]
"""What unchecked answers cost in yen, with the number of rows that cost as much."""


class Promise(Strict):
    """What the test rows say of a bundle as it is served. The monitor holds it to this."""

    rows: int = Field(ge=0)
    value_yen: float = Field(description="the mean value of a row, from the true labels")
    expected_yen: float = Field(
        description="the same as the model expected it, from its own probabilities or intervals"
    )
    machine_share: float = Field(ge=0, le=1)
    errors: Outcomes = Field(description="what the answers of the machine alone cost")
    by_slice: dict[str, dict[str, Outcomes]] = Field(default={}, description="the same by slice and its value")
    outputs: dict[str, Reference] = Field(
        description="of a classification `answer` and `certainty`; of a regression `value` and `error_scale`"
    )


@dataclass(frozen=True)
class PredefinedSplit:
    """A column that says which split a row is in, as published data have it, and its labels for the three splits.

    A row for which it says something else, or nothing, is assigned by the hash of its identity, as all others are.
    """

    column: str
    train: str = "train"
    val: str = "val"
    test: str = "test"


class SplitRule(Strict):
    """What decided which rows the model was neither trained nor chosen on: the hash of a row's identity."""

    test_fraction: float
    val_fraction: float
    key: str = Field(description="the column that identifies a row")
    split_by: tuple[str | tuple[str, float], ...] = Field(
        default=(), description="what rows that belong together share: columns, or columns with the size of a cell"
    )
    predefined: PredefinedSplit | None = Field(default=None, description="what comes before the hash")


class Origin(Strict):
    """The code and the config that made one part of a bundle."""

    git_commit: str
    dirty: bool = Field(description="whether code or config that it depends on was changed and not committed")
    config_sha256: Digest


class Lineage(Strict):
    """Where a bundle comes from. Known once it has been registered, and no part of its identity.

    A model can be older than what was decided about it: new prices give it another policy without training it again.
    """

    trained: Origin | None = Field(default=None, description="what made the model")
    evaluated: Origin | None = Field(default=None, description="what made its policy, its figures and its card")
    data_sha256: Digest | None = None
    mlflow_run_id: str | None = None
    model_version: int | None = None


class Manifest(Strict):
    manifest_version: Literal[3] = 3
    use_case: str
    candidate: str = Field(description="which of the use case's models this is")
    created_at: str | None = Field(default=None, description="when it was registered; UTC, ISO 8601")
    inputs: tuple[InputField, ...]
    output: Output
    temperature: float = Field(default=1, gt=0, description="what the graph divides its logits by, for calibration")
    error_ratios: tuple[float, ...] = Field(
        default=(), description="of a regression: validation errors in units of their scale, in increasing order"
    )
    policy: Policy | None = Field(default=None, description="what decides whether the machine answers")
    card: dict[str, dict[str, str]] = Field(default={}, description="what it is for and what not, by language")
    figures: dict[str, float] = Field(default={}, description="its metrics on the test rows")
    promise: Promise | None = Field(default=None, description="what a monitor compares its live answers with")
    reference: dict[str, Reference]
    split: SplitRule | None = None
    batches: tuple[str, ...] = Field(
        default=(), description="the batches of the rows that it was trained and chosen on"
    )
    golden_inputs: dict[str, list[Any]] = Field(description="by input: one entry a row; null is a missing number")
    golden_outputs: list[list[float]]
    lineage: Lineage = Lineage()
    model_sha256: Digest

    def decider(self) -> Decider:
        return Decider(self.policy, self.output.classes, self.error_ratios)


# What differs between two registrations of the same bundle.
NOT_IDENTITY = ("created_at", "lineage")


def behavior_sha256(manifest: Manifest) -> str:
    """Names what a bundle does: its model, and what its answers and decisions follow from."""
    policy = manifest.policy
    # What an item costs by hand is the same whoever answers, and an audit comes after the answer.
    rests_on = None if policy is None else policy.model_dump(exclude={"prices": {"by_hand_yen"}, "audit_share": True})
    behavior = [
        manifest.model_sha256,
        manifest.error_ratios,
        rests_on,
        manifest.output.model_dump(exclude={"unit", "ordered", "minimum", "maximum"}),
    ]
    return hashlib.sha256(json.dumps(behavior, sort_keys=True).encode()).hexdigest()


def bundle_digest(manifest: Manifest) -> str:
    """Names a bundle: the digest of its whole manifest but for lineage, and so of its model too.

    The same bundle has the same digest wherever and whenever it was made and registered.
    """
    return _digest(json.loads(_json(manifest)))


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a bundle, and the bundle's digest.

    Raises BundleError if it is missing or does not fit.
    """
    raw = read_bounded(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"Bundle {folder} is refused: {MANIFEST_NAME}: {where}: {first['msg']}.") from error
    # Of what stands in the file: a default that is added to Manifest later must not change the names of older bundles.
    return manifest, _digest(json.loads(raw))


def _digest(content: dict[str, Any]) -> str:
    identity = {key: value for key, value in content.items() if key not in NOT_IDENTITY}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Give the bundle in `folder` this manifest."""
    files.write_text(folder / MANIFEST_NAME, _json(manifest))


def _json(manifest: Manifest) -> str:
    return manifest.model_dump_json(indent=1) + "\n"


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    try:
        if path.stat().st_size > limit_bytes:
            raise BundleError(f"Bundle {path.parent} is refused: {path.name} is over {limit_bytes} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"Bundle {path.parent} is refused: {path.name} can't be read ({error.strerror}). Publish the bundle again."
        ) from error
