"""The bundle: `model.onnx` and `manifest.json`, all that training hands to serving.

The model takes raw inputs (pixels, numbers with NaN for missing, strings), because its preprocessing is inside
the graph. The manifest says everything that the server, its page and the monitor need. A bundle whose digest,
golden outputs or fields do not hold is refused when it is opened.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from portfolio import files
from portfolio.errors import BundleError
from portfolio.value import Policy

if TYPE_CHECKING:
    import onnxruntime as ort

MODEL_NAME = "model.onnx"
MANIFEST_NAME = "manifest.json"
MAX_MODEL_BYTES = 512 * 1024 * 1024
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
LATENCY_RUNS = 200
# The same graph on another processor may differ in the last bits of float32, never by more than this.
GOLDEN_TOLERANCE = 1e-4

Array = npt.NDArray[Any]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputField(Strict):
    """One input of the model. In the graph it is a tensor [rows, width]."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    kind: Literal["image", "number", "category", "text"]
    description: str
    shape: tuple[int, ...] = Field(default=(), description="(height, width) of an image; () for a single value")
    minimum: float | None = Field(default=None, description="smallest value that is possible at all")
    maximum: float | None = Field(default=None, description="largest value that is possible at all")
    step: float | None = Field(default=None, gt=0, description="every value is a multiple of it")
    categories: tuple[str, ...] = Field(default=(), description="the categories seen in training")
    nullable: bool = Field(default=False, description="may be missing (null)")
    example: list[float] | float | str

    @property
    def width(self) -> int:
        return prod(self.shape)

    @property
    def is_string(self) -> bool:
        """Whether its tensor holds strings; all others hold float32."""
        return self.kind in ("category", "text")

    @model_validator(mode="after")
    def _example_fits(self) -> Self:
        if (self.kind == "image") != (len(self.shape) == 2):
            raise ValueError(f"field '{self.name}': an image has a shape (height, width), and nothing else has one")
        if self.kind == "image" and not (isinstance(self.example, list) and len(self.example) == self.width):
            raise ValueError(f"field '{self.name}': the example must be a list of {self.width} values")
        return self


class Output(Strict):
    """What the model answers: `probabilities` [rows, classes] or `value` [rows, 1]."""

    task: Literal["classification", "regression"]
    name: str = Field(description="what is predicted, in words")
    classes: tuple[str, ...] = Field(default=(), description="the classes in the order of the probabilities")
    unit: str = ""

    @property
    def tensor(self) -> str:
        return "probabilities" if self.task == "classification" else "value"


class Reference(Strict):
    """The distribution of one input in the training data: shares of the rows by bin or by category."""

    edges: tuple[float, ...] = Field(
        default=(), description="the inner bin edges of a number, of an image's mean, or of a text's length"
    )
    categories: tuple[str, ...] = ()
    shares: tuple[float, ...]
    missing_share: float


class Lineage(Strict):
    """Where a bundle comes from. The last two are known once it has been registered."""

    git_commit: str
    data_sha256: Digest
    config_sha256: Digest
    mlflow_run_id: str | None = None
    model_version: int | None = None


class Manifest(Strict):
    manifest_version: Literal[1] = 1
    use_case: str
    candidate: str = Field(description="which of the use case's models this is")
    created_at: str | None = Field(default=None, description="when it was registered; UTC, ISO 8601")
    inputs: tuple[InputField, ...]
    output: Output
    temperature: float = Field(default=1, gt=0, description="what the graph divides its logits by, for calibration")
    policy: Policy | None = Field(default=None, description="when the machine answers; chosen by the evaluation")
    card: dict[str, dict[str, str]] = Field(default={}, description="what it is for and what not, by language")
    figures: dict[str, float] = Field(default={}, description="its metrics on the test rows")
    reference: dict[str, Reference]
    golden_inputs: dict[str, list[Any]] = Field(description="by input: one entry a row; null is a missing number")
    golden_outputs: list[list[float]]
    lineage: Lineage
    model_sha256: Digest


def content_sha256(manifest: Manifest) -> str:
    """Names what a bundle does, its model and its policy, whatever run, commit or version it comes from."""
    policy = "" if manifest.policy is None else manifest.policy.model_dump_json()
    return hashlib.sha256(f"{manifest.model_sha256} {policy}".encode()).hexdigest()


def bundle_digest(manifest: Manifest) -> str:
    """Names a whole bundle: the digest of its manifest, which holds the model's."""
    return hashlib.sha256(_json(manifest).encode()).hexdigest()


class Bundle:
    """An opened and checked bundle. `predict` is safe to call from several threads."""

    def __init__(self, folder: Path, manifest: Manifest, digest: str, session: ort.InferenceSession) -> None:
        self.folder = folder
        self.manifest = manifest
        self.digest = digest
        self._session = session

    @classmethod
    def open(cls, folder: Path, *, threads: int = 1) -> Bundle:
        """Read, check and load the bundle in `folder`.

        Raises BundleError if a file is missing, the digest differs, the graph and the manifest disagree on the
        fields, or the golden outputs do not hold.
        """
        manifest, digest = read_manifest(folder)
        model = _read_bounded(folder / MODEL_NAME, MAX_MODEL_BYTES)
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
        # the digest. In what is no folder there are none, and ONNX Runtime lets no name lead out of it.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        try:
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own classes, which share no base
            raise BundleError(f"Bundle {folder} is refused: ONNX Runtime can't load it ({error}).") from error
        bundle = cls(folder, manifest, digest, session)
        bundle._check_fields()
        bundle._check_golden()
        return bundle

    def predict(self, inputs: dict[str, Array]) -> Array:
        """Probabilities [rows, classes] or values [rows, 1], float32, for inputs of shape [rows, width] each."""
        (output,) = self._session.run([self.manifest.output.tensor], inputs)
        return np.asarray(output)

    @property
    def model_bytes(self) -> int:
        return (self.folder / MODEL_NAME).stat().st_size

    def latency_ms(self, inputs: dict[str, Array]) -> float:
        """The median time of one row, the first of `inputs`, in milliseconds."""
        row = {name: array[:1] for name, array in inputs.items()}
        seconds = []
        for _ in range(LATENCY_RUNS):
            started = time.perf_counter()
            self.predict(row)
            seconds.append(time.perf_counter() - started)
        return float(np.median(seconds) * 1000)

    def arrays(self, rows: dict[str, list[Any]]) -> dict[str, Array]:
        """Columns of plain values, one entry a row, as the tensors the graph takes. None becomes NaN."""
        return {field.name: to_array(field, rows[field.name]) for field in self.manifest.inputs}

    def _check_fields(self) -> None:
        graph = {node.name: (node.type, node.shape[1]) for node in self._session.get_inputs()}
        stated = {
            field.name: ("tensor(string)" if field.is_string else "tensor(float)", field.width)
            for field in self.manifest.inputs
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
        if len(expected) == 0 or found.shape != expected.shape or not _close(found, expected):
            raise BundleError(
                f"Bundle {self.folder} is refused: its golden inputs do not give the golden outputs of the manifest "
                f"(tolerance {GOLDEN_TOLERANCE}). Train and publish it again."
            )


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a bundle and its digest, which names the whole bundle (the manifest holds the model's).

    Raises BundleError if it is missing or does not fit.
    """
    raw = _read_bounded(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    try:
        return Manifest.model_validate_json(raw), hashlib.sha256(raw).hexdigest()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"Bundle {folder} is refused: {MANIFEST_NAME}: {where}: {first['msg']}.") from error


def write_bundle(folder: Path, model: bytes, manifest: Manifest) -> None:
    """Write a bundle's two files into a folder that is whole or not there."""
    with files.replaced_folder(folder) as partial:
        (partial / MODEL_NAME).write_bytes(model)
        write_manifest(partial, manifest)


def copy_bundle(source: Path, target: Path, manifest: Manifest) -> None:
    """Copy a bundle under another manifest (the same, with its lineage completed)."""
    with files.replaced_folder(target) as partial:
        shutil.copyfile(source / MODEL_NAME, partial / MODEL_NAME)
        write_manifest(partial, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Give the bundle in `folder` this manifest."""
    files.write_text(folder / MANIFEST_NAME, _json(manifest))


def _json(manifest: Manifest) -> str:
    return manifest.model_dump_json(indent=1) + "\n"


def to_array(field: InputField, values: list[Any]) -> Array:
    """Plain values of one field as a tensor [rows, width]."""
    if field.is_string:
        return np.array(["" if value is None else value for value in values], dtype=object).reshape(-1, 1)
    return np.array(values, dtype=np.float32).reshape(len(values), field.width)


def _close(found: Array, expected: Array) -> bool:
    scale = np.maximum(1.0, np.abs(expected))
    return bool(np.all(np.abs(found - expected) <= GOLDEN_TOLERANCE * scale))


def _read_bounded(path: Path, limit_bytes: int) -> bytes:
    try:
        if path.stat().st_size > limit_bytes:
            raise BundleError(f"Bundle {path.parent} is refused: {path.name} is over {limit_bytes} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"Bundle {path.parent} is refused: {path.name} can't be read ({error.strerror}). Publish the bundle again."
        ) from error
