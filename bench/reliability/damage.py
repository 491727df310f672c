"""Bundles that are damaged or made to do harm: each is refused, and the old one goes on serving."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx.external_data_helper import set_external_data

from bench import random_model
from bench.clients import Clients
from bench.reliability.asking import body, call, metric, predict_request, publish
from bench.rows import Row
from bench.server import portfolio_server
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import MANIFEST_NAME, MODEL_NAME

CONNECTIONS = 2
HARM_NAME = "harm"


class Harm:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


class Damages:
    """Makes damaged copies of a good bundle in `store`, and gives what champion.json is to say of each."""

    def __init__(self, store: Path, good: Bundle, seed: int) -> None:
        self._bundles = store / "bundles"
        self._good = good
        self._model = (good.folder / MODEL_NAME).read_bytes()
        self._manifest = (good.folder / MANIFEST_NAME).read_bytes()
        self._random = random.Random(seed)
        self.harm = store / HARM_NAME

    def flipped_model(self) -> str:
        return self._write(self._flipped(self._model), self._manifest, self._good.digest)

    def flipped_manifest(self) -> str:
        return self._write(self._model, self._flipped(self._manifest), self._good.digest)

    def truncated_model(self) -> str:
        return self._write(self._cut(self._model), self._manifest, self._good.digest)

    def truncated_manifest(self) -> str:
        return self._write(self._model, self._cut(self._manifest), self._good.digest)

    def wrong_opset(self) -> str:
        model = onnx.ModelProto.FromString(self._model)
        model.opset_import[0].version = self._random.choice([0, 99, 1000, -1, 2**40])
        return self._consistent(model.SerializeToString())

    def wrong_fields(self) -> str:
        """Another name, width, kind or number of classes than the graph has."""
        field = self._good.manifest.inputs[0].model_dump()
        change = self._random.choice(["name", "width", "classes", "more", "unknown"])
        manifest = json.loads(self._manifest)
        if change == "name":
            manifest["inputs"][0]["name"] = "other"
        elif change == "width":
            height, width = field["shape"]
            manifest["inputs"][0] |= {"shape": [height, width + 1], "example": [*field["example"], *[0] * height]}
        elif change == "classes":
            manifest["output"]["classes"].append("more")
        elif change == "more":
            manifest["inputs"].append({**manifest["inputs"][0], "name": "second"})
        else:
            manifest["surprise"] = self._random.random()
        return self._consistent(self._model, manifest)

    def wrong_golden_outputs(self) -> str:
        manifest = json.loads(self._manifest)
        first = manifest["golden_outputs"][0]
        first[self._random.randrange(len(first))] += self._random.choice([0.001, -0.1, 1])
        return self._consistent(self._model, manifest)

    def external_data(self) -> str:
        """Its weights are in a file, which is there, and right."""
        model = onnx.ModelProto.FromString(self._model)
        weights = next(tensor for tensor in model.graph.initializer if len(tensor.raw_data) > 256)
        # The server's current folder is the store.
        store = self._bundles.parent
        for folder in (store, store.parent):
            (folder / "weights.bin").write_bytes(weights.raw_data)
        name = self._random.choice(["weights.bin", "./weights.bin", "../weights.bin", str(store / "weights.bin")])
        set_external_data(weights, name, 0, len(weights.raw_data))
        weights.ClearField("raw_data")
        return self._consistent(model.SerializeToString())

    def pickled(self) -> str:
        return self._consistent(pickle.dumps(Harm(self.harm), protocol=self._random.choice([0, 2, 4, 5])))

    def climbing(self) -> str:
        """The digest in champion.json leads out of the store, to a bundle that is whole."""
        outside = self._bundles.parent.parent / "outside"
        if not outside.exists():
            shutil.copytree(self._good.folder, outside)
        return self._random.choice(
            ["../../outside", str(outside), "../bundles/../../outside", f"./{self._good.digest}"]
        )

    def missing(self) -> str:
        return hashlib.sha256(self._random.randbytes(8)).hexdigest()

    def _flipped(self, raw: bytes) -> bytes:
        position = self._random.randrange(len(raw))
        return raw[:position] + bytes([raw[position] ^ 1 << self._random.randrange(8)]) + raw[position + 1 :]

    def _cut(self, raw: bytes) -> bytes:
        return raw[: self._random.randrange(len(raw))]

    def _consistent(self, model: bytes, manifest: dict[str, Any] | None = None) -> str:
        """With every digest right, so that it is refused for what it is."""
        changed = {**(manifest or json.loads(self._manifest)), "model_sha256": hashlib.sha256(model).hexdigest()}
        raw = json.dumps(changed).encode()
        return self._write(model, raw, hashlib.sha256(raw).hexdigest())

    def _write(self, model: bytes, manifest: bytes, digest: str) -> str:
        folder = self._bundles / digest
        folder.mkdir()
        (folder / MODEL_NAME).write_bytes(model)
        (folder / MANIFEST_NAME).write_bytes(manifest)
        return digest

    def shares(self) -> list[tuple[float, Callable[[], str]]]:
        """Each kind with its share of the whole."""
        return [
            (0.4, self.flipped_model),
            (0.2, self.flipped_manifest),
            (0.1, self.truncated_model),
            (0.1, self.truncated_manifest),
            (0.04, self.wrong_opset),
            (0.04, self.wrong_fields),
            (0.04, self.wrong_golden_outputs),
            (0.03, self.external_data),
            (0.02, self.pickled),
            (0.02, self.climbing),
            (0.01, self.missing),
        ]


# What champion.json itself may be instead.
NAMINGS = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"digest": 1}',
    b"[" * 100_000,
    b'{"digest": "' + b"a" * 64 + b'"}',
)


def bundles(work: Path, like: Bundle, *, count: int = 2000, seed: int = 0) -> list[Row]:
    """All refused with a reason; no request fails meanwhile; a good one is taken afterwards."""
    publish(work, like, 1)
    good = random_model.make(work / "good", like, widths=(64,), version=2)
    store = work / "store" / like.manifest.use_case
    damages = Damages(store, good, seed)
    tried = refused = 0
    with (
        portfolio_server(work, use_case=like.manifest.use_case, cwd=store, poll_seconds="60") as server,
        Clients(server.url, predict_request(server.url, body(like)), CONNECTIONS) as clients,
    ):
        for naming in (*(_naming(digest) for digest in _made(damages, count)), *NAMINGS):
            tried += 1
            (store / "champion.json").write_bytes(naming)
            status, answer, _ = call(f"{server.url}/admin/reload", b"")
            refused += status == 200 and bool(answer["last_refusal"]) and answer["model"]["version"] == 1
        counted = metric(server.url, "portfolio_refusals_total")
        publish(work, good, 2)
        taken = call(f"{server.url}/admin/reload", b"")[1]["model"]["version"] == 2
    return [
        Row("damaged bundles and champion.json files", tried, ""),
        Row("refused with a reason, the old model serving", refused, "", at_least=tried),
        Row("refusals counted in /metrics", counted, "", at_least=tried),
        Row("files created by a pickle", damages.harm.exists(), "", at_most=0),
        Row("answers in the meantime", clients.counts["200"], "", at_least=1),
        Row("failed requests", clients.failed, "", at_most=0),
        Row("a good bundle is served afterwards", taken, "", at_least=1),
    ]


def _made(damages: Damages, count: int) -> Iterator[str]:
    """One digest after the other. Each bundle is there until the next one is asked for."""
    for share, make in damages.shares():
        for _ in range(max(1, round(share * count))):
            digest = make()
            yield digest
            folder = damages._bundles / digest
            if len(digest) == 64 and folder.exists():
                shutil.rmtree(folder)


def _naming(digest: str) -> bytes:
    return json.dumps({"digest": digest, "model_version": 3, "published_at": "now"}).encode()
