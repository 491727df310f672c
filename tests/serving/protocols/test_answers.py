from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serving.protocols.answers import Decisions, answer_rows
from tests.serving.routes.conftest import rents


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, {"low": 155, "high": 245}),
        ({"minimum": 0.0, "maximum": 1000.0}, {"low": 155, "high": 245}),
        ({"minimum": 180.0, "maximum": 210.0}, {"low": 180, "high": 210}),
        # The value itself is what the model says.
        ({"minimum": 220.0}, {"low": 200, "high": 245}),
    ],
)
def test_an_interval_has_no_values_that_can_not_be_true(
    tmp_path: Path, bounds: dict[str, float], expected: dict[str, float]
) -> None:
    manifest = rents(tmp_path).manifest
    output = manifest.output.model_copy(update=bounds)
    bundle: Any = SimpleNamespace(manifest=manifest.model_copy(update={"output": output}), decider=manifest.decider())
    (answer,) = answer_rows(bundle, Decisions(bundle, np.array([[200, 20]], dtype=np.float32)))
    assert answer["value"] == 200
    assert answer["interval"] == {**expected, "level": 0.9}
