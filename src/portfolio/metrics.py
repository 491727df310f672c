"""The metrics of the field, by scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn import metrics

from portfolio.bundle import Array, Output


def score(output: Output, targets: Array, predictions: Array) -> dict[str, float]:
    """Metrics of predictions [rows, classes] or [rows, 1] against targets [rows]. Averages over classes are macro."""
    if output.task == "regression":
        values = predictions[:, 0]
        mse = float(metrics.mean_squared_error(targets, values))
        return {
            "mae": float(metrics.mean_absolute_error(targets, values)),
            "mse": mse,
            "rmse": mse**0.5,
            "r2": float(metrics.r2_score(targets, values)),
        }
    labels = np.arange(len(output.classes))
    chosen = predictions.argmax(axis=1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        targets, chosen, labels=labels, average="macro", zero_division=0.0
    )
    probabilities = predictions.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    # Of two classes scikit-learn wants the second's column alone.
    ranked = probabilities[:, 1] if len(output.classes) == 2 else probabilities
    return {
        "accuracy": float(metrics.accuracy_score(targets, chosen)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "auc": float(metrics.roc_auc_score(targets, ranked, multi_class="ovr", labels=labels)),
        "log_loss": float(metrics.log_loss(targets, probabilities, labels=labels)),
    }
