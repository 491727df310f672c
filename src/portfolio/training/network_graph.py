"""ONNX graphs of trained networks."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch

from portfolio.bundle.graph import IR_VERSION, OPSET, behind_features, finished
from portfolio.bundle.manifest import Output, tensor_names
from portfolio.contract.graph_features import GraphFeatures
from portfolio.training.sklearn_graph import convert_sklearn


def network_graph(
    graph_features: GraphFeatures, output: Output, preprocessor: Any | None, network: torch.nn.Module, width: int
) -> onnx.ModelProto:
    """A network, whose outputs are probabilities or values, behind its preprocessor, as one graph."""
    # Both are said of every export: torchvision is not needed here, and the deprecation is torch's own.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    first = tensor_names(1)[0] if preprocessor is None else "features"
    rows_and_width: dict[int, Any] = {0: torch.export.Dim("rows")}
    if getattr(preprocessor, "is_sequence", False):
        # In the graph, sequences are as long as the longest of the request, and not as the longest that there may be.
        rows_and_width[1] = torch.export.Dim("length", min=1, max=width)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network.eval(),
            # Two rows: a batch of one would be frozen into the graph.
            (torch.zeros(2, width),),
            str(path),
            input_names=[first],
            output_names=[output.tensor],
            dynamic_shapes=(rows_and_width,),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        graph = onnx.load(str(path))
    if preprocessor is None:
        return finished(graph)
    before = convert_sklearn(graph_features.fields, preprocessor, has_classes=False)
    graph.ir_version = before.ir_version = IR_VERSION
    (features,) = [tensor.name for tensor in before.graph.output]
    merged = onnx.compose.merge_models(
        onnx.compose.add_prefix(before, "pre/", rename_inputs=False, rename_outputs=False),
        onnx.compose.add_prefix(graph, "net/", rename_inputs=False, rename_outputs=False),
        io_map=[(features, first)],
    )
    return behind_features(merged, graph_features.graph()) if graph_features.names else finished(merged)
