"""BentoML, as its documentation shows it, with an async method, which is the faster one for a small model."""

import bentoml
import numpy as np
from onnx_session import TENSOR, open_session


@bentoml.service(workers=1)
class Classifier:
    def __init__(self) -> None:
        self.session = open_session()

    @bentoml.api
    async def predict(self, rows: np.ndarray) -> np.ndarray:
        (probabilities,) = self.session.run(["probabilities"], {TENSOR: rows.astype(np.float32)})
        return probabilities
