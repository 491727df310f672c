"""What is measured: the first use case of params.yaml, and its champion."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField, Output
from portfolio.bundle.store import Store
from portfolio.core.errors import ConfigError, PortfolioError, RegistryError
from portfolio.core.paths import PARAMS, default_use_case


def champion(use_case: str) -> Bundle:
    """The published champion. Raises RegistryError, with the remedy, if there is none."""
    store = Store.of(use_case)
    found = store.champion()
    if found is None:
        raise RegistryError(f"No champion of '{use_case}' has been published. Train one: make run USE_CASE={use_case}")
    return Bundle.open(store.bundle_folder(found.digest))


def image_champion() -> Bundle:
    """The champion of the first use case, an image classifier. Raises ConfigError if it is of another kind."""
    bundle = champion(default_use_case())
    image_of(bundle.manifest.use_case, bundle.manifest.inputs, bundle.manifest.output)
    return bundle


def is_image_classifier(inputs: Sequence[InputField], output: Output) -> bool:
    return [field.kind for field in inputs] == ["image"] and output.task == "classification"


def image_of(use_case: str, inputs: Sequence[InputField], output: Output) -> InputField:
    """The one input of an image classifier. Raises ConfigError if the use case is of another kind."""
    if not is_image_classifier(inputs, output):
        raise ConfigError(
            f"This needs an image classifier, a use case with one image as its input and classes as its target, and "
            f"'{use_case}', the first one in {PARAMS}, is of another kind. Put an image classifier first there."
        )
    return inputs[0]


@contextmanager
def one_message() -> Iterator[None]:
    """End on a user's mistake with its message alone; and on SIGTERM so that what was started ends, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    try:
        yield
    except PortfolioError as error:
        sys.exit(str(error))
