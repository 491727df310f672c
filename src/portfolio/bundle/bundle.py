"""The bundle: `model.onnx` and `manifest.json`, all that training hands to serving.

The model takes raw inputs (pixels, numbers with NaN for missing, strings), because its preprocessing is inside
the graph. The manifest says everything that the server, its page and the monitor need. A bundle whose digest,
golden outputs or fields do not hold is refused when it is opened.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portfolio.bundle.manifest import (
    MODEL_NAME,
    InputField,
    Manifest,
    Output,
    read_bounded,
    read_manifest,
    tensor_names,
    write_manifest,
)
from portfolio.bundle.texts import normalized
from portfolio.core import files
from portfolio.core.closeness import relative_differences
from portfolio.core.dates import days_of
from portfolio.core.errors import BundleError
from portfolio.core.types import Array

if TYPE_CHECKING:
    import onnxruntime as ort

# A text takes the memory of its characters times themselves (attention) or of all n-grams (counts), padded to the
# longest in the run.
TEXTS_AT_ONCE = 64
MAX_MODEL_BYTES = 512 * 1024 * 1024
# The same graph on another processor may differ in the last bits of float32, never by more than this.
GOLDEN_TOLERANCE = 1e-4


class Bundle:
    """An opened and checked bundle. `predict` is safe to call from several threads."""

    def __init__(
        self, folder: Path, manifest: Manifest, digest: str, model_bytes: int, session: ort.InferenceSession
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.digest = digest
        self.model_bytes = model_bytes
        self.decider = manifest.decider()
        self._session = session
        self._outputs = [manifest.output.tensor]
        fields = manifest.inputs
        self._rows_at_once = rows_at_once(fields)
        self._names = list(zip(tensor_names(len(fields)), (field.name for field in fields), strict=True))

    @classmethod
    def open(cls, folder: Path, *, threads: int = 1) -> Bundle:
        """Read, check and load the bundle in `folder`.

        Raises BundleError if a file is missing, the digest differs, the graph and the manifest disagree on the
        fields, or the golden outputs do not hold.
        """
        manifest, digest = read_manifest(folder)
        model = read_bounded(folder / MODEL_NAME, MAX_MODEL_BYTES)
        found = hashlib.sha256(model).hexdigest()
        if found != manifest.model_sha256:
            raise BundleError(
                f"Bundle {folder} is refused: {MODEL_NAME} has SHA-256 {found[:12]}…, but its manifest says "
                f"{manifest.model_sha256[:12]}…. The file was changed or damaged; publish the bundle again."
            )
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        # A graph may name files that hold its weights; from bytes, they would be looked for in the current folder, past
        # the digest. A path that is not a folder has none, and ONNX Runtime lets no name lead out of it.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        try:
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own classes, which share no base
            raise BundleError(f"Bundle {folder} is refused: ONNX Runtime can't load it ({error}).") from error
        bundle = cls(folder, manifest, digest, len(model), session)
        bundle._check_fields()
        bundle._check_golden()
        return bundle

    def predict(self, inputs: dict[str, Array]) -> Array:
        """Probabilities [rows, classes], or values with their error scales [rows, 2]; float32.

        For inputs of shape [rows, width] each.
        """
        feed = {tensor: inputs[name] for tensor, name in self._names}
        return in_parts(self._run, feed, self._rows_at_once)

    def _run(self, feed: dict[str, Array]) -> Array:
        (output,) = self._session.run(self._outputs, feed)
        return np.asarray(output)

    def arrays(self, rows: dict[str, list[Any]]) -> dict[str, Array]:
        """Columns of plain values, one entry a row, as the tensors the graph takes. None becomes NaN."""
        return {field.name: to_array(field, rows[field.name]) for field in self.manifest.inputs}

    def _check_fields(self) -> None:
        graph = {node.name: (node.type, node.shape[1]) for node in self._session.get_inputs()}
        stated = {
            tensor: ("tensor(string)" if field.is_string else "tensor(float)", field.width)
            for (tensor, _), field in zip(self._names, self.manifest.inputs, strict=True)
        }
        if graph != stated:
            raise BundleError(
                f"Bundle {self.folder} is refused: the model's inputs {graph} are not the manifest's {stated}."
            )
        outputs = [node.name for node in self._session.get_outputs()]
        if outputs != [self.manifest.output.tensor]:
            raise BundleError(
                f"Bundle {self.folder} is refused: the model gives {outputs}, the manifest says "
                f"['{self.manifest.output.tensor}']."
            )

    def _check_golden(self) -> None:
        expected = np.asarray(self.manifest.golden_outputs, dtype=np.float64)
        try:
            found = self.predict(self.arrays(self.manifest.golden_inputs))
        except Exception as error:
            raise BundleError(f"Bundle {self.folder} is refused: its golden inputs fail ({error}).") from error
        is_golden = len(expected) > 0 and found.shape == expected.shape
        if not is_golden or not np.all(answer_differences(self.manifest.output, found, expected) <= GOLDEN_TOLERANCE):
            raise BundleError(
                f"Bundle {self.folder} is refused: its golden inputs do not give the golden outputs of the manifest "
                f"(tolerance {GOLDEN_TOLERANCE}). Train and publish it again."
            )


def answer_differences(output: Output, found: Array, expected: Array) -> Array:
    """How far answers [rows, classes] or [rows, values] are off: probabilities as they are, values by their size."""
    return np.abs(found - expected) if output.task == "classification" else relative_differences(found, expected)


def rows_at_once(fields: Sequence[InputField]) -> int | None:
    """How many rows a graph is given in one run; None for any number."""
    return TEXTS_AT_ONCE if any(field.kind == "text" for field in fields) else None


def in_parts(run: Callable[[dict[str, Array]], Array], feed: dict[str, Array], rows: int | None) -> Array:
    """What `run` gives for inputs [rows, width] by tensor, in runs of at most so many rows."""
    count = len(next(iter(feed.values())))
    if rows is None or count <= rows:
        return run(feed)
    parts = ({name: array[start : start + rows] for name, array in feed.items()} for start in range(0, count, rows))
    return np.concatenate([run(part) for part in parts])


def write_bundle(folder: Path, model: bytes, manifest: Manifest) -> None:
    """Write a bundle's two files into a folder that is whole or not there."""
    with files.replaced_folder(folder) as partial:
        (partial / MODEL_NAME).write_bytes(model)
        write_manifest(partial, manifest)


def copy_bundle(source: Path, target: Path, manifest: Manifest) -> None:
    """Copy a bundle under another manifest, such as the same with its lineage."""
    with files.replaced_folder(target) as partial:
        shutil.copyfile(source / MODEL_NAME, partial / MODEL_NAME)
        write_manifest(partial, manifest)


def to_array(field: InputField, values: list[Any]) -> Array:
    """Plain values of one field as a tensor [rows, width]; of a date, texts or days since 1970-01-01."""
    if field.normalization:
        values = [value and normalized(value) for value in values]
    if field.is_string:
        return np.array(["" if value is None else value for value in values], dtype=object).reshape(-1, 1)
    if field.kind == "date":
        values = [days_of(value) if isinstance(value, str) else value for value in values]
    return np.array(values, dtype=np.float32).reshape(len(values), field.width)
