"""The base of use cases whose rows are one picture each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from portfolio.contract.drifts import Drift, picture_drifts
from portfolio.contract.network_params import ConvolutionParams, NetworkParams
from portfolio.contract.use_case import UseCase

if TYPE_CHECKING:
    import torch


class Images(UseCase):
    """One input, an `Image` with its minimum and maximum. Its pixels go into the models as they are."""

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    network_params: ClassVar[type[NetworkParams]] = ConvolutionParams

    def candidates(self) -> dict[str, Any]:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MinMaxScaler
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if self.output.task == "classification":
            return {
                "logistic_regression": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=1000)),
                "decision_tree": DecisionTreeClassifier(min_samples_leaf=2, random_state=0),
                "random_forest": RandomForestClassifier(n_estimators=100, random_state=0),
            }
        return {
            "ridge": make_pipeline(MinMaxScaler(), Ridge(alpha=1.0)),
            "decision_tree": DecisionTreeRegressor(min_samples_leaf=2, random_state=0),
            "random_forest": RandomForestRegressor(n_estimators=100, random_state=0),
        }

    def network(self, params: Any, width: int) -> torch.nn.Module:
        from portfolio.contract.networks import ConvolutionNetwork

        (image,) = self.inputs
        low, high = image.minimum or 0.0, image.maximum or 1.0
        height, across = image.shape
        shape = (height, across, image.channels)
        return ConvolutionNetwork(params, shape, low, high, max(1, len(self.output.classes)))

    def augmentation(self) -> Callable[[torch.Tensor], torch.Tensor]:
        from portfolio.contract.networks import Shifts

        (image,) = self.inputs
        height, across = image.shape
        return Shifts((height, across, image.channels), None if image.photo else image.minimum or 0.0)

    def drifts(self) -> dict[str, Drift]:
        return picture_drifts(*self.inputs)
