"""The parts of a running server: made once for its settings, started and stopped with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import anyio

from portfolio.monitoring.prediction_log.log import PredictionLog
from serving.errors import RequestError
from serving.front.admission import Admission
from serving.front.bodies import Bodies
from serving.record.feedback import Judge, TrueLabel
from serving.record.figures import Figures, Standing
from serving.record.labels import Labels, Outcome, is_unknown
from serving.record.live import LiveMetrics
from serving.record.recorder import Recorder
from serving.record.retention import Retention
from serving.record.watch import Watch
from serving.runtime.inference import Inference
from serving.runtime.watcher import StoreWatcher
from serving.settings import Settings
from serving.workers.siblings import Kind, Note, Place, Siblings

STOP_SECONDS = 4.0


# How long others may take to say how they stand, to look at the store, and to write what they have answered.
NOTE_SECONDS, LOOK_SECONDS, WRITE_SECONDS = 0.5, 10.0, 5.0


@dataclass(frozen=True)
class Services:
    """Those of one process. With `siblings` it is one of several, and answers for all."""

    settings: Settings
    watcher: StoreWatcher
    recorder: Recorder
    metrics: LiveMetrics
    watch: Watch
    bodies: Bodies
    admission: Admission
    inference: Inference
    siblings: Siblings | None
    prunes: bool
    """Whether it deletes old answers: of several processes, one does."""

    @classmethod
    def of(cls, settings: Settings, place: Place | None = None) -> Self:
        watcher = StoreWatcher(settings)
        log = PredictionLog(settings.log_address)
        recorder = Recorder(log, Labels(log, Judge(watcher.store)), settings.log_queue)
        bodies = Bodies(settings.timeout_seconds)
        siblings = None
        if place is None:
            metrics = LiveMetrics(watcher, recorder)
        else:
            metrics = LiveMetrics(watcher, recorder, place.started_at_seconds, place.former())
            act: dict[Kind, Callable[[], Awaitable[object]]] = {
                Kind.NOTE: _nothing,
                Kind.LOOK: partial(_look, watcher),
                Kind.WRITE: recorder.written,
            }
            siblings = Siblings(place, lambda: Note(metrics.counts(), metrics.standing()), act)
        return cls(
            settings,
            watcher,
            recorder,
            metrics,
            Watch(settings.log_address, watcher.store),
            bodies,
            Admission(settings, bodies),
            Inference(settings, watcher, bodies, recorder, metrics),
            siblings,
            settings.log_keep_days is not None and (place is None or place.number == 0),
        )

    async def figures(self) -> Figures:
        """Those of all processes, at this moment."""
        counts, standings = self.metrics.counts(), self.standings()
        if self.siblings is not None:
            # What has been shown once still counts if this process is killed now: a counter must not go back.
            self.siblings.put_note()
            await self.siblings.ask(Kind.NOTE, NOTE_SECONDS)
            standings = self.standings()
            for note in self.siblings.notes():
                counts.merge(note.counts)
        return Figures(self.metrics.started_at_seconds, counts, standings)

    async def all_figures(self) -> Figures:
        """The same, with what the monitor found of the model that is served."""
        figures, served = await self.figures(), self.watcher.current
        gauges = None if served is None else await self.watch.gauges(served.bundle.digest)
        return replace(figures, gauges=gauges)

    def standings(self) -> list[Standing]:
        """How this process stands and what the others said last of themselves."""
        others = [] if self.siblings is None else self.siblings.standings()
        return [self.metrics.standing(), *others]

    def is_useless(self) -> bool:
        """Whether others have a model, and this process has none."""
        return self.watcher.current is None and any(standing.model is not None for standing in self.standings())

    def check_ready(self) -> None:
        """Raises RequestError while the server shuts down, or a process that takes requests can't answer them."""
        self.admission.check_ready()
        self.watcher.served()
        for standing in self.standings():
            if standing.model is None:
                raise RequestError(
                    503, "not_ready", standing.refusal or "A worker is still loading the model.", retry_after_seconds=1
                )

    async def look(self) -> None:
        """Have all processes look at the store."""
        if self.siblings is None:
            await _look(self.watcher)
        else:
            await asyncio.gather(_look(self.watcher), self.siblings.ask(Kind.LOOK, LOOK_SECONDS))

    async def label(self, labels: list[TrueLabel]) -> list[Outcome]:
        """Store true labels, whichever process has given the answers. Raises RequestError as the recorder does."""
        outcomes = await self.recorder.label(labels)
        unknown = [number for number, outcome in enumerate(outcomes) if is_unknown(outcome)]
        if unknown and self.siblings is not None:
            # Another process may have answered a moment ago, and not yet written it.
            await self.siblings.ask(Kind.WRITE, WRITE_SECONDS)
            again = await self.recorder.label([labels[number] for number in unknown])
            for number, outcome in zip(unknown, again, strict=True):
                outcomes[number] = outcome
        return outcomes

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the model and keep it up to date, and write the log, until the end of the block."""
        self.watcher.refresh()
        self.recorder.start()
        retention = None
        if self.prunes and self.settings.log_keep_days is not None:
            retention = Retention(PredictionLog(self.settings.log_address), self.settings.log_keep_days)
            retention.start()
        async with anyio.create_task_group() as group:
            group.start_soon(self.watcher.watch)
            group.start_soon(self.bodies.watch)
            if self.siblings is not None:
                self.siblings.put_note()
                group.start_soon(self.siblings.run)
            yield
            group.cancel_scope.cancel()
        if retention is not None:
            retention.stop()
        await self.recorder.stop(STOP_SECONDS)
        self.watch.close()


async def _look(watcher: StoreWatcher) -> None:
    await asyncio.to_thread(watcher.refresh, force=True)


async def _nothing() -> None:
    """A note follows whatever is asked."""
