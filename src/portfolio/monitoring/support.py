"""Whether rows are such as a model was trained on. Of others, its certainty says little."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from portfolio.bundle.manifest import Manifest
from portfolio.bundle.summaries import summaries
from portfolio.core.types import Array


def inside_support(manifest: Manifest, inputs: Mapping[str, Array]) -> Array:
    """Whether each row lies between the smallest and the largest of what was trained on, bool [rows].

    `inputs` by name, [rows, width]: numbers, the features of pictures that have names, and the lengths of texts; no
    category that was not declared. A missing value is no outlier.
    """
    rows = len(next(iter(inputs.values())))
    inside = np.ones(rows, dtype=bool)
    for field in manifest.inputs:
        values = inputs[field.name]
        if field.kind == "category":
            inside &= np.isin(values[:, 0].astype(str), [*field.categories, ""])
            continue
        reference = manifest.reference[field.name]
        for number, (name, column) in enumerate(summaries(field, values).items()):
            limits = reference if number == 0 else reference.summaries.get(name)
            if limits is not None and limits.low is not None and limits.high is not None:
                inside &= ~((column < limits.low) | (column > limits.high))
    return inside
