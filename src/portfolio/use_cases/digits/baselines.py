"""The simpler candidates for digits."""

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler


def baselines() -> dict[str, Any]:
    return {"logistic_regression": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=1000))}
