"""BentoML, as its documentation shows it, with an async method, which is the faster one for a small model."""

import bentoml
import numpy as np
from onnx_session import open_session


@bentoml.service(workers=1)
class Digits:
    def __init__(self) -> None:
        self.session = open_session()

    @bentoml.api
    async def predict(self, pixels: np.ndarray) -> np.ndarray:
        (probabilities,) = self.session.run(["probabilities"], {"pixels": pixels.astype(np.float32)})
        return probabilities
