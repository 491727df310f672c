"""ONNX graphs of fitted scikit-learn pipelines, LightGBM's estimators among them."""

from __future__ import annotations

import copy
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from portfolio.bundle.graph import OPSET, PADDING, behind_features, finished, only_output, rename
from portfolio.bundle.manifest import InputField, Output, tensor_names
from portfolio.contract.graph_features import GraphFeatures
from portfolio.core.errors import BundleError
from portfolio.core.types import Array
from portfolio.training.logarithms import Bounds

ML_OPSET = 3
EXPORTABLE = (
    "LogisticRegression, Ridge, LinearRegression, DecisionTree, RandomForest, ExtraTrees, GradientBoosting, AdaBoost, "
    "HistGradientBoosting without categorical features, LightGBM, Bagging, Stacking, KNeighbors, GaussianNB, "
    "ComplementNB, MLP, SVR, and SVC or LinearSVC inside CalibratedClassifierCV(..., ensemble=False)"
)


def sklearn_graph(
    features: GraphFeatures, output: Output, pipeline: Any, *, logarithms: Bounds | None = None
) -> onnx.ModelProto:
    """A fitted scikit-learn pipeline as a graph from the raw inputs to the output; features are computed in it.

    With `logarithms`, the pipeline predicts that of the value, and answers stay within these bounds.
    Raises BundleError for an estimator that has no conversion to ONNX.
    """
    estimator = pipeline[-1]
    if any(np.any(getattr(part, "is_categorical_", None)) for part in _parts(estimator)):
        raise BundleError(
            f"{type(estimator).__name__} splits by categories as they are (categorical_features), which its export to "
            "ONNX would leave out without a word. Leave that option out, so that categories come as one column each."
        )
    try:
        graph = convert_sklearn(features.fields, pipeline, has_classes=output.task == "classification")
    except Exception as error:  # skl2onnx fails in many ways, with messages of up to thousands of lines
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise BundleError(
            f"{type(estimator).__name__} can't be exported to ONNX ({reason}). Use one that can: {EXPORTABLE}."
        ) from error
    if output.task == "classification":
        graph = _for_every_class(only_output(graph, "probabilities", output.tensor), pipeline, output)
    else:
        graph = _value_output(graph, output.tensor, logarithms)
    return behind_features(graph, features.graph()) if features.names else finished(graph)


def convert_sklearn(inputs: Sequence[InputField], model: Any, *, has_classes: bool) -> onnx.ModelProto:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.preprocessing import StandardScaler

    if "lightgbm" in sys.modules:
        _register_lightgbm()
    model = _by_position(model, [field.name for field in inputs])
    types = [
        (tensor, (StringTensorType if field.is_string else FloatTensorType)([None, field.width]))
        for tensor, field in zip(tensor_names(len(inputs)), inputs, strict=True)
    ]
    # A division, as scikit-learn has it, and no product with the inverse.
    options: dict[Any, dict[str, Any]] = {StandardScaler: {"div": "div"}}
    if has_classes:
        options[id(model)] = {"zipmap": False}
    with warnings.catch_warnings(), _whole_numbers():
        # Of characters it does, and a candidate whose graph differs from its model is refused.
        warnings.filterwarnings("ignore", message="The conversion of CountVectorizer may not work")
        # skl2onnx 1.20 looks whether a support-vector machine has them; scikit-learn 1.9 says that they will go.
        warnings.filterwarnings("ignore", message="Attribute `prob._` was deprecated", category=FutureWarning)
        graph: onnx.ModelProto = to_onnx(
            model, initial_types=types, target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET}, options=options
        )
    _pad_with_no_text(graph)
    return graph


def _pad_with_no_text(graph: onnx.ModelProto) -> None:
    """skl2onnx 1.20 pads short texts with "#", which is then counted in them if any training text has one."""
    for node in graph.graph.node:
        for attribute in node.attribute if node.op_type == "Tokenizer" else ():
            if attribute.name == "pad_value":
                attribute.s = PADDING.encode()


def _by_position(model: Any, names: list[str]) -> Any:
    """A copy of the model that picks its columns by number: skl2onnx knows columns by the tensors' names alone."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    model = copy.deepcopy(model)
    for part in _parts(model[-1] if isinstance(model, Pipeline) else model):
        if hasattr(part, "flatten_transform"):
            # Of no account for what it predicts, and the only form that skl2onnx knows.
            part.flatten_transform = False
    first = model
    while isinstance(first, Pipeline):
        first = first[0]
    if isinstance(first, ColumnTransformer):
        first.transformers_ = [
            (name, transformer, _numbers(columns, names)) for name, transformer, columns in first.transformers_
        ]
    return model


def _numbers(columns: Any, names: list[str]) -> Any:
    if isinstance(columns, str):
        return names.index(columns)
    return [names.index(column) if isinstance(column, str) else column for column in columns]


def _parts(estimator: Any) -> Iterator[Any]:
    """The estimator and those inside it."""
    yield estimator
    inner = [getattr(estimator, name, None) for name in ("best_estimator_", "estimator", "final_estimator_")]
    for part in [*inner, *np.ravel(getattr(estimator, "estimators_", []))]:
        if hasattr(part, "get_params"):
            yield from _parts(part)


def _for_every_class(model: onnx.ModelProto, pipeline: Any, output: Output) -> onnx.ModelProto:
    """Give a column to the classes, too, that there was no training row of: their probability is 0."""
    known = np.asarray(pipeline.classes_, dtype=np.int64)
    if len(known) == len(output.classes):
        return model
    before = f"{output.tensor}_of_known"
    rename(model, output.tensor, before)
    places = np.eye(len(output.classes), dtype=np.float32)[known]
    model.graph.initializer.append(numpy_helper.from_array(places, "classes/places"))
    model.graph.node.append(helper.make_node("MatMul", [before, "classes/places"], [output.tensor]))
    del model.graph.output[:]
    shape = [None, len(output.classes)]
    model.graph.output.append(helper.make_tensor_value_info(output.tensor, TensorProto.FLOAT, shape))
    return model


def _value_output(model: onnx.ModelProto, name: str, logarithms: Bounds | None) -> onnx.ModelProto:
    """Give the one output its name; behind a model of the logarithm, put its bounds and the exponential."""
    (output,) = model.graph.output
    if logarithms is None:
        return only_output(model, output.name, name)
    names, within = ["logarithm/smallest", "logarithm/largest"], "logarithm"
    for bound, value in zip(names, logarithms, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), bound))
    model.graph.node.append(helper.make_node("Clip", [output.name, *names], [within]))
    model.graph.node.append(helper.make_node("Exp", [within], [name]))
    model.graph.output.remove(output)
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]))
    return model


@contextmanager
def _whole_numbers() -> Iterator[None]:
    """skl2onnx 1.20 gives a leaf's flag as a boolean, which onnx 1.23 no longer takes for a whole number."""
    from skl2onnx.common import tree_ensemble

    add_node = tree_ensemble.add_node

    def add(*arguments: Any, nodes_missing_value_tracks_true: Any = 0, **more: Any) -> None:
        add_node(*arguments, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **more)

    tree_ensemble.add_node = add
    try:
        yield
    finally:
        tree_ensemble.add_node = add_node


def _register_lightgbm() -> None:
    """Tell skl2onnx how LightGBM's estimators are converted, which is what onnxmltools knows."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options=options,
    )
    update_registered_converter(
        LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        convert_lightgbm,
        options={"split": None},
    )


def round_to_float32(estimator: Any) -> Any:
    """Round what a fitted scikit-learn estimator has learnt as its float32 graph will, and give it back.

    The last bit of a scaled feature, or of a threshold, decides on which side of a tree's split a row falls. With both
    rounded beforehand, scikit-learn and the graph agree on every row.
    """
    for part in [step for _, step, *_ in getattr(estimator, "steps", getattr(estimator, "transformers_", []))]:
        round_to_float32(part)
    for tree in getattr(estimator, "estimators_", []):
        round_to_float32(tree)
    for name in ("mean_", "scale_"):
        if hasattr(estimator, name):
            setattr(estimator, name, getattr(estimator, name).astype(np.float32).astype(np.float64))
    if hasattr(estimator, "booster_"):
        _round_booster(estimator)
    if hasattr(estimator, "tree_"):
        _round_down(estimator.tree_.threshold)
    for trees in getattr(estimator, "_predictors", []):
        for tree in trees:
            _round_down(tree.nodes["num_threshold"])
    return estimator


def _round_booster(estimator: Any) -> None:
    """The same for LightGBM, whose thresholds can be reached in the model's text alone."""
    from lightgbm import Booster

    def rounded(line: re.Match[str]) -> str:
        thresholds = np.array(line[1].split(), dtype=np.float64)
        _round_down(thresholds)
        return f"threshold={' '.join(map(repr, thresholds.tolist()))}"

    # Without the sizes of the trees' texts, which change, and which it does not need.
    text = re.sub(r"^tree_sizes=.*\n", "", estimator.booster_.model_to_string(), flags=re.MULTILINE)
    # Its constructor alone takes a text; there is no way to give an estimator another booster.
    estimator._Booster = Booster(model_str=re.sub(r"^threshold=(.+)$", rounded, text, flags=re.MULTILINE))


def _round_down(thresholds: Array) -> None:
    """Round float64 thresholds to float32 in their place.

    Down, never up: no float32 feature lies between, and rounded up it could meet the next one.
    """
    rounded = thresholds.astype(np.float32)
    thresholds[:] = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
