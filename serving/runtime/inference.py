"""From a request to its answer, the same way for every protocol: read, run, decide, record, write."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Any

from portfolio.core.types import Array
from serving.errors import RequestError
from serving.front.bodies import Bodies
from serving.front.exchange import DisconnectedError, Exchange
from serving.protocols.answers import Decisions
from serving.protocols.explanation import MAX_ROWS, explanation, variants
from serving.protocols.invocations import CSV
from serving.protocols.pictures import MEDIA_TYPES
from serving.protocols.query import InferenceProtocol, Query, Reply, Result
from serving.record.live import LiveMetrics
from serving.record.record import Record
from serving.record.recorder import Recorder
from serving.runtime.served import ServedModel
from serving.runtime.watcher import StoreWatcher
from serving.settings import Settings

logger = logging.getLogger("serving")
# Smaller ones are read sooner than a thread could begin.
LARGE_BYTES = 128 * 1024
SLOW_TYPES = (*MEDIA_TYPES, CSV)
# Requests that may wait for the shadow: it sees a sample, and must not fall behind.
MAX_SHADOWED = 32


class Inference:
    """Answers requests for predictions."""

    def __init__(
        self, settings: Settings, watcher: StoreWatcher, bodies: Bodies, recorder: Recorder, metrics: LiveMetrics
    ) -> None:
        self._settings = settings
        self._bodies = bodies
        self._watcher = watcher
        self._recorder = recorder
        self._metrics = metrics
        self._random = random.Random()
        self._shadowed: set[asyncio.Task[None]] = set()

    async def answer(self, exchange: Exchange, protocol: InferenceProtocol) -> Reply:
        """Raises RequestError if the request can't be answered."""
        model = self._watcher.served()
        exchange.version = model.version
        try:
            return await self._answer(model, exchange, protocol)
        except RequestError as error:
            if not exchange.is_draft:
                where = error.details[0]["field"] if error.details else ""
                self._unanswered(model, error.status, model.schema.field_at(where))
            raise
        except DisconnectedError:
            raise
        except Exception:
            self._unanswered(model, 500, "")
            raise

    async def _answer(self, model: ServedModel, exchange: Exchange, protocol: InferenceProtocol) -> Reply:
        body = await self._bodies.read(exchange, self._settings.max_body_bytes)
        is_slow = exchange.content_type in SLOW_TYPES or model.schema.may_have_files(body)
        if is_slow or len(body) > LARGE_BYTES:
            # It takes tens of milliseconds, and must not hold up other requests.
            query = await asyncio.to_thread(protocol.read, model, exchange, body)
        else:
            query = protocol.read(model, exchange, body)
        outputs = await self._run(model, query)
        unseen = model.schema.unseen(query.inputs)
        to_person = self._settings.unseen_to_person
        decisions = Decisions(model.bundle, outputs, unseen, unseen_to_person=to_person, may_audit=not query.draft)
        result = Result(exchange.request_id, outputs, decisions)
        if query.explain:
            result.explanations = await self._explain(model, query, outputs, decisions.answers)
        reply = protocol.write(model, query, result)
        if query.draft:
            return reply
        self._recorder.put(
            Record(
                exchange.request_id,
                time.time(),
                model.version,
                model.bundle.digest,
                outputs,
                decisions.by_machine,
                decisions.asked,
                protocol.name,
                query.inputs,
                exchange.callers_id,
                # A small file may be a picture of many values.
                len(body) + outputs.nbytes + sum(array.nbytes for array in query.inputs.values()),
            )
        )
        self._metrics.predictions(model.bundle.manifest.output.task, decisions)
        self._shadow(exchange.request_id, query)
        return reply

    async def _run(self, model: ServedModel, query: Query) -> Array:
        if query.rows <= model.runner.plan.inline_rows:
            return model.bundle.predict(query.inputs)
        try:
            return await model.runner.run(query.inputs, query.rows, self._settings.timeout_seconds)
        except TimeoutError as error:
            raise RequestError(
                503,
                "too_busy",
                f"No answer within {self._settings.timeout_seconds:g} seconds. Try again later.",
                retry_after_seconds=1,
            ) from error

    async def _explain(
        self, model: ServedModel, query: Query, outputs: Array, answers: list[int]
    ) -> list[dict[str, Any]]:
        if query.rows > MAX_ROWS:
            raise RequestError(
                422, "invalid_request", f"explain: at most {MAX_ROWS} instances per request, not {query.rows:,}."
            )
        manifest = model.bundle.manifest
        found = []
        for row in range(query.rows):
            one = {name: array[row : row + 1] for name, array in query.inputs.items()}
            # In threads: a long text is cut in a thousand ways.
            inputs, parts = await asyncio.to_thread(variants, manifest, one)
            without = await self._run(model, Query(inputs, sum(parts.values())))
            found.append(
                await asyncio.to_thread(
                    explanation, manifest, one, outputs[row, answers[row]], answers[row], without, parts
                )
            )
        return found

    def _unanswered(self, model: ServedModel, status: int, field: str) -> None:
        self._recorder.put_unanswered(model.bundle.digest, model.version, status, field)

    def _shadow(self, request_id: str, query: Query) -> None:
        """Run a share of the requests through the shadow too, for the log alone."""
        shadow = self._watcher.shadow
        if shadow is None or self._random.random() >= shadow[1] or len(self._shadowed) >= MAX_SHADOWED:
            return
        task = asyncio.create_task(self._run_shadow(shadow[0], request_id, query))
        self._shadowed.add(task)
        task.add_done_callback(self._shadowed.discard)

    async def _run_shadow(self, shadow: ServedModel, request_id: str, query: Query) -> None:
        try:
            outputs = await asyncio.to_thread(shadow.bundle.predict, query.inputs)
            unseen = shadow.schema.unseen(query.inputs)
            to_person = self._settings.unseen_to_person
            decisions = Decisions(shadow.bundle, outputs, unseen, unseen_to_person=to_person)
        except Exception as error:
            # Another model may not take these inputs, and the caller has the champion's answer.
            logger.warning("the shadow failed on %s: %s", request_id, error)
            return
        digest = shadow.bundle.digest
        by_machine, asked = decisions.by_machine, decisions.asked
        record = Record(
            request_id, time.time(), shadow.version, digest, outputs, by_machine, asked, bytes=outputs.nbytes
        )
        self._recorder.put(record)
        self._metrics.shadowed()
