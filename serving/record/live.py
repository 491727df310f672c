"""Counts what happens in one process.

Plain numbers that only the event loop changes, and that are turned into Prometheus' format when it asks. Counting is
part of every request: it takes 1 µs this way, and 6 µs with the client library's counters, which are made for threads.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

from portfolio.bundle.policy import MACHINE, PERSON
from serving.protocols.answers import Decisions
from serving.record.figures import VERDICTS, Counts, Standing

if TYPE_CHECKING:
    from serving.record.labels import Stored
    from serving.record.recorder import Recorder
    from serving.runtime.watcher import StoreWatcher


class LiveMetrics:
    """`former` is what was counted by a process that this one replaces, in a server that started then."""

    def __init__(
        self,
        watcher: StoreWatcher,
        recorder: Recorder,
        started_at_seconds: float | None = None,
        former: Counts | None = None,
    ) -> None:
        self.started_at_seconds = started_at_seconds or time.time()
        self._watcher = watcher
        self._recorder = recorder
        self._counts = Counts()
        self._former = former or Counts()

    def request(self, path: str, status: int, seconds: float) -> None:
        self._counts.requests[path, status] += 1
        self._counts.latency(path).add(seconds)

    def predictions(self, task: str, decisions: Decisions) -> None:
        counts = self._counts
        machine = sum(decisions.by_machine)
        counts.decisions[MACHINE] += machine
        counts.decisions[PERSON] += len(decisions.by_machine) - machine
        counts.audited += len(decisions.audited)
        for fields in decisions.unseen.values():
            counts.unseen.update(fields.keys())
        if decisions.expected_yen is not None:
            counts.expected_yen += sum(decisions.expected_yen)
        if task == "classification":
            counts.confidences.add_all(decisions.certainties)

    def label(self, stored: Stored) -> None:
        verdict = VERDICTS[stored.right]
        self._counts.feedback[verdict if stored.outcome == "stored" else stored.outcome] += 1
        if stored.outcome == "unchanged":
            return
        self._counts.labels[verdict] += 1
        replaced = stored.replaced
        if replaced is not None and replaced.received_at.timestamp() >= self.started_at_seconds:
            # Another process may have counted it.
            self._counts.labels[VERDICTS[replaced.right]] -= 1

    def refused_label(self, code: str) -> None:
        """`code` is that of the error."""
        self._counts.feedback[code] += 1

    def shadowed(self) -> None:
        self._counts.shadowed += 1

    def counts(self) -> Counts:
        """A copy of all that was counted, in place of a former process too."""
        counts = copy.deepcopy(self._counts)
        counts.log_dropped = self._recorder.dropped
        counts.merge(self._former)
        counts.refusals = self._watcher.refusals + self._former.refusals
        return counts

    def standing(self) -> Standing:
        watcher, recorder = self._watcher, self._recorder
        return Standing(
            None if watcher.current is None else watcher.current.name,
            watcher.refusal,
            recorder.failure,
            recorder.waiting,
            recorder.seconds_to_disk,
        )
