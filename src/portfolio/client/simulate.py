"""Traffic as it may come in production: real rows as real requests, and the true labels that the server asks for."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from portfolio.bundle.manifest import Output
from portfolio.bundle.policy import MACHINE, Policy, saved
from portfolio.client.connection import Address, Connection, unreachable
from portfolio.client.predict import JSON, ask, authorization
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import PortfolioError

if TYPE_CHECKING:
    import polars as pl

CONNECTIONS = 8
LABELS_AT_ONCE = 500
# An answer is in the log a moment after it was given.
LABEL_TRIES = 20
Progress = Callable[[int], None]


@dataclass
class Traffic:
    """What came back. Yen are by row, of those that were answered; empty for a model without prices."""

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    """0 is a connection that ended without an answer."""
    versions: Counter[int] = field(default_factory=Counter)
    by_machine: int = 0
    right: int = 0
    asked: int = 0
    labels: int = 0
    """Of those that were asked for, how many the server stored."""
    yen: list[float] = field(default_factory=list)
    """What each answer saved, by the true label."""
    expected_yen: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        return self.statuses[200]

    @property
    def failed(self) -> int:
        return self.sent - self.answered

    def add(self, other: Traffic) -> None:
        for name in ("sent", "by_machine", "right", "asked", "labels", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.statuses += other.statuses
        self.versions += other.versions
        self.yen += other.yen
        self.expected_yen += other.expected_yen

    @property
    def yen_per_1000(self) -> float | None:
        return 1000 * sum(self.yen) / len(self.yen) if self.yen else None


class Simulator:
    """Sends rows in random order, all of them before any comes again."""

    def __init__(self, use_case: UseCase, url: str, rows: pl.DataFrame, *, seed: int = 0, key: str = "") -> None:
        """`rows` are normalized. Raises PortfolioError if the server can't be reached, or serves something else."""
        self._url, self._key = url.rstrip("/"), key
        self._address = Address(self._url)
        model = ask(f"{self._url}/model", key=key)
        if model["use_case"] != use_case.name:
            raise PortfolioError(f"{url} serves '{model['use_case']}', not '{use_case.name}'.")
        if rows.is_empty():
            raise PortfolioError("There are no rows to send.")
        self._output = Output.model_validate(model["output"])
        self._policy = None if model["policy"] is None else Policy.model_validate(model["policy"])
        from polars import selectors as cs

        wanted = rows.select(name["name"] for name in model["inputs"]).fill_nan(None)
        self._rows = wanted.with_columns(cs.date().cast(str))
        targets = use_case.targets(rows)
        self._truths: list[Any] = (
            [self._output.classes[target] for target in targets] if self._output.classes else (targets.tolist())
        )
        self._order = _shuffled(len(rows), np.random.default_rng(seed))

    def send(
        self, count: int, *, rate: float = 0, labels: bool = True, progress: Progress = lambda sent: None
    ) -> Traffic:
        """Send the next `count` rows, one a request, and then the labels that were asked for.

        `rate` is in requests per second; 0: as fast as they are answered.
        """
        places = list(itertools.islice(self._order, count))
        started = time.monotonic()
        answers = asyncio.run(_exchanged(self._address, self._requests(places), len(places), rate, progress))
        found = Traffic(sent=count)
        wanted = []
        for place, (status, body) in zip(places, answers, strict=True):
            found.statuses[status] += 1
            if status == 200:
                answer = json.loads(body)
                if label := self._count(found, answer, self._truths[place]):
                    wanted.append(label)
        if labels:
            found.labels = self._label(wanted)
        found.seconds = time.monotonic() - started
        return found

    def _requests(self, places: list[int]) -> Iterator[bytes]:
        headers = {"Content-Type": JSON, **authorization(self._key)}
        for (row,) in (self._rows[place].to_dicts() for place in places):
            yield self._address.request("POST", "/predict", json.dumps({"instances": [row]}).encode(), headers)

    def _count(self, found: Traffic, answer: dict[str, Any], truth: Any) -> dict[str, Any] | None:
        """Add one answer to the figures. Gives back the label that it asks for."""
        (prediction,) = answer["predictions"]
        by_machine = prediction["decision"] == MACHINE
        found.versions[answer["model"]["version"]] += 1
        found.by_machine += by_machine
        given = prediction.get("class", prediction.get("value"))
        lost, right = self._judged(given, truth)
        found.right += right
        if self._policy is not None:
            found.yen.append(float(saved(self._policy.prices, by_machine, lost)))
            found.expected_yen.append(prediction["expected_yen"])
        if by_machine and not prediction.get("audit"):
            return None
        found.asked += 1
        return {"request_id": answer["request_id"], "row": 0, "label": truth}

    def _judged(self, given: Any, truth: Any) -> tuple[float, bool]:
        """What an answer that nobody checked costs, and whether it is right."""
        if self._output.task == "regression":
            tolerance = None if self._policy is None else self._policy.tolerance
            right = tolerance is None or abs(given - truth) <= tolerance
            return 0.0 if right or self._policy is None else self._policy.prices.highest_error_yen, right
        if self._policy is None:
            return 0.0, given == truth
        classes = self._output.classes
        costs = self._policy.prices.error_costs(classes)
        return float(costs[classes.index(truth), classes.index(given)]), given == truth

    def _label(self, wanted: list[dict[str, Any]]) -> int:
        """Send labels, those that were too early again. Gives the number that was stored."""
        stored = 0
        for _ in range(LABEL_TRIES):
            refused = []
            for at in range(0, len(wanted), LABELS_AT_ONCE):
                some = wanted[at : at + LABELS_AT_ONCE]
                said = ask(f"{self._url}/feedback", json.dumps({"labels": some}).encode(), key=self._key)
                refused += [label for label, told in zip(some, said["labels"], strict=True) if "error" in told]
            stored += len(wanted) - len(refused)
            if not refused:
                break
            wanted = refused
            time.sleep(0.1)
        return stored


def _shuffled(count: int, random: np.random.Generator) -> Iterator[int]:
    while True:
        yield from random.permutation(count).tolist()


async def _exchanged(
    address: Address, requests: Iterator[bytes], count: int, rate: float, progress: Progress
) -> list[tuple[int, bytes]]:
    """The status and the body of each answer, in the order of the requests. Raises PortfolioError without a server."""
    answers: list[tuple[int, bytes]] = [(0, b"")] * count
    numbered = enumerate(requests)
    loop = asyncio.get_running_loop()
    started, done = loop.time(), itertools.count(1)

    async def work() -> None:
        line = _Line(address)
        for number, request in numbered:
            if rate:
                await asyncio.sleep(started + number / rate - loop.time())
            answers[number] = await line.ask(request)
            progress(next(done))
        line.close()

    await asyncio.gather(*(work() for _ in range(min(CONNECTIONS, count))))
    # What was closed is so a turn of the loop later.
    await asyncio.sleep(0)
    if all(status == 0 for status, _ in answers):
        raise unreachable(f"http://{address.authority}")
    return answers


class _Line:
    """One connection on which one request follows the other; opened again when it has ended."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Connection | None = None
        self._answer: asyncio.Future[tuple[int, bytes]]

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        try:
            if self._connection is None or not self._connection.is_open:
                self._connection = await Connection.to(self._address, self._answered)
        except OSError:
            return 0, b""
        self._answer = asyncio.get_running_loop().create_future()
        self._connection.send(request)
        return await self._answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _answered(self, connection: Connection, status: int) -> None:
        self._answer.set_result((status, connection.body))
