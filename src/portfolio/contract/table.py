"""The base of use cases whose rows are numbers and categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from portfolio.contract.network_params import NetworkParams, PerceptronParams
from portfolio.contract.use_case import UseCase

if TYPE_CHECKING:
    import torch


class Table(UseCase):
    """Missing numbers become the median, numbers are scaled, a category becomes one column a value."""

    network_params: ClassVar[type[NetworkParams]] = PerceptronParams

    def preprocessor(self) -> Any:
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numbers = [field.name for field in self.sql_features.fields if field.kind == "number"]
        categories = [field for field in self.inputs if field.kind == "category"]
        # A column that is empty throughout stays one: the network's width must not depend on the rows.
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        encoder = OneHotEncoder(
            # A missing category is the empty text, one more value; an unknown one is all zeros, rather than an error.
            categories=[[*field.categories, *([""] if field.nullable else [])] for field in categories],
            handle_unknown="ignore",
            sparse_output=False,
        )
        parts = [
            ("numbers", make_pipeline(imputer, StandardScaler()), numbers),
            ("categories", encoder, [field.name for field in categories]),
        ]
        return ColumnTransformer([part for part in parts if part[2]])

    def candidates(self) -> dict[str, Any]:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if self.output.task == "classification":
            return {
                "logistic_regression": LogisticRegression(max_iter=1000),
                "decision_tree": DecisionTreeClassifier(min_samples_leaf=10, random_state=0),
                "random_forest": RandomForestClassifier(
                    n_estimators=100, min_samples_leaf=3, n_jobs=-1, random_state=0
                ),
            }
        return {
            "ridge": Ridge(alpha=1.0),
            "decision_tree": DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
            "random_forest": RandomForestRegressor(n_estimators=60, min_samples_leaf=3, n_jobs=-1, random_state=0),
        }

    def network(self, params: Any, width: int) -> torch.nn.Module:
        from portfolio.contract.networks import Perceptron

        return Perceptron(params, width, max(1, len(self.output.classes)))
