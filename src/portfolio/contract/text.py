"""The base of use cases whose rows are one text each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from portfolio.contract.drifts import Drift, text_drifts
from portfolio.contract.network_params import NetworkParams, TextParams
from portfolio.contract.use_case import UseCase

if TYPE_CHECKING:
    import torch

UNKNOWN_SHARE = 0.1


class Text(UseCase):
    """One input, a `FreeText`, read character by character, so that no language needs a tokenizer of its own.

    The scikit-learn candidates count runs of one to three characters (TF-IDF); the network reads the characters in
    their order.
    """

    kinds: ClassVar[tuple[str, ...]] = ("text",)
    network_params: ClassVar[type[NetworkParams]] = TextParams

    def preprocessor(self) -> Any:
        from sklearn.compose import ColumnTransformer
        from sklearn.feature_extraction.text import TfidfVectorizer

        (text,) = self.inputs
        # Texts come case-folded; lower-casing in the graph would need a locale.
        counted = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, lowercase=False)
        return ColumnTransformer([("characters", counted, text.name)])

    def candidates(self) -> dict[str, Any]:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.naive_bayes import ComplementNB
        from sklearn.svm import LinearSVC

        if self.output.task == "classification":
            svm = LinearSVC(random_state=0)
            return {
                "logistic_regression": LogisticRegression(C=10, max_iter=1000),
                "naive_bayes": ComplementNB(alpha=0.3),
                # An SVM gives distances, not probabilities; folds of the training rows turn them into those.
                "linear_svm": CalibratedClassifierCV(svm, ensemble=False),
            }
        return {"ridge": Ridge(alpha=1.0)}

    def network_preprocessor(self, params: Any) -> Any:
        from portfolio.contract.characters import Characters

        return Characters(params.context_length, params.vocabulary_size)

    def network(self, params: Any, width: int) -> torch.nn.Module:
        from portfolio.contract.text_networks import TextNetwork

        return TextNetwork(params, width, max(1, len(self.output.classes)))

    def augmentation(self) -> Callable[[torch.Tensor], torch.Tensor]:
        from portfolio.contract.text_networks import UnknownCharacters

        return UnknownCharacters(UNKNOWN_SHARE)

    def drifts(self) -> dict[str, Drift]:
        return text_drifts(*self.inputs)
