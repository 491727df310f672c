"""Calibration: a probability of 0.9 should be right nine times in ten, because the decision relies on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from portfolio.bundle.manifest import SMALLEST_PROBABILITY
from portfolio.core.types import Array

BINS = 10
# The standard deviation of the logarithm of a temperature, before any data: two in three lie between 0.7 and 1.4.
PRIOR_SPREAD = 0.35
_LOG_TEMPERATURES = (-3.0, 3.0)


def softened(probabilities: Array, temperature: float) -> npt.NDArray[np.float64]:
    """Probabilities [rows, classes] of which the logits are divided by the temperature."""
    logits = np.log(np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, 1)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def fit_temperature(probabilities: Array, targets: Array, prior_spread: float = PRIOR_SPREAD) -> float:
    """The temperature that fits probabilities [rows, classes] to targets [rows] best (Guo et al. 2017).

    A prior holds it near 1: a model that is right on all of few rows would else come out as sure without end.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        likelihood = softened(probabilities, np.exp(log_temperature))[rows, targets]
        return float((log_temperature / prior_spread) ** 2 / 2 - np.log(likelihood + 1e-300).sum())

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded").x))


@dataclass(frozen=True)
class Reliability:
    """By bin of the top probability: how many rows, how sure the model is of them, and how often it is right."""

    rows: list[int]
    confidence: list[float]
    accuracy: list[float]

    @property
    def ece(self) -> float:
        """The expected calibration error: the gap between the two, weighted by rows (Naeini et al. 2015)."""
        gaps = np.abs(np.array(self.confidence) - np.array(self.accuracy))
        return float(np.sum(gaps * self.rows) / np.sum(self.rows))


def reliability(probabilities: Array, targets: Array) -> Reliability:
    """Of probabilities [rows, classes] against targets [rows], in ten bins of equal width; empty ones are left out."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    used = rows > 0
    return Reliability(
        rows[used].tolist(),
        (np.bincount(bins, confidence, BINS)[used] / rows[used]).tolist(),
        (np.bincount(bins, right, BINS)[used] / rows[used]).tolist(),
    )
