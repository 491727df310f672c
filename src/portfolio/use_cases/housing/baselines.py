"""The preprocessing and the simpler candidates for housing."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from portfolio.use_cases.housing import CATEGORIES, USE_CASE


def preprocessor() -> ColumnTransformer:
    """Missing numbers become the median, numbers are scaled, the category becomes one column a value."""
    numbers = [field.name for field in USE_CASE.inputs if field.kind == "number"]
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            # An unknown category is all zeros, rather than an error while serving.
            (
                "category",
                OneHotEncoder(categories=[list(CATEGORIES)], handle_unknown="ignore", sparse_output=False),
                ["ocean_proximity"],
            ),
        ]
    )


def baselines() -> dict[str, Any]:
    return {
        "ridge": Ridge(alpha=1.0),
        "decision_tree": DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
        "random_forest": RandomForestRegressor(n_estimators=60, min_samples_leaf=3, n_jobs=-1, random_state=0),
    }
