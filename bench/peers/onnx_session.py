"""The model as every peer runs it: on one thread, like ours. Its facts come from the environment."""

import os

import onnxruntime as ort

# What requests call the image, what the graph calls it, and how many values it has.
FIELD, TENSOR, WIDTH = os.environ["MODEL_FIELD"], os.environ["MODEL_TENSOR"], int(os.environ["MODEL_WIDTH"])


def open_session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
