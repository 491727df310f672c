"""A solution of exercises/e05_unseen_errors."""

from __future__ import annotations

from scipy.stats import beta


def highest_error_rate(errors: int, rows: int) -> float:
    return 1.0 if errors == rows else float(beta.ppf(0.975, errors + 1, rows - errors))
