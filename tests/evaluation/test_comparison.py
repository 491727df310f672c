"""Of candidates with given values: which is registered, and why."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from portfolio.bundle.policy import VALUE
from portfolio.contract.loading import load_use_case
from portfolio.evaluation.comparison import choose
from tests.conftest import edit_config


def test_the_simplest_within_noise_is_taken_where_the_config_prefers_it(workspace: Path) -> None:
    sizes = {"tiny": 1, "small": 10, "large": 100}
    models: Any = {name: SimpleNamespace(bundle=SimpleNamespace(model_bytes=size)) for name, size in sizes.items()}
    figures = {"tiny": {VALUE: 10.0}, "small": {VALUE: 99.0}, "large": {VALUE: 100.0}}
    noise = np.random.default_rng(0).normal(0, 3, (len(sizes), 500))
    resampled: Any = {name: figures[name][VALUE] + noise[row] for row, name in enumerate(sizes)}
    found = {}
    for prefer in ("best", "simplest"):
        edit_config("toy", value={"prefer": prefer})
        chosen, within_noise, why = choose(load_use_case("toy").config(), models, figures, resampled)
        assert within_noise == ["small"]
        assert "within noise of" in why
        found[prefer] = chosen
    assert found == {"best": "large", "simplest": "small"}
