"""configs/<use_case>.yaml, everything one can tune, read by one strict model: an unknown key is an error."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, HttpUrl, ValidationError, model_validator

from portfolio.bundle.policy import Prices
from portfolio.core.errors import ConfigError
from portfolio.core.types import Digest, Strict

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Collect(Strict):
    """Where raw rows come from, and how many days of them have arrived."""

    source: Literal["embedded", "web"]
    url: HttpUrl | None = None
    sha256: Digest | None = None
    start: date
    batches: int = Field(ge=1, le=3660)
    until: date

    @model_validator(mode="after")
    def _web_is_pinned(self) -> Self:
        if self.source == "web" and not (self.url and self.sha256):
            raise ValueError("source 'web' needs both url and sha256, so that the bytes are pinned")
        if self.until < self.start:
            raise ValueError(f"until ({self.until}) lies before start ({self.start}): nothing would be collected")
        return self


class Validate(Strict):
    max_bad_fraction: float = Field(ge=0, le=1)
    min_rows: int = Field(ge=1)


class Prepare(Strict):
    val_fraction: Fraction
    test_fraction: Fraction

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        if self.val_fraction + self.test_fraction >= 0.9:
            raise ValueError("val_fraction + test_fraction must stay under 0.9, to leave rows to train on")
        return self


class Train(Strict):
    seed: int = Field(ge=0)
    max_epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0, le=1)
    patience: int = Field(ge=1)
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    augment: bool = Field(description="change training batches at random as the use case's `augmentation` does")


class Value(Prices):
    """The prices, what counts as wrong, and the thresholds that the policy is chosen from."""

    tolerance: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="how far off a value may be and still be right"
    )
    thresholds: Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)]
    prefer: Literal["best", "simplest"] = Field(description="of candidates within noise of the best by value")

    @property
    def prices(self) -> Prices:
        return Prices(by_hand_yen=self.by_hand_yen, check_yen=self.check_yen, error_yen=self.error_yen)


class Gate(Strict):
    """What a challenger must keep to, however much it is worth."""

    max_latency_ms: float = Field(gt=0, description="the median time of one row on one core")
    max_model_mb: float = Field(gt=0)


Changes = dict[str, Any]
"""Other values for keys of the config, by their dotted names: {"train.seed": 8}."""


class Studies(Strict):
    """What each study varies. A study's name is its key here."""

    seeds: Annotated[tuple[int, ...], Field(min_length=1, description="every training is repeated with each")]
    learning_curve: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(alias="learning-curve", min_length=2)
    capacity: Annotated[tuple[Changes, ...], Field(min_length=2)]
    ablation: Annotated[dict[str, Changes], Field(min_length=1)]
    cross_validate: int = Field(alias="cross-validate", ge=2, le=20, description="the number of folds")


class Between(Strict):
    """A number to be tuned."""

    low: float
    high: float
    log: bool = Field(default=False, description="look for it by its logarithm")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must lie under high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError("a range looked at by its logarithm must lie above 0")
        return self


class OneOf(Strict):
    """Something to be chosen."""

    choices: Annotated[tuple[Any, ...], Field(min_length=2)]


class Tune(Strict):
    """How many trials, and over which values of which keys."""

    trials: int = Field(ge=1, le=10_000)
    space: Annotated[dict[str, Between | OneOf], Field(min_length=1)]


class Config(Strict):
    """One use case's config. `network` is read by the use case's own model."""

    # Set on load, not in the file.
    use_case: str
    sha256: str

    collect: Collect
    # `validate` is the stage's name; pydantic has an old method of that name.
    validate_: Validate = Field(alias="validate")
    prepare: Prepare
    train: Train
    network: dict[str, Any]
    value: Value
    gate: Gate
    studies: Studies
    tune: Tune

    def sections(self) -> dict[str, Any]:
        """What the file says or leaves to its defaults, as JSON values."""
        return self.model_dump(mode="json", by_alias=True, exclude={"use_case", "sha256"})

    def variations(self) -> Iterator[Changes]:
        """All that studies and tuning change, one after the other: each must fit, or it fails after minutes."""
        yield from self.studies.capacity
        yield from self.studies.ablation.values()
        for key, values in self.tune.space.items():
            for value in (values.low, values.high) if isinstance(values, Between) else values.choices:
                yield {key: value}

    def at(self, key: str) -> Any:
        """The value of a dotted key. Raises ConfigError if there is no such key."""
        section, last = section_of(self.model_dump(by_alias=True), key, config_path(self.use_case))
        return section[last]

    def changed(self, changes: Changes) -> Config:
        """This config with other values.

        Raises ConfigError if there is no such key, or if a value is not allowed.
        """
        content = self.model_dump(by_alias=True)
        for key, value in changes.items():
            section, last = section_of(content, key, config_path(self.use_case))
            section[last] = value
        try:
            return Config.model_validate(content)
        except ValidationError as error:
            raise ConfigError(explain(f"{config_path(self.use_case)} with {changes}", error)) from error


SECTIONS = tuple(
    field.alias or name for name, field in Config.model_fields.items() if name not in ("use_case", "sha256")
)
STUDIES = tuple(field.alias or name for name, field in Studies.model_fields.items() if name != "seeds")


def section_of(content: dict[str, Any], key: str, path: Path) -> tuple[dict[str, Any], str]:
    """Where a dotted key stands in a config's content: its section, and its name there.

    Raises ConfigError naming the file at `path` if there is no such key.
    """
    section: Any = content
    *sections, last = key.split(".")
    for name in sections:
        section = section.get(name) if isinstance(section, dict) else None
    if not isinstance(section, dict) or last not in section:
        raise ConfigError(f"{path}: there is no key '{key}'; is it a typo?")
    return section, last


def config_path(use_case: str) -> Path:
    return Path("configs") / f"{use_case}.yaml"


def load_config(use_case: str) -> Config:
    """Read and check a use case's config.

    Raises ConfigError naming the file, the key, the value and what is allowed.
    """
    path = config_path(use_case)
    try:
        raw = path.read_bytes()
        content = yaml.safe_load(raw)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing. Run this in the repository's root, or add the file.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}. Mend the line it names.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold sections: {', '.join(SECTIONS)}.")
    try:
        return Config.model_validate({**content, "use_case": use_case, "sha256": hashlib.sha256(raw).hexdigest()})
    except ValidationError as error:
        raise ConfigError(explain(str(path), error)) from error


def explain(where: str, error: ValidationError) -> str:
    """Every fault of a validation error: the key, the value and what is allowed."""
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {key}: there is no such key; is it a typo?")
        elif fault["type"] == "missing":
            lines.append(f"  {key}: is missing")
        else:
            lines.append(f"  {key}: {fault['msg']} (found {fault['input']!r})")
    return f"{where} does not fit:\n" + "\n".join(lines)
