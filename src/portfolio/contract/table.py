"""The base of use cases whose rows are numbers and categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from portfolio.contract.drifts import Drift, table_drifts
from portfolio.contract.network_params import NetworkParams, PerceptronParams
from portfolio.contract.use_case import UseCase

if TYPE_CHECKING:
    import torch


# Beyond this, what most estimators need for each class adds up: boosting grows a tree, every leaf of a forest holds a
# probability, and a linear model trains for hours. One tree with so many leaves, and the network, stay small.
MANY_CLASSES = 50
LEAVES_OF_MANY_CLASSES = 1000
# LightGBM gives the same model whatever the number of threads. One, because the network trains at the same time, and
# threads that share a core with another process wait for each other.
REPEATABLE: dict[str, Any] = {
    "random_state": 0,
    "deterministic": True,
    "force_row_wise": True,
    "n_jobs": 1,
    "verbose": -1,
}


class Table(UseCase):
    """Missing numbers become the median, numbers are scaled, a category becomes one column a value.

    A date is a number, its days, with more numbers that follow from it: see `calendar`.

    LightGBM alone takes missing numbers as they are, and each category as one column.
    """

    kinds: ClassVar[tuple[str, ...]] = ("number", "category", "date")
    network_params: ClassVar[type[NetworkParams]] = PerceptronParams

    def preprocessor(self) -> Any:
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        # A column that is empty throughout stays one: the network's width must not depend on the rows.
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        # An unknown category is all zeros, rather than an error.
        encoder = OneHotEncoder(categories=self._categories(), handle_unknown="ignore", sparse_output=False)
        return ColumnTransformer(self._parts(make_pipeline(imputer, StandardScaler()), encoder))

    def candidates(self) -> dict[str, Any]:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if len(self.output.classes) > MANY_CLASSES:
            tree = DecisionTreeClassifier(min_samples_leaf=10, max_leaf_nodes=LEAVES_OF_MANY_CLASSES, random_state=0)
            return {"decision_tree": tree}
        if self.output.task == "classification":
            return {
                "logistic_regression": LogisticRegression(max_iter=1000),
                "decision_tree": DecisionTreeClassifier(min_samples_leaf=10, random_state=0),
                "random_forest": RandomForestClassifier(
                    n_estimators=100, min_samples_leaf=3, n_jobs=-1, random_state=0
                ),
                "lightgbm": self._lightgbm(),
            }
        return {
            "ridge": Ridge(alpha=1.0),
            "decision_tree": DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
            "random_forest": RandomForestRegressor(n_estimators=60, min_samples_leaf=3, n_jobs=-1, random_state=0),
            "lightgbm": self._lightgbm(),
        }

    def _lightgbm(self) -> Any:
        """Gradient boosting. Missing numbers stay missing; a category is its place in the list, an unseen one -1."""
        from lightgbm import LGBMClassifier, LGBMRegressor
        from sklearn.compose import ColumnTransformer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OrdinalEncoder

        encoder = OrdinalEncoder(
            categories=self._categories(), handle_unknown="use_encoded_value", unknown_value=-1, dtype="float32"
        )
        estimator = LGBMClassifier if self.output.task == "classification" else LGBMRegressor
        boosting = estimator(n_estimators=200, learning_rate=0.05, **REPEATABLE)
        return make_pipeline(ColumnTransformer(self._parts("passthrough", encoder)), boosting)

    def _parts(self, numbers: Any, categories: Any) -> list[tuple[str, Any, list[str]]]:
        """What is done to the columns of each kind, as a ColumnTransformer takes it."""
        fields = self.graph_features.fields
        of_numbers = [field.name for field in fields if field.kind in ("number", "date")]
        of_categories = [field.name for field in fields if field.kind == "category"]
        parts = [("numbers", numbers, of_numbers), ("categories", categories, of_categories)]
        return [part for part in parts if part[2]]

    def _categories(self) -> list[list[str]]:
        """The values of each category. A missing one is the empty text, one more value."""
        fields = [field for field in self.inputs if field.kind == "category"]
        return [[*field.categories, *([""] if field.nullable else [])] for field in fields]

    def network(self, params: Any, width: int) -> torch.nn.Module:
        from portfolio.contract.networks import Perceptron

        return Perceptron(params, width, max(1, len(self.output.classes)))

    def drifts(self) -> dict[str, Drift]:
        return table_drifts(self.inputs)
