"""Requests within every limit, made to take as long as can be: none may hold up the others."""

from __future__ import annotations

import gzip
import io
import json
import math
import threading
import time
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection
from typing import Any, NamedTuple

from bench.reliability.asking import JSON, publish
from bench.rows import Row
from bench.server import portfolio_server
from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import Manifest
from portfolio.client.connection import Address

LIMIT_BYTES = 1024 * 1024
HELD_MS = 100.0
# What a list is filled with. Each is cheap to send, and some parser, check or message may take long over many of them.
FILLERS = (
    "0",
    "null",
    "NaN",
    "true",
    "[]",
    "{}",
    '""',
    '"a"',
    '"\\u0000"',
    "1e308",
    "0." + "1" * 3000,
    "9" * 4000,
    "[0]",
    "[[[[[[[0]]]]]]]",
    "[" * 30 + "]" * 30,
    "[" * 190 + "]" * 190,
    '{"a":0}',
    '{"a":{"a":{"a":{}}}}',
    "[0,0]",
)
# And what may stand for any of them, without an end of its own.
UNBROKEN = ("9" * LIMIT_BYTES, '"' + "a" * LIMIT_BYTES, '"' + "\\u65e5" * (LIMIT_BYTES // 6), "[" * LIMIT_BYTES)


class Hostile(NamedTuple):
    """A request, and what is done in it."""

    kind: str
    path: str
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def requests(manifest: Manifest, limit_bytes: int = LIMIT_BYTES) -> Iterator[Hostile]:
    """The same ones each time, each up to the limit."""
    for path, place in _places(manifest):
        start, end = place.split("@")
        room = limit_bytes - len(start) - len(end)
        for filler in FILLERS:
            yield _json(f"{place} {filler[:20]}", path, start + _repeated(filler, room) + end)
        # Only the last one nests.
        many = _repeated("0", room - 500)
        yield _json(f"{place} nested last", path, f"{start}{many},{'[' * 190}{']' * 190}{end}")
        for filler in UNBROKEN:
            closed = filler[: room - 1] + ('"' if filler[0] == '"' else "")
            yield _json(f"{place} {filler[:8]}", path, start + closed + end)
    for path, place in _objects(manifest):
        start, end = place.split("@")
        count = (limit_bytes - len(place)) // 12
        yield _json(f"{place} keys", path, start + ",".join(f'"{number:07}":0' for number in range(count)) + end)
        yield _json(f"{place} same key", path, start + ",".join(['"0000000":0'] * count) + end)
    yield from _largest(manifest, limit_bytes)
    yield from _tensors(manifest, limit_bytes)
    yield from _tables(manifest, limit_bytes)
    yield from _pictures(limit_bytes)
    yield from _packed(limit_bytes)
    yield Hostile("query", "/predict?" + "a&" * 30_000, "application/json", b"{}")


def _json(kind: str, path: str, body: str) -> Hostile:
    return Hostile(kind, path, "application/json", body.encode())


def _repeated(filler: str, room: int) -> str:
    return ",".join([filler] * max(1, room // (len(filler) + 1)))


def _infer(manifest: Manifest) -> str:
    return f"/v2/models/{manifest.use_case}/infer"


def _places(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Where a list may be filled, by path."""
    name = json.dumps(manifest.inputs[0].name)
    infer = _infer(manifest)
    tensor = f'"name":{name},"datatype":"FP32"'
    yield from (
        ("/predict", "[@]"),
        ("/predict", '{"instances":[@]}'),
        ("/predict", f'{{"instances":[{{{name}:[@]}}]}}'),
        ("/predict?explain=true", f'{{"instances":[{{{name}:[@]}}]}}'),
        ("/invocations", "[@]"),
        ("/invocations", '{"instances":[@]}'),
        ("/invocations", '{"instances":[[@]]}'),
        ("/invocations", f'{{"inputs":{{{name}:[@]}}}}'),
        ("/invocations", f'{{"dataframe_split":{{"columns":[{name}],"data":[@]}}}}'),
        ("/invocations", f'{{"dataframe_split":{{"columns":[{name}],"data":[[@]]}}}}'),
        ("/invocations", '{"dataframe_split":{"columns":[@],"data":[]}}'),
        ("/invocations", '{"dataframe_records":[@]}'),
        ("/invocations", '{"params":[@],"instances":[]}'),
        (infer, "[@]"),
        (infer, '{"inputs":[@]}'),
        (infer, f'{{"inputs":[{{{tensor},"shape":[1,1],"data":[@]}}]}}'),
        (infer, f'{{"inputs":[{{{tensor},"shape":[500000],"data":[@]}}]}}'),
        (infer, f'{{"inputs":[{{"name":{name},"datatype":"BYTES","shape":[1000,1],"data":[@]}}]}}'),
        (infer, f'{{"inputs":[{{"name":{name},"datatype":"INT64","shape":[1000,1],"data":[@]}}]}}'),
        (infer, f'{{"inputs":[{{{tensor},"shape":[@],"data":[]}}]}}'),
        (infer, f'{{"inputs":[{{{tensor},"shape":[1,1],"data":[0]}}],"outputs":[@]}}'),
        (infer, '{"id":[@]}'),
        ("/feedback", "[@]"),
        ("/feedback", '{"labels":[@]}'),
        ("/feedback", '{"request_id":[@]}'),
    )


def _objects(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Where keys may be added, by path."""
    infer = _infer(manifest)
    yield from (
        ("/predict", "{@}"),
        ("/predict", '{"instances":[{@}]}'),
        ("/invocations", "{@}"),
        ("/invocations", '{"inputs":{@}}'),
        ("/invocations", '{"instances":[{@}]}'),
        ("/invocations", '{"dataframe_split":{@}}'),
        (infer, "{@}"),
        (infer, '{"inputs":[{@}]}'),
        (infer, '{"inputs":[{"parameters":{@}}]}'),
        ("/feedback", "{@}"),
        ("/feedback", '{"labels":[{@}]}'),
    )


def _largest(manifest: Manifest, limit_bytes: int) -> Iterator[Hostile]:
    """As many good rows, and as much to explain, as is allowed."""
    row: dict[str, Any] = {field.name: field.example for field in manifest.inputs}
    for kind, text in (("texts", "日" * 9_999), ("short texts", "a, b")):
        filled = row | {field.name: text for field in manifest.inputs if field.kind == "text"}
        fits = min(1000, (limit_bytes - 100) // (len(json.dumps(filled, ensure_ascii=False).encode()) + 2))
        for path, count in (("/predict", fits), ("/predict?explain=true", min(16, fits)), ("/invocations", fits)):
            body = json.dumps({"instances": [filled] * count}, ensure_ascii=False)
            yield _json(f"{count} rows of {kind}", path, body)
            yield _json(f"{count + 600} rows of {kind}", path, json.dumps({"instances": [row] * (count + 600)}))


def _tensors(manifest: Manifest, limit_bytes: int) -> Iterator[Hostile]:
    """Tensors as bytes after the JSON."""
    for datatype, width in (("BYTES", 4), ("FP32", 4), ("FP16", 2), ("BOOL", 1), ("INT64", 8)):
        for shape in ([1000, 1], None, [1, 2**40]):
            count = (limit_bytes - 1000) // width
            about = {"name": manifest.inputs[-1].name, "datatype": datatype, "shape": shape or [count]}
            tensor = {**about, "parameters": {"binary_data_size": count * width}}
            head = json.dumps({"inputs": [tensor]}).encode()
            for content in (b"\0", b"\xff"):
                yield Hostile(
                    f"{datatype} {shape} {content!r}",
                    _infer(manifest),
                    "application/octet-stream",
                    head + content * (count * width),
                    (("Inference-Header-Content-Length", str(len(head))),),
                )


def _tables(manifest: Manifest, limit_bytes: int) -> Iterator[Hostile]:
    """CSV."""
    name = manifest.inputs[0].name
    names = ",".join(field.name for field in manifest.inputs)
    contents = {
        "columns": ",".join(f"c{number}" for number in range(limit_bytes // 8)) + "\n",
        "rows": f"{name}\n" + "1\n" * (limit_bytes // 2 - 100),
        "empty rows": f"{names}\n" + "," * (len(manifest.inputs) - 1) + "\n" * (limit_bytes - 1000),
        "quotes": f"{names}\n" + '"' * (limit_bytes - 1000),
        "a cell": f"{names}\n" + "[" * (limit_bytes - 1000),
        "a list": f'{names}\n"[' + "0," * (limit_bytes // 2 - 500) + '0]"\n',
        "lines": "\n" * limit_bytes,
    }
    for kind, content in contents.items():
        yield Hostile(f"CSV {kind}", "/invocations", "text/csv", content[:limit_bytes].encode())


def _pictures(limit_bytes: int) -> Iterator[Hostile]:
    from PIL import Image

    side = math.isqrt(LIMIT_BYTES)
    noise = Image.effect_noise((side, side), 90).convert("L")
    for form in ("PNG", "JPEG"):
        stream = io.BytesIO()
        noise.save(stream, form)
        if stream.tell() > limit_bytes:
            stream = io.BytesIO()
            noise.resize((side // 2, side // 2)).save(stream, form)
        yield Hostile(f"{form} of noise", "/predict?explain=true", f"image/{form.lower()}", stream.getvalue())


def _packed(limit_bytes: int) -> Iterator[Hostile]:
    """Compressed bodies: of as many streams as fit, and of one that unpacks to as much as is allowed."""
    parts = {
        "deflate": b"\x03\x00",
        "zlib": zlib.compress(b""),
        "gzip": gzip.compress(b"", mtime=0),
    }
    for path, room in (("/predict", limit_bytes), ("/invocations", limit_bytes), ("/feedback", limit_bytes // 4)):
        for name, part in parts.items():
            encoding = (("Content-Encoding", "gzip" if name == "gzip" else "deflate"),)
            yield Hostile(f"parts of {name}", path, "application/json", part * (room // len(part)), encoding)
        blank = gzip.compress(b" " * room, mtime=0)
        yield Hostile("gzip of blanks", path, "application/json", blank, (("Content-Encoding", "gzip"),))


def hostile(work: Path, like: Bundle) -> list[Row]:
    """Requests of up to 1 MiB that are made to take long: how long another client then waits for /healthz."""
    publish(work, like, 1)
    answered = failed = 0
    slowest: tuple[float, str] = (0.0, "")
    with portfolio_server(work, use_case=like.manifest.use_case) as server:
        address = Address(server.url)
        with _Prober(server.url) as prober:
            for request in requests(like.manifest):
                prober.slowest_ms = 0.0
                headers = {**JSON, "Content-Type": request.media_type, **dict(request.headers)}
                status = _status(address, address.request("POST", request.path, request.body, headers))
                answered += 1
                failed += status >= 500 or status == 0
                slowest = max(slowest, (prober.slowest_ms, request.kind))
    return [
        Row("requests of up to 1 MiB, made to take long", answered, ""),
        Row("without an answer, or with a 5xx", failed, "", at_most=0),
        Row("longest wait of another client for /healthz", slowest[0], "ms", at_most=HELD_MS),
    ]


def _status(address: Address, request: bytes) -> int:
    """0 without an answer."""
    with create_connection((address.host, address.port), timeout=60) as connection:
        connection.sendall(request)
        head = connection.recv(64)
    return int(head.split(b" ")[1]) if head.startswith(b"HTTP/") else 0


class _Prober:
    """Asks for /healthz without a pause, on a connection of its own; `slowest_ms` is its longest wait."""

    def __init__(self, url: str) -> None:
        self.slowest_ms = 0.0
        self._address = Address(url)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Prober:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        connection = HTTPConnection(self._address.host, self._address.port, timeout=60)
        while not self._done.wait(0.002):
            started = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.slowest_ms = max(self.slowest_ms, (time.perf_counter() - started) * 1000)
        connection.close()
