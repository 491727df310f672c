"""From a request to its answer, the same way for every protocol: read, run, decide, record, write."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Any

from portfolio.core.types import Array
from serving.answers import Decisions
from serving.bodies import Bodies
from serving.champion import Champion, Serving
from serving.exchange import Exchange, RequestError
from serving.explain import MAX_ROWS, explanation, variants
from serving.figures import Figures
from serving.pictures import MEDIA_TYPES
from serving.query import InferenceProtocol, Query, Reply, Result
from serving.recorder import Record, Recorder
from serving.settings import Settings

logger = logging.getLogger("serving")
# Requests that may wait for the challenger; it is a sample, and must not pile up.
MAX_SHADOWED = 32


class Inference:
    """Answers requests for predictions."""

    def __init__(
        self, settings: Settings, champion: Champion, bodies: Bodies, recorder: Recorder, figures: Figures
    ) -> None:
        self._settings = settings
        self._bodies = bodies
        self._champion = champion
        self._recorder = recorder
        self._figures = figures
        self._random = random.Random()
        self._shadowed: set[asyncio.Task[None]] = set()

    async def answer(self, exchange: Exchange, protocol: InferenceProtocol) -> Reply:
        """Raises RequestError if the request can't be answered."""
        now = self._champion.serving()
        exchange.version = now.version
        body = await self._bodies.read(exchange, self._settings.max_body_bytes)
        if exchange.content_type in MEDIA_TYPES:
            # To decode a picture takes tens of milliseconds, in which others are to be answered.
            query = await asyncio.to_thread(protocol.read, now, exchange, body)
        else:
            query = protocol.read(now, exchange, body)
        outputs = await self._run(now, query)
        decisions = Decisions(now.bundle.manifest, outputs)
        result = Result(exchange.request_id, outputs, decisions)
        if query.explain:
            result.explanations = await self._explain(now, query, outputs)
        reply = protocol.write(now, query, result)
        if query.draft:
            return reply
        self._recorder.put(
            Record(
                exchange.request_id,
                time.time(),
                now.version,
                now.bundle.digest,
                outputs,
                decisions.by_machine,
                protocol.name,
                query.inputs,
                len(body) + outputs.nbytes,
            )
        )
        self._figures.predictions(now.bundle.manifest.output.task, decisions)
        self._shadow(exchange.request_id, query)
        return reply

    async def _run(self, now: Serving, query: Query) -> Array:
        if query.rows <= now.runner.plan.inline_rows:
            return now.bundle.predict(query.inputs)
        try:
            return await now.runner.run(query.inputs, query.rows, self._settings.timeout_seconds)
        except TimeoutError as error:
            raise RequestError(
                503,
                "too_busy",
                f"There was no answer within {self._settings.timeout_seconds:g} seconds. Send it again later.",
                retry_after_seconds=1,
            ) from error

    async def _explain(self, now: Serving, query: Query, outputs: Array) -> list[dict[str, Any]]:
        if query.rows > MAX_ROWS:
            raise RequestError(
                422, "invalid_request", f"explain: at most {MAX_ROWS} instances at once, not {query.rows:,}."
            )
        manifest = now.bundle.manifest
        found = []
        for row in range(query.rows):
            one = {name: array[row : row + 1] for name, array in query.inputs.items()}
            inputs, parts = variants(manifest, one)
            without = await self._run(now, Query(inputs, sum(parts.values())))
            found.append(explanation(manifest, one, outputs[row : row + 1], without, parts))
        return found

    def _shadow(self, request_id: str, query: Query) -> None:
        """Let the challenger answer too, for the log alone."""
        shadow = self._champion.shadow
        if shadow is None or self._random.random() >= shadow[1] or len(self._shadowed) >= MAX_SHADOWED:
            return
        task = asyncio.create_task(self._run_shadow(shadow[0], request_id, query))
        self._shadowed.add(task)
        task.add_done_callback(self._shadowed.discard)

    async def _run_shadow(self, shadow: Serving, request_id: str, query: Query) -> None:
        try:
            outputs = await asyncio.to_thread(shadow.bundle.predict, query.inputs)
            by_machine = Decisions(shadow.bundle.manifest, outputs).by_machine
        except Exception as error:
            # Another model may not take these inputs; who asked has the champion's answer.
            logger.warning("the shadow failed on %s: %s", request_id, error)
            return
        digest = shadow.bundle.digest
        record = Record(request_id, time.time(), shadow.version, digest, outputs, by_machine, bytes=outputs.nbytes)
        self._recorder.put(record)
        self._figures.shadowed()
