"""Saves the model for `mlflow models serve`, in the flavour that MLflow has for ONNX: mlflow_model.py FOLDER."""

import os
import sys

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from onnx_session import TENSOR, WIDTH

mlflow.onnx.save_model(
    onnx.load(os.environ["MODEL"]),
    sys.argv[1],
    signature=ModelSignature(Schema([TensorSpec(np.dtype(np.float32), (-1, WIDTH), TENSOR)])),
    onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
    pip_requirements=["onnxruntime"],
)
