"""configs/<use_case>.yaml, everything one can tune, read by one strict model: an unknown key is an error."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from portfolio.bundle.policy import Policy, Prices
from portfolio.contract.network_params import NetworkParams
from portfolio.core.errors import ConfigError
from portfolio.core.faults import faults, yaml_fault
from portfolio.core.spelling import meant
from portfolio.core.types import Strict

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Collect(Strict):
    until: date | None = Field(
        default=None,
        description="later batches of the source are neither collected nor used, as if they had not arrived yet",
    )


class Validate(Strict):
    max_bad_fraction: float = Field(default=0.05, ge=0, le=1, description="a batch with more is quarantined whole")
    min_rows: int = Field(default=1, ge=1, description="a batch with fewer rows is quarantined whole")
    max_quarantined_fraction: float = Field(
        default=0.5, ge=0, le=1, description="of all rows; with more in quarantine, validation fails"
    )


class Prepare(Strict):
    val_fraction: Fraction = 0.15
    test_fraction: Fraction = 0.2

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        if self.val_fraction + self.test_fraction >= 0.9:
            raise ValueError("val_fraction + test_fraction must be less than 0.9, to leave rows to train on")
        return self


class Train(Strict):
    seed: int = Field(default=7, ge=0)
    max_epochs: int = Field(default=30, ge=1, le=10_000)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=0.005, gt=0, le=1)
    weight_decay: float = Field(default=0.001, ge=0, le=1)
    patience: int = Field(default=6, ge=1, description="epochs without a better validation loss before training stops")
    members: int = Field(default=3, ge=1, le=20, description="networks that are trained side by side and averaged")
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(
        default="cpu", description="others train another network from the same seed; a GPU is worth it for texts"
    )
    augment: bool = Field(
        default=False, description="change training batches at random as the use case's `augmentation` does"
    )


class Value(Prices):
    """The prices, and what counts as wrong."""

    tolerance: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="how far off a value may be and still be right"
    )
    prefer: Literal["best", "simplest"] = Field(
        default="best", description="of candidates within noise of the best by value"
    )
    audit_share: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="of the machine's own answers, the random share that a person is asked about too, so that live "
        "figures are of all answers",
    )

    @property
    def prices(self) -> Prices:
        return Prices(by_hand_yen=self.by_hand_yen, check_yen=self.check_yen, error_yen=self.error_yen)

    @property
    def policy(self) -> Policy:
        return Policy(prices=self.prices, tolerance=self.tolerance, audit_share=self.audit_share)


class Gate(Strict):
    """What a challenger must keep to, however much it is worth."""

    min_gain: float = Field(
        default=0.001, ge=0, le=1, description="by how much it must be worth more, as a share of the cost by hand"
    )
    max_latency_ms: float = Field(default=5, gt=0, description="the median time of one row on one core")
    max_model_mb: float = Field(default=50, gt=0)


class Retrain(Strict):
    """When the monitor may ask for a retraining, what it may learn from, and who decides on its result."""

    min_labels: int = Field(
        default=200, ge=1, description="this many new labels ask for a retraining, even if the model does as promised"
    )
    cool_down_hours: float = Field(
        default=24, ge=0, le=8760, description="the shortest time from one retraining to the next, up to a year"
    )
    max_per_week: int = Field(
        default=3, ge=0, description="retrainings that the monitor may ask for in any seven days; 0 switches them off"
    )
    max_contradicted: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="labels that contradict a larger share of the answers that the model was certain of are not "
        "learned from: they are more likely to be wrong than the model",
    )
    require_approval: bool = Field(
        default=False, description="a person must agree, in Prefect's UI, before a new model is promoted"
    )


Changes = dict[str, Any]
"""Other values for keys of the config, by their dotted names: {"train.seed": 8}."""


class Studies(Strict):
    """What each study varies. A study's name is its key here."""

    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = Field(
        default=(7, 8, 9), description="every training is repeated with each"
    )
    learning_curve: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.1, 0.25, 0.5, 1), alias="learning-curve", min_length=2, description="of the training rows"
    )
    capacity: tuple[Changes, ...] = Field(default=(), description="networks from small to large")
    ablation: dict[str, Changes] = Field(default={}, description="each beside the network as configured")
    cross_validate: int = Field(default=5, alias="cross-validate", ge=2, le=20, description="the number of folds")
    spread: int = Field(default=10, ge=2, le=100, description="the number of seeds that the headline is measured with")


class Between(Strict):
    """A number to be tuned."""

    low: float
    high: float
    log: bool = Field(default=False, description="search on a logarithmic scale")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError("with log: true, low must be greater than 0")
        return self


class OneOf(Strict):
    """Something to be chosen."""

    choices: Annotated[tuple[Any, ...], Field(min_length=2)]


class Tune(Strict):
    """How many trials, and over which values of which keys."""

    trials: int = Field(default=24, ge=1, le=10_000)
    space: Annotated[dict[str, Between | OneOf], Field(min_length=1)]


SPACE = {
    "train.learning_rate": {"low": 0.0005, "high": 0.02, "log": True},
    "train.weight_decay": {"low": 0.000001, "high": 0.1, "log": True},
}
"""What is tuned of every network, unless the config says otherwise."""


class Config(Strict):
    """One use case's config. `network` is read by the use case's own model."""

    # Set on load, not in the file.
    use_case: str
    sha256: str

    collect: Collect = Collect()
    # `validate` is the stage's name; pydantic has an old method of that name.
    validate_: Validate = Field(default=Validate(), alias="validate")
    prepare: Prepare = Prepare()
    train: Train = Train()
    network: dict[str, Any]
    value: Value
    gate: Gate = Gate()
    retrain: Retrain = Retrain()
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
            raise ConfigError(faults(f"{config_path(self.use_case)} with {changes}", error, Config)) from error


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
        close = meant(last, section) if isinstance(section, dict) else ""
        hint = f"did you mean '{'.'.join([*sections, close])}'?" if close else "is it a typo?"
        raise ConfigError(f"{path}: there is no key '{key}'; {hint}")
    return section, last


class _Loader(yaml.SafeLoader):
    """As in YAML 1.2, only true and false are booleans: a class may be called no."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def config_path(use_case: str) -> Path:
    return Path("configs") / f"{use_case}.yaml"


def read_config(use_case: str, network: type[NetworkParams]) -> Config:
    """Read a use case's config; what it does not say has its default, some of them of its network's kind.

    Raises ConfigError naming the file, the key, the value and what is allowed.
    """
    path = config_path(use_case)
    try:
        raw = path.read_bytes()
        content = yaml.load(raw, _Loader)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing. Run this in the repository's root, or add the file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML in UTF-8 ({yaml_fault(error)}). Correct that line.") from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} must hold at least the prices, such as value: {{by_hand_yen: 100, check_yen: 30, error_yen: "
            f"1000}}. What it does not say of {', '.join(SECTIONS)} has its default."
        )
    for section in content:
        if section in SECTIONS and content[section] is None:
            content[section] = {}
    defaults: dict[str, dict[str, Any]] = {
        "studies": {"capacity": network.capacity, "ablation": network.ablation},
        "tune": {"space": {**SPACE, **network.space}},
        "network": {},
    }
    for section, values in defaults.items():
        stated = content.get(section, {})
        content[section] = {**values, **stated} if isinstance(stated, dict) else stated
    try:
        config = Config.model_validate({**content, "use_case": use_case, "sha256": hashlib.sha256(raw).hexdigest()})
    except ValidationError as error:
        raise ConfigError(faults(str(path), error, Config)) from error
    params = network.read(config.network, f"{path}, section 'network'")
    return config.model_copy(update={"network": params.model_dump(mode="json")})
