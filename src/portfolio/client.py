"""What a client asks of a server, wherever it runs: is it ready, what is served, a prediction."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

from portfolio.errors import PortfolioError


def smoke(address: str, *, digest: str = "", timeout_seconds: float = 60) -> dict[str, Any]:
    """The smoke test: wait for the server, ask it for one prediction, and give back that answer.

    `digest`: how the digest of the bundle begins that must be served. Raises PortfolioError if anything is amiss.
    """
    wait_until_ready(address, timeout_seconds)
    model = ask(f"{address}/model")
    if not model["digest"].startswith(digest):
        raise PortfolioError(f"{address} serves bundle {model['digest']}, not {digest}... Was the right one deployed?")
    example = {field["name"]: field["example"] for field in model["inputs"]}
    answer: dict[str, Any] = ask(f"{address}/predict", json.dumps({"instances": [example]}).encode())
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
        except PortfolioError as error:
            if time.monotonic() > deadline:
                raise PortfolioError(f"Not ready within {timeout_seconds:.0f} s. {error}") from error
            time.sleep(0.05)


def ask(url: str, body: bytes | None = None) -> Any:
    """The JSON that a server answers to a GET, or to a POST of a JSON body. Raises PortfolioError if it does not."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise PortfolioError(f"{url} answered {error.code}: {error.read(1000).decode(errors='replace')}") from error
    # While a container starts, its port may take the connection and drop it.
    except (OSError, http.client.HTTPException) as error:
        raise PortfolioError(f"{url} can't be reached ({error}). Does the server run? Its log says.") from error
