"""The parts of a running server: made once for its settings, started and stopped with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import anyio

from portfolio.monitoring.prediction_log.log import PredictionLog
from serving.front.admission import Admission
from serving.front.bodies import Bodies
from serving.record.feedback import Judge
from serving.record.live import LiveMetrics
from serving.record.recorder import Recorder
from serving.record.retention import Retention
from serving.runtime.inference import Inference
from serving.runtime.watcher import StoreWatcher
from serving.settings import Settings

STOP_SECONDS = 4.0


@dataclass(frozen=True)
class Services:
    settings: Settings
    watcher: StoreWatcher
    recorder: Recorder
    metrics: LiveMetrics
    bodies: Bodies
    admission: Admission
    inference: Inference

    @classmethod
    def of(cls, settings: Settings) -> Self:
        watcher = StoreWatcher(settings)
        recorder = Recorder(PredictionLog(settings.log_address), Judge(watcher.store), settings.log_queue)
        metrics = LiveMetrics(watcher, recorder)
        bodies = Bodies(settings.timeout_seconds)
        return cls(
            settings,
            watcher,
            recorder,
            metrics,
            bodies,
            Admission(settings, bodies),
            Inference(settings, watcher, bodies, recorder, metrics),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the model and keep it up to date, and write the log, until the end of the block."""
        self.watcher.refresh()
        self.recorder.start()
        retention = None
        if self.settings.log_keep_days is not None:
            retention = Retention(PredictionLog(self.settings.log_address), self.settings.log_keep_days)
            retention.start()
        async with anyio.create_task_group() as group:
            group.start_soon(self.watcher.watch)
            group.start_soon(self.bodies.watch)
            yield
            group.cancel_scope.cancel()
        if retention is not None:
            retention.stop()
        await self.recorder.stop(STOP_SECONDS)
