"""Requests as they should not be, over every protocol: each gets an answer, and none is the server's fault."""

from __future__ import annotations

import asyncio
import json
import random
import re
import struct
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.peer import environment
from bench.reliability.asking import JSON, body, call, publish
from bench.rows import Row, console
from bench.server import portfolio_server
from portfolio.bundle.bundle import Bundle
from portfolio.client.connection import Address, Connection

WORKERS = 8
ANSWER_SECONDS = 10.0
# Written into the JSON as they stand, since no encoder would.
NOT_FINITE = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400 + ".0")
ODD = (
    *NOT_FINITE,
    "null",
    "true",
    '""',
    '"1"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    '"' + "x" * 20_000 + '"',
    "[]",
    "{}",
    "[[]]",
    "[" * 2000 + "]" * 2000,
    '{"a":' * 500 + "1" + "}" * 500,
    "-0.0",
    "1e308",
    "3.5e38",
    "1e-999",
    "9" * 400,
    "-" + "9" * 25,
    "0x10",
    "01",
    "1.",
    "\x00",
    "'a'",
    '{"a":1,"a":2}',
)
MEDIA = ("text/plain", "application/octet-stream", "image/png", "image/jpeg", "multipart/form-data", "", "json", "\xff")

PATHS = (
    "/predict",
    "/invocations",
    "/admin/reload",
    "/model",
    "/page/../../etc/passwd",
    "/page/%2e%2e/%2e",
    "/%00",
    "//",
    "*",
    "/v2/models/%ff",
    "/v2/models/x/versions/y/infer",
)


class Malformed(NamedTuple):
    """A request; `status` is what it must be answered with, if that is known beforehand."""

    kind: str
    raw: bytes
    status: int | None = None


class Generator:
    """Always the same requests for the same seed."""

    def __init__(self, like: Bundle, address: Address, seed: int) -> None:
        self._random = random.Random(seed)
        self._address = address
        (self._field,) = like.manifest.inputs
        self._infer = f"/v2/models/{like.manifest.use_case}/infer"
        self._instance: dict[str, Any] = json.loads(body(like))["instances"][0]
        self._kinds: tuple[Callable[[], Malformed], ...] = (
            self.changed,
            self.changed,
            self.not_finite,
            self.ragged,
            self.broken_text,
            self.binary,
            self.binary_not_finite,
            self.too_large,
            self.picture,
            self.headers,
            self.feedback,
            self.elsewhere,
        )

    def take(self, count: int) -> Iterator[Malformed]:
        for _ in range(count):
            yield self._random.choice(self._kinds)()

    def changed(self) -> Malformed:
        """Good JSON with odd things in one to three places."""
        path, document = self._good()
        odd: list[str] = []
        for _ in range(self._random.randint(1, 3)):
            self._change(document, odd)
        return self._post("changed", path, _with(document, odd))

    def not_finite(self) -> Malformed:
        path, document = self._good()
        numbers = next(value for value in _lists(document) if value and isinstance(value[0], float | int))
        numbers[self._random.randrange(len(numbers))] = "@0@"
        return self._post("not finite", path, _with(document, [self._random.choice(NOT_FINITE)]), 422)

    def ragged(self) -> Malformed:
        """Rows of other lengths, too few, too many, none."""
        path, document = self._good()
        lists = [value for value in _lists(document) if value]
        chosen = self._random.choice(lists)
        change = self._random.choice(["less", "more", "none", "nested", "many"])
        if change == "less":
            del chosen[self._random.randrange(len(chosen)) :]
        elif change == "more":
            chosen.append(chosen[0])
        elif change == "none":
            chosen.clear()
        elif change == "nested":
            chosen[:] = [list(chosen)]
        else:
            chosen.extend(chosen[:1] * 3000)
        return self._post("ragged", path, json.dumps(document).encode())

    def broken_text(self) -> Malformed:
        """Cut off, with other bytes in it, in another encoding, or no JSON at all."""
        path, document = self._good()
        raw = json.dumps(document).encode()
        place = self._random.randrange(len(raw))
        broken = self._random.choice(
            [
                raw[:place],
                raw[:place] + self._random.randbytes(4) + raw[place:],
                raw.decode().encode(self._random.choice(["utf-16", "utf-32", "utf-8-sig"])),
                self._random.randbytes(self._random.randrange(200)),
                raw + raw,
                b"[" * self._random.randrange(1, 100_000),
                b"",
                b"\xed\xa0\x80",
            ]
        )
        return self._post("broken text", path, broken)

    def binary(self) -> Malformed:
        """The Open Inference Protocol with tensors as bytes: cut off, of other sizes and types."""
        width = self._field.width
        values = [self._random.choice([float("nan"), float("inf"), -1e30, 3.0]) for _ in range(width)]
        raw = struct.pack(f"<{width}f", *values)
        sent = self._random.choice([raw, raw[: self._random.randrange(len(raw))], raw * 2, b"", b"\xff" * len(raw)])
        datatype = self._random.choice(["FP32", "FP64", "INT8", "INT64", "UINT8", "BYTES", "BOOL", "FP16", ""])
        shape = self._random.choice([[1, width], [width], [0, width], [2**62, 2**62], [-1, width], [], [1.5], [1] * 9])
        size = self._random.choice([len(sent), len(raw), 0, -1, 2**70, len(sent) + 1, "8", None])
        about = {"name": self._field.name, "shape": shape, "datatype": datatype}
        tensor = {**about, "parameters": {"binary_data_size": size}}
        head = json.dumps({"inputs": [tensor] * self._random.choice([1, 1, 1, 2, 0])}).encode()
        stated = self._random.choice([str(len(head))] * 4 + ["0", "-1", "99999999", "x", str(len(head) - 1), ""])
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": stated}
        return Malformed("binary", self._address.request("POST", self._infer, head + sent, headers))

    def binary_not_finite(self) -> Malformed:
        """As it should be, but for one of its numbers."""
        width = self._field.width
        values = [1.0] * width
        values[self._random.randrange(width)] = self._random.choice([float("nan"), float("inf"), float("-inf")])
        raw = struct.pack(f"<{width}f", *values)
        tensor = {"name": self._field.name, "shape": [1, width], "datatype": "FP32"}
        head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}]}).encode()
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        return Malformed("binary", self._address.request("POST", self._infer, head + raw, headers), 422)

    def too_large(self) -> Malformed:
        """A number of the Open Inference Protocol that no array and no counter holds."""
        width = self._field.width
        place = self._random.choice(["data", "shape", "size", "length"])
        many = self._random.choice(["", "-"]) + "9" * self._random.choice([18, 25, 400, 5000])
        datatype = self._random.choice(["FP32", "FP64", "INT64", "UINT8"])
        tensor: dict[str, Any] = {"name": self._field.name, "shape": [1, width], "datatype": datatype}
        headers = dict(JSON)
        if place == "data":
            tensor["data"] = [1] * (width - 1) + ["@0@"]
        elif place == "shape":
            # Beside a 0 it is the shape of nothing, and fits no values.
            tensor |= {"shape": self._random.choice([[1, 0, "@0@"], ["@0@", 0], [1, "@0@"]]), "data": []}
        elif place == "size":
            tensor["parameters"] = {"binary_data_size": "@0@"}
        else:
            tensor["data"] = [1] * width
            headers["Inference-Header-Content-Length"] = many
        raw = _with({"inputs": [tensor]}, [many])
        return Malformed("too large", self._address.request("POST", self._infer, raw, headers), 422)

    def picture(self) -> Malformed:
        """PNG and JPEG files that are none, are cut off, or claim to be enormous."""
        size = self._random.choice([(0, 0), (2**31 - 1, 2**31 - 1), (30_000, 30_000), (8, 8), (1, 1)])
        header = struct.pack(">IIBBBBB", *size, self._random.choice([8, 16, 3]), self._random.randrange(8), 0, 0, 0)
        data = zlib.compress(self._random.randbytes(64) * self._random.choice([1, 5000]))
        png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
        place = self._random.randrange(len(png))
        sent = self._random.choice(
            [png, png[:place], png[:place] + self._random.randbytes(3) + png[place:], b"", b"\xff\xd8\xff\xe0" + png]
        )
        headers = {"Content-Type": self._random.choice(["image/png", "image/jpeg"])}
        return Malformed("picture", self._address.request("POST", "/predict", sent, headers))

    def headers(self) -> Malformed:
        """Another content type, query, key or length than there should be."""
        path, document = self._good()
        raw = json.dumps(document).encode()
        change = self._random.choice(
            ["media", "query", "key", "id", "many", "length", "chunked", "encoding", "version"]
        )
        headers = dict(JSON)
        if change == "media":
            headers["Content-Type"] = self._random.choice(MEDIA)
        elif change == "query":
            path += self._random.choice(
                ["?explain=", "?explain=2", "?explain=true&explain=x", "?%ff", "?" + "a" * 5000]
            )
        elif change == "key":
            headers["Authorization"] = self._random.choice(["Bearer", "Bearer \xff", "Basic x", "x" * 5000])
        elif change == "id":
            headers["X-Request-ID"] = self._random.choice(["", "a" * 10_000, "\xff", '";drop'])
        elif change == "many":
            headers |= {f"X-{number}": "x" * 50 for number in range(self._random.choice([10, 1000]))}
        elif change == "length":
            headers["Content-Length"] = self._random.choice(["-1", "x", "1e3", str(2**70), str(len(raw) - 1)])
        elif change == "chunked":
            headers |= {"Transfer-Encoding": self._random.choice(["chunked", "gzip", "chunked, chunked", "x"])}
        elif change == "encoding":
            headers["Content-Encoding"] = self._random.choice(["gzip", "br", "x"])
        request = self._address.request("POST", path, raw, headers)
        if change == "version":
            request = request.replace(b"HTTP/1.1", self._random.choice([b"HTTP/1.0", b"HTTP/9.9", b"HTP/1.1"]), 1)
        return Malformed("headers", request)

    def feedback(self) -> Malformed:
        document: dict[str, Any] = {"request_id": "0" * 32, "label": "0", "row": 0}
        odd: list[str] = []
        for _ in range(self._random.randint(0, 2)):
            self._change(document, odd)
        return self._post("feedback", "/feedback", _with(document, odd))

    def elsewhere(self) -> Malformed:
        """Other paths and methods."""
        method = self._random.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "POST", "TRACE", "GIBBERISH"])
        path = self._random.choice([*PATHS, self._infer, "/" + "a" * 8000])
        return Malformed("elsewhere", self._address.request(method, path, b"{}" if method == "POST" else b"", JSON))

    def _good(self) -> tuple[str, Any]:
        """A request as it should be: its path and what is in it."""
        name, instance = self._field.name, self._instance
        flat = instance[name]
        tensor = {"name": name, "shape": [1, len(flat)], "datatype": "FP32", "data": list(flat)}
        path, document = self._random.choice(
            [
                ("/predict", {"instances": [instance]}),
                ("/invocations", {"instances": [instance]}),
                ("/invocations", {"inputs": {name: [flat]}}),
                ("/invocations", {"inputs": [flat]}),
                ("/invocations", {"dataframe_records": [instance]}),
                ("/invocations", {"dataframe_split": {"columns": [name], "data": [[flat]]}}),
                (self._infer, {"inputs": [tensor], "outputs": [{"name": "probabilities"}], "id": "a"}),
            ]
        )
        return path, json.loads(json.dumps(document))

    def _change(self, document: Any, odd: list[str]) -> None:
        """Put something odd somewhere, or take something away."""
        holders = list(_holders(document))
        if not holders:
            return
        holder = self._random.choice(holders)
        key = self._random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        change = self._random.random()
        if change < 0.15:
            del holder[key]
        elif change < 0.3 and isinstance(holder, dict):
            holder[self._random.choice(["", "more", "\x00", "k" * 1000, "@"])] = holder[key]
        else:
            holder[key] = f"@{len(odd)}@"
            odd.append(self._random.choice(ODD))

    def _post(self, kind: str, path: str, content: bytes, status: int | None = None) -> Malformed:
        return Malformed(kind, self._address.request("POST", path, content, JSON), status)


def _lists(document: Any) -> Iterator[list[Any]]:
    for holder in _holders(document):
        if isinstance(holder, list):
            yield holder


def _holders(document: Any) -> Iterator[Any]:
    """Every object and list in it that is not empty."""
    if isinstance(document, dict | list) and document:
        yield document
        for value in document.values() if isinstance(document, dict) else document:
            yield from _holders(value)


def _with(document: Any, odd: list[str]) -> bytes:
    text = re.sub('"@([0-9]+)@"', lambda found: odd[int(found[1])], json.dumps(document))
    return text.encode("utf-8", "surrogatepass")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def malformed(work: Path, like: Bundle, *, count: int = 10_000, seed: int = 0) -> list[Row]:
    """Every malformed request is answered, none with a 5xx; numbers that are not finite are answered with 422."""
    publish(work, like, 1)
    with portfolio_server(work, use_case=like.manifest.use_case, timeout_seconds="2") as server:
        address = Address(server.url)
        statuses, wrong, unanswered = asyncio.run(_send(address, Generator(like, address, seed).take(count)))
        good = call(f"{server.url}/predict", body(like))[0]
        alive = server.process.poll() is None
    faults = {status: number for status, number in statuses.items() if status >= 500}
    about = "".join(f", {status}: {number:,}" for status, number in sorted(statuses.items()))
    return [
        Row(f"malformed requests (answered with{about[1:]})", count, ""),
        Row("answers with a 5xx", sum(faults.values()), "", at_most=0),
        Row("values not finite or too large that did not get 422", wrong, "", at_most=0),
        Row("requests without an answer", unanswered, "", at_most=0),
        Row("server answers correctly afterwards", alive and good == 200, "", at_least=1),
    ]


async def _send(address: Address, requests: Iterator[Malformed]) -> tuple[Counter[int], int, int]:
    """The answers by status; how many were not what they must be; and how many requests had none."""
    statuses: Counter[int] = Counter()
    wrong = unanswered = 0

    async def worker() -> None:
        nonlocal wrong, unanswered
        for request in requests:
            answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            # Each on a connection of its own: what one leaves unsaid must not be taken from the next.
            connection = await Connection.to(address, partial(_tell, answer))
            connection.send(request.raw)
            try:
                status = await asyncio.wait_for(answer, ANSWER_SECONDS)
            except TimeoutError:
                status = 0
            connection.close()
            if status:
                statuses[status] += 1
            else:
                unanswered += 1
            wrong += request.status not in (None, status)
            if status == 0 or status >= 500 or request.status not in (None, status):
                console.print(f"{request.kind}: answered {status}: {request.raw[:500]!r}", markup=False)

    await asyncio.gather(*(worker() for _ in range(WORKERS)))
    return statuses, wrong, unanswered


def _tell(answer: asyncio.Future[int], connection: Connection, status: int) -> None:
    if not answer.done():
        answer.set_result(status)


def schemathesis(work: Path, like: Bundle, *, examples: int = 100) -> list[Row]:
    """The OpenAPI document's own operations, with inputs that Schemathesis makes up from it."""
    publish(work, like, 1)
    command = [str(environment("schemathesis.txt") / "schemathesis"), "run"]
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    options = ["--checks", checks, "--max-examples", str(examples), "--seed", "0", "--workers", "1", "--no-color"]
    options += ["--continue-on-failure", "--phases", "examples,coverage,fuzzing", "--warnings", "off"]
    with portfolio_server(work, use_case=like.manifest.use_case) as server:
        result = subprocess.run(
            [*command, f"{server.url}/openapi.json", *options], capture_output=True, text=True, cwd=work, timeout=1200
        )
        text: str = call(f"{server.url}/metrics")[1]
    counts: Counter[str] = Counter()
    for status, number in re.findall(r'portfolio_requests_total\{.*status="(\d+)"\} ([\d.]+)', text):
        counts[status] += int(float(number))
    if result.returncode:
        console.print(result.stdout[-8000:], result.stderr[-2000:], markup=False)
    faults = sum(number for status, number in counts.items() if status.startswith("5"))
    return [
        Row("requests generated by Schemathesis", counts.total(), "", at_least=examples),
        Row("answers with a 5xx", faults, "", at_most=0),
        Row("exit code (not 0 if an answer is not as documented)", result.returncode, "", at_most=0),
    ]
