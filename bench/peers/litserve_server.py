"""LitServe, as its documentation shows it. With BATCH=1 it forms batches of waiting requests, of any number of rows."""

import os
from typing import Any

import litserve
import numpy as np
from onnx_session import FIELD, TENSOR, open_session


class Predict(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.session = open_session()

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.array([instance[FIELD] for instance in request["instances"]], dtype=np.float32)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        self.ends = np.cumsum([len(rows) for rows in inputs])[:-1]
        return np.concatenate(inputs)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        (probabilities,) = self.session.run(["probabilities"], {TENSOR: rows})
        return probabilities

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return np.split(output, self.ends)

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    batching = {"max_batch_size": 32, "batch_timeout": 0.002} if os.environ["BATCH"] == "1" else {}
    server = litserve.LitServer(Predict(**batching), accelerator="cpu", devices=1, workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
