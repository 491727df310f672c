"""Which kinds of rows a model fails on. The kinds are found from the inputs alone: PCA, then k-means.

Because the errors have no say in how the rows are grouped, an exact test may compare each group's error rate with that
of the other rows. A group that looks worse by chance alone is named with at most 5%, however many groups there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from portfolio.bundle.manifest import InputField
from portfolio.core.types import Array
from portfolio.evaluation.statistics import CONFIDENCE

MAX_KINDS, ROWS_OF_A_KIND = 10, 40
COMPONENTS = 10
MAX_ROWS = 20_000
COMMON_CHARACTERS = 300
ALPHA = 0.05
TOLD_FEATURES = 3
SEED = 7
# A feature whose mean lies this many standard deviations off is worth telling.
TOLD_DEVIATIONS = 0.5


def error_kinds(fields: list[InputField], inputs: dict[str, Array], wrong: Array) -> list[dict[str, Any]]:
    """The groups of rows, the one with the highest error rate first; [] where they are too few, or all alike.

    `inputs` are [rows, width] by field, `wrong` bool [rows]. Of each group: `rows`, `errors`, the 95% interval of its
    error rate (Clopper and Pearson 1934), whether that is `worse` than elsewhere by more than chance, the number of a
    `typical` row, and its `features`, each with what is usual in the group and elsewhere.
    """
    # Here and below, because it takes a second of processor time to import: most who import this module find no kinds.
    from scipy.stats import binomtest, hypergeom

    rows = np.arange(len(wrong))[:MAX_ROWS]
    count = min(MAX_KINDS, len(rows) // ROWS_OF_A_KIND)
    if count < 2:
        return []
    inputs, wrong = {name: values[rows] for name, values in inputs.items()}, wrong[rows]
    places = _principal_components(np.concatenate([_numbers(field, inputs[field.name]) for field in fields], axis=1))
    centres, groups = _grouped(places, count)
    if len(centres) < 2:
        return []
    found = []
    for number in range(len(centres)):
        inside = groups == number
        size, errors = int(inside.sum()), int(wrong[inside].sum())
        low, high = binomtest(errors, size).proportion_ci(CONFIDENCE)
        chance = float(hypergeom.sf(errors - 1, len(rows), int(wrong.sum()), size))
        distances = ((places - centres[number]) ** 2).sum(axis=1)
        found.append(
            {
                "rows": size,
                "errors": errors,
                "low": float(low),
                "high": float(high),
                "worse": bool(errors and chance <= ALPHA / len(centres)),
                "typical": int(np.where(inside, distances, np.inf).argmin()),
                "features": _features(fields, inputs, inside),
            }
        )
    return sorted(found, key=lambda kind: (-kind["errors"] / kind["rows"], -kind["rows"]))


def _grouped(places: Array, count: int) -> tuple[Array, Array]:
    """The centres of at most `count` groups, and the group of each row: fewer where many rows are alike."""
    from scipy.cluster.vq import ClusterError, kmeans2

    count = min(count, len(np.unique(places.round(9), axis=0)))
    while True:
        try:
            centres, groups = kmeans2(places, count, minit="++", rng=SEED, iter=50, missing="raise")
            return np.asarray(centres), np.asarray(groups)
        except ClusterError:
            count -= 1


def _principal_components(columns: Array) -> Array:
    """The rows by their first principal components, [rows, COMPONENTS] or fewer."""
    centred = columns - columns.mean(axis=0)
    # From the products of the columns: there may be a hundred times as many rows.
    values, vectors = np.linalg.eigh(centred.T @ centred)
    kept = np.argsort(values)[::-1][:COMPONENTS]
    return np.asarray(centred @ vectors[:, kept])


def _numbers(field: InputField, values: Array) -> Array:
    """An input as columns of a common scale, float64 [rows, k]."""
    if field.kind == "category":
        return np.stack([values[:, 0] == category for category in field.categories], axis=1).astype(np.float64)
    if field.kind == "text":
        return _characters(values[:, 0].tolist())
    numbers = values.astype(np.float64)
    if field.kind == "image":
        # Pixels have one scale in common.
        return np.asarray(numbers / (numbers.std() or 1) / np.sqrt(field.width))
    missing = np.isnan(numbers)
    # By rank: a single huge value would be a group of its own.
    ranks = np.searchsorted(np.sort(numbers[~missing]), numbers[:, 0], side="left") / max(1, (~missing).sum())
    return np.stack([np.where(missing[:, 0], 0.5, ranks) * np.sqrt(12), missing[:, 0]], axis=1)


def _characters(texts: list[str]) -> Array:
    """The shares of the most common characters in each text, [rows, characters], rarer ones counting for more."""
    counts: dict[str, int] = {}
    for text in texts:
        for character in set(text):
            counts[character] = counts.get(character, 0) + 1
    common = sorted(counts, key=lambda character: (-counts[character], character))[:COMMON_CHARACTERS]
    place = {character: number for number, character in enumerate(common)}
    found = np.zeros((len(texts), max(1, len(common))))
    for row, text in enumerate(texts):
        for character in set(text) & place.keys():
            found[row, place[character]] = 1
    weights = np.log((1 + len(texts)) / (1 + np.array([counts[character] for character in common] or [0])))
    found *= weights
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))


def _features(fields: list[InputField], inputs: dict[str, Array], inside: Array) -> list[dict[str, Any]]:
    """What sets the rows apart: of a number the median inside and elsewhere, of a category the shares."""
    from scipy.stats import rankdata

    found: list[tuple[float, dict[str, Any]]] = []
    for field in fields:
        column = inputs[field.name][:, 0]
        if field.kind == "category":
            for category in field.categories:
                shares = (column[inside] == category).mean(), (column[~inside] == category).mean()
                spread = float((column == category).std()) or 1
                told = {"name": field.name, "value": category, "inside": float(shares[0]), "outside": float(shares[1])}
                found.append((float(shares[0] - shares[1]) / spread, told))
        elif field.kind in ("number", "date"):
            there = np.isfinite(column.astype(np.float64))
            numbers, within = column[there].astype(np.float64), inside[there]
            if within.any() and not within.all():
                ranks = rankdata(numbers) / len(numbers)
                distance = abs(float(ranks[within].mean() - ranks[~within].mean())) * np.sqrt(12)
                medians = float(np.median(numbers[within])), float(np.median(numbers[~within]))
                told = {"name": field.name, "value": None, "inside": medians[0], "outside": medians[1]}
                # Where even the medians are the same, there is nothing to be told in one number.
                found.append((distance if medians[0] != medians[1] else 0.0, told))
    found.sort(key=lambda one: -one[0])
    return [told for distance, told in found[:TOLD_FEATURES] if distance >= TOLD_DEVIATIONS]
