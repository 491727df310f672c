"""All that can be known to be wrong with a use case before any of its data is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from portfolio.bundle.manifest import METRICS, ORDERED_METRICS
from portfolio.contract.config import Config, Value, config_path
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import ConfigError
from portfolio.core.paths import PARAMS, listed_use_cases
from portfolio.core.spelling import meant

TODO = "TODO"


def check(use_case: UseCase) -> None:
    """Raises ConfigError with the file, the reason and the remedy of the first thing that is wrong."""
    found = problems(use_case)
    if found:
        raise ConfigError(found[0])


def problems(use_case: UseCase) -> list[str]:
    """All that is wrong, each with the file, the reason and the remedy."""
    found: list[str] = []

    def attempt(part: Callable[[], object]) -> bool:
        try:
            part()
        except ConfigError as error:
            found.append(str(error))
            return False
        return True

    attempt(lambda: _check_listed(use_case))
    attempt(lambda: _check_names(use_case))
    attempt(lambda: _check_columns(use_case))
    attempt(lambda: _check_kinds(use_case))
    attempt(lambda: _check_target(use_case))
    attempt(lambda: _check_features(use_case))
    attempt(use_case.card_texts)
    # What studies and tuning change must fit too, or they fail after minutes.
    if attempt(lambda: _check_config(use_case, use_case.config(), "")):
        config = use_case.config()
        for changes in config.variations():
            if not attempt(lambda: _check_config(use_case, config.changed(changes), f" with {changes}")):  # noqa: B023
                break
    return found


def doubts(use_case: UseCase) -> list[str]:
    """What can be meant, and probably is not."""
    path, prices = config_path(use_case.name), use_case.config().value.prices
    found = []
    if prices.check_yen >= prices.by_hand_yen:
        found.append(
            f"{path}: a check ({prices.check_yen:g} yen) costs no less than doing it by hand ({prices.by_hand_yen:g} "
            "yen), so nothing is saved by any answer that a person checks."
        )
    if prices.highest_error_yen <= prices.check_yen:
        found.append(
            f"{path}: no error costs more than a check ({prices.check_yen:g} yen), so the machine answers everything "
            "by itself, however unsure it is."
        )
    return found


def to_do(use_case: UseCase) -> list[tuple[Path, int, str]]:
    """What is marked TODO in a use case's files: the file, the line, and what it says."""
    found = []
    for path in (use_case.folder / "use_case.py", use_case.folder / "card.yaml", config_path(use_case.name)):
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found += [(path, number, line.strip()) for number, line in enumerate(lines, start=1) if TODO in line]
    return found


def _check_listed(use_case: UseCase) -> None:
    if use_case.name not in listed_use_cases():
        raise ConfigError(
            f"'{use_case.name}' is not in {PARAMS}, from which DVC takes the use cases. Add this line under "
            f"`use_cases:`\n  - {use_case.name}"
        )


def _check_names(use_case: UseCase) -> None:
    """Raise ConfigError for what is misspelled in the class's body, and would be ignored without a word."""
    classes = type(use_case).__mro__
    base = next(kind for kind in classes if kind.__module__.startswith(f"{__package__}."))
    known = {name for name in (*dir(base), *UseCase.__annotations__) if not name.startswith("_")}
    for name in dict.fromkeys(name for own in classes[: classes.index(base)] for name in vars(own)):
        close = "" if name.startswith("_") or name in known else meant(name, known)
        if close:
            raise ConfigError(
                f"{use_case.folder / 'use_case.py'}: there is no attribute '{name}' in "
                f"{'an' if base.__name__ == 'Images' else 'a'} {base.__name__}: did you mean '{close}'? If it is "
                f"something of your own, call it _{name}."
            )


def _check_columns(use_case: UseCase) -> None:
    where = use_case.folder / "use_case.py"
    names = [field.name for field in use_case.inputs]
    if not names:
        raise ConfigError(f'{where}: `inputs` is empty. Declare at least one, such as Number("age", 0, 120).')
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"{where}: `inputs` has {', '.join(twice)} twice. Leave one out.")
    taken = {use_case.target.column: "the target", use_case.key: "the key"}
    for name in names:
        if name in taken:
            raise ConfigError(
                f"{where}: '{name}' is {taken[name]}, which a model must not see. Take it out of `inputs`."
            )
        if name in use_case.ignore:
            raise ConfigError(f"{where}: '{name}' is both an input and ignored. Take it out of one of them.")
    if use_case.target.column in use_case.ignore:
        raise ConfigError(f"{where}: the target '{use_case.target.column}' is ignored. Take it out of `ignore`.")
    unknown = [name for name in use_case.trusted if name not in names]
    if unknown:
        raise ConfigError(f"{where}: `trusted` has {', '.join(unknown)}, and no input has that name. Correct it.")
    for name in (*names, *use_case.columns()):
        if name in RESERVED:
            raise ConfigError(
                f"{where}: the project adds a column '{name}' itself ({RESERVED[name]}). Rename the one in the data."
            )
    known = use_case.source.known_columns
    for name in use_case.columns():
        if known and name not in known:
            raise ConfigError(f"{where}: the source has no column '{name}'. It has: {', '.join(known)}.")
    for field in use_case.inputs:
        if field.name in use_case.source.cell_columns and field.kind != "number":
            raise ConfigError(
                f"{where}: split_by: a Cell needs a column of numbers, and '{field.name}' is declared as another kind. "
                "Name the column itself, or a Number."
            )
        if field.minimum is not None and field.maximum is not None and field.minimum >= field.maximum:
            raise ConfigError(f"{where}: '{field.name}': the minimum must be less than the maximum.")
        repeated = [text for text, count in Counter(field.categories).items() if count > 1]
        if field.kind == "category" and (repeated or not field.categories or "" in field.categories):
            raise ConfigError(
                f"{where}: '{field.name}': list each category once, and none that is empty; for rows without one, add "
                "missing=True."
            )


def _check_kinds(use_case: UseCase) -> None:
    """Raise ConfigError if the base's models would leave out an input without a word, or fail on it."""
    where = use_case.folder / "use_case.py"
    classes = type(use_case).__mro__
    base = next((kind for kind in classes if vars(kind).get("kinds")), None)
    # Whoever writes a preprocessor of their own may take what they like.
    if base is None or any("preprocessor" in vars(own) for own in classes[: classes.index(base)]):
        return
    for field in use_case.inputs:
        if field.kind not in use_case.kinds:
            declared, fitting = DECLARED[field.kind]
            raise ConfigError(
                f"{where}: '{field.name}' is {declared}, which {base.__name__} does not take. Derive the class from "
                f"{fitting}, with that input alone, or leave the input out."
            )
    kind = use_case.kinds[0]
    if kind in ("image", "text") and len(use_case.inputs) != 1:
        count = len(use_case.inputs)
        raise ConfigError(f"{where}: {base.__name__} takes one input, {DECLARED[kind][0]}; it has {count}.")


def _check_features(use_case: UseCase) -> None:
    features = use_case.graph_features
    if not features.names:
        return
    if not all(field.kind in ("number", "category", "date") for field in use_case.inputs):
        raise ConfigError(
            f"{features.path}: features are of numbers, categories and dates, and there are other inputs."
        )
    # Put together once, so that what the graph can't have is said now.
    features.graph()


DECLARED = {
    "number": ("a Number", "Table"),
    "category": ("a Category", "Table"),
    "date": ("a Date", "Table"),
    "image": ("an Image", "Images"),
    "text": ("a FreeText", "Text"),
}
"""How each kind of input is declared, and the base that takes it."""
RESERVED = {"batch": "the batch that brought a row", "reason": "why a row is in quarantine"}


def _check_target(use_case: UseCase) -> None:
    where, output = use_case.folder / "use_case.py", use_case.output
    if output.task == "classification":
        for values, what in ((output.labels, "label"), (output.classes, "name")):
            repeated = [text for text, count in Counter(values).items() if count > 1]
            if repeated:
                raise ConfigError(f"{where}: the target has the {what} {', '.join(repeated)} twice. Leave one out.")
        if len(output.classes) < 2:
            raise ConfigError(f"{where}: the target needs at least two classes.")
    known = METRICS[output.task] + (ORDERED_METRICS if output.ordered else ())
    if use_case.metric not in known:
        raise ConfigError(
            f"{where}: there is no metric '{use_case.metric}' for {output.task}. There are: {', '.join(known)}."
        )


def _check_config(use_case: UseCase, config: Config, changed: str) -> None:
    path = config_path(use_case.name)
    use_case.network_params.read(config.network, f"{path}, section 'network'{changed}")
    value = config.value
    if use_case.output.task == "regression":
        _check_quantity(use_case, value)
    else:
        try:
            value.prices.error_costs(use_case.output.classes)
        except ValueError as error:
            raise ConfigError(
                f"{path}: value.{error}. Give one price, or one for each class: {', '.join(use_case.output.classes)}."
            ) from error
        if value.tolerance is not None:
            raise ConfigError(f"{path}: value.tolerance is for quantities; a class is right or wrong. Leave it out.")
    if config.train.augment and type(use_case).augmentation is UseCase.augmentation:
        raise ConfigError(
            f"{path}: train.augment{changed}: '{use_case.name}' has no augmentation. Set it to false, or write the "
            "method `augmentation`."
        )


def _check_quantity(use_case: UseCase, value: Value) -> None:
    path, output = config_path(use_case.name), use_case.output
    unit = f", in {output.unit}" if output.unit else ""
    if value.tolerance is None:
        raise ConfigError(f"{path}: value.tolerance is missing. Say how far off a {output.name} may be{unit}.")
    if isinstance(value.error_yen, dict):
        raise ConfigError(f"{path}: value.error_yen must be one price: prices by class are for classes.")
