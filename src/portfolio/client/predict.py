"""Requests to a server on any machine: whether it is ready, what it serves, and predictions."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import httpx

from portfolio.client.connection import Address, unreachable
from portfolio.core.errors import AnswerError, ConfigError, PortfolioError

JSON = "application/json"
# How much of the server's limit is reserved for what surrounds the rows.
ROOM_BYTES = 100
TRIES = 5
LONGEST_WAIT_SECONDS = 30
TIMEOUT_SECONDS = 60


def smoke(address: str, *, digest: str = "", timeout_seconds: float = 60, key: str = "") -> dict[str, Any]:
    """The smoke test: wait for the server, get one prediction from it, and return the answer.

    `digest`: the first characters of the expected bundle's digest. Raises PortfolioError if anything is wrong.
    """
    wait_until_ready(address, timeout_seconds)
    model = ask(f"{address}/model", key=key)
    if not model["digest"].startswith(digest):
        raise PortfolioError(f"{address} serves bundle {model['digest']}, not {digest}... Was the right one deployed?")
    example = {field["name"]: field["example"] for field in model["inputs"]}
    answer: dict[str, Any] = ask(f"{address}/predict", json.dumps({"instances": [example]}).encode(), key=key)
    if len(answer["predictions"]) != 1:
        raise PortfolioError(f"{address}/predict gave {len(answer['predictions'])} predictions for one instance.")
    return answer


def wait_until_ready(address: str, timeout_seconds: float) -> None:
    """Return when the server answers that it is ready. Raises PortfolioError, with its reason, if it never does."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            ask(f"{address}/readyz")
            return
        except ConfigError:
            # Waiting would not make the address valid.
            raise
        except PortfolioError as error:
            if time.monotonic() > deadline:
                raise PortfolioError(f"Not ready within {timeout_seconds:.0f} s. {error}") from error
            time.sleep(0.05)


def predictions(address: str, rows: Iterable[dict[str, Any]], model: dict[str, Any], key: str = "") -> Iterator[Any]:
    """An answer for each row, in their order, from requests as large as the server takes.

    `model` is what the server says of itself at /model. Raises PortfolioError; a row that the server refuses is
    named by its number, from 1.
    """
    limits = model["limits"]
    number = 1
    for body, count in _bodies(rows, limits["max_rows"], limits["max_body_bytes"]):
        try:
            answer = _patiently(f"{address}/predict", body, JSON, key)
        except AnswerError as error:
            raise _of_rows(error, number, count) from error
        yield from _flat(answer, number)
        number += count


def picture_prediction(address: str, content: bytes, media_type: str, key: str = "") -> dict[str, Any]:
    """The answer for one PNG or JPEG file."""
    (answer,) = _flat(_patiently(f"{address}/predict", content, media_type, key), 1)
    return answer


def ask(url: str, body: bytes | None = None, *, media_type: str = JSON, key: str = "") -> Any:
    """The JSON that a server answers to a GET, or to a POST of a body. Raises PortfolioError if it does not."""
    client = _client(through_proxy=not Address(url).is_loopback)
    headers = {"Content-Type": media_type, **authorization(key)}
    try:
        response = client.request("GET" if body is None else "POST", url, content=body, headers=headers)
        if not response.is_success:
            raise AnswerError(url, response.status_code, response.text, response.headers.get("Retry-After", ""))
        return response.json()
    except ValueError as error:
        raise PortfolioError(f"{url} did not answer with JSON. Is it a server of this project?") from error
    # While a container starts, its port may accept a connection and drop it.
    except httpx.HTTPError as error:
        raise unreachable(url, error) from error


@cache
def _client(*, through_proxy: bool) -> httpx.Client:
    """One for the whole process. It keeps no connection open, so that a restarted server is reached again.

    A server on this machine is asked directly, whatever http_proxy says: a proxy would look for it on its own machine.
    """
    try:
        return httpx.Client(
            timeout=TIMEOUT_SECONDS,
            follow_redirects=True,
            trust_env=through_proxy,
            # The machine's own certificates, as in portfolio.client.connection.
            verify=ssl.create_default_context(),
            limits=httpx.Limits(max_keepalive_connections=0),
        )
    except (ValueError, ImportError) as error:
        raise ConfigError(
            f"The proxy of this environment can't be used ({error}). Correct http_proxy, https_proxy or all_proxy, or "
            "name the server in no_proxy."
        ) from error


def authorization(key: str) -> dict[str, str]:
    """The header with the key, if there is one. Raises ConfigError for a key that can't be sent in a header."""
    if forbidden := re.search(r"[^\x20-\x7e]", key):
        raise ConfigError(
            f"The key (PORTFOLIO_API_KEY) has {forbidden[0]!r} as its character {forbidden.start() + 1}, and can't be "
            "sent: keys have unaccented letters, digits and plain signs alone. Copy it again from where it was made."
        )
    return {"Authorization": f"Bearer {key}"} if key else {}


def _patiently(url: str, body: bytes, media_type: str, key: str) -> Any:
    """Retry when the server says so, after the time it names."""
    for tries_left in reversed(range(TRIES)):
        try:
            return ask(url, body, media_type=media_type, key=key)
        except AnswerError as error:
            if error.status != 503 or not error.retry_after.isdigit() or not tries_left:
                raise
            time.sleep(min(int(error.retry_after), LONGEST_WAIT_SECONDS))
    raise AssertionError


def _bodies(rows: Iterable[dict[str, Any]], max_rows: int, max_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Request bodies, with the number of rows in each."""
    waiting: list[bytes] = []
    size = 0
    for row in rows:
        encoded = json.dumps(row, allow_nan=False).encode()
        if waiting and (len(waiting) == max_rows or size + len(encoded) > max_bytes - ROOM_BYTES):
            yield _body(waiting)
            waiting, size = [], 0
        waiting.append(encoded)
        size += len(encoded) + 1
    if waiting:
        yield _body(waiting)


def _body(rows: list[bytes]) -> tuple[bytes, int]:
    return b'{"instances":[' + b",".join(rows) + b"]}", len(rows)


def _flat(answer: dict[str, Any], first: int) -> Iterator[dict[str, Any]]:
    """What was said of each row, with its number, and what feedback names it by: the request and the row therein."""
    common = {"model_version": answer["model"]["version"], "request_id": answer["request_id"]}
    for row, prediction in enumerate(answer["predictions"]):
        yield {"row": first + row, **prediction, **common, "request_row": row}


def _of_rows(error: AnswerError, first: int, count: int) -> PortfolioError:
    """The same fault, with the row number as the caller counts rows."""
    for detail in error.details:
        if found := re.fullmatch(r"instances\.(\d+)(?:\.(.+))?", detail.get("field", "")):
            field = f"{found[2]}: " if found[2] else ""
            return PortfolioError(f"Row {first + int(found[1])} is refused: {field}{detail.get('message', '')}.")
    return PortfolioError(f"Rows {first} to {first + count - 1}: {error}")
