"""The monitor: one look at what each served bundle answered since the last, and at the labels that came."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from portfolio.bundle.manifest import Manifest, read_manifest
from portfolio.bundle.store import Store
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import BundleError
from portfolio.core.paths import Paths
from portfolio.monitoring import drift, estimate, harm, volume
from portfolio.monitoring.answered import answered
from portfolio.monitoring.inflow import Inflow
from portfolio.monitoring.looks import CLOCKS_APART, Look, Looks, Reason, Verdict
from portfolio.monitoring.outcome import Outcome
from portfolio.monitoring.prediction_log import window
from portfolio.monitoring.prediction_log.database import Database, file_of
from portfolio.monitoring.prediction_log.labels import in_utc
from portfolio.monitoring.prediction_log.window import Served
from portfolio.monitoring.verdict import conclude

# An answer or a label is in the log this long after the time that it has there, at the latest: another program may hold
# the database's lock for as long as the server waits for it in one attempt, and each attempt dates anew.
LAG = timedelta(seconds=7)
STALE_AFTER = timedelta(days=1)


def look(use_case: UseCase, address: str, until: datetime | None = None) -> list[Look]:
    """Look at each bundle that has new answers or labels before `until`, store what was found, and return it.

    A bundle's window goes from the end of its last look to `until`, which is now if it is not given; where the last
    look had too few rows to say anything, it goes on from that one's start. Labels count once, in the look after they
    came. Raises as `PredictionLog` does.
    """
    store = Store.of(use_case.name)
    # Two at once would both go on from the same look.
    with files.alone(Paths(use_case.name).lock("monitor"), f"a look at {use_case.name}"):
        until = until or datetime.now(UTC) - lag(address)
        database, looks = Database(address), Looks(address)
        try:
            latest = looks.last()
            since = latest[0].end if latest else window.first_request(database)
            if since is None or since >= until:
                return []
            found, served = [], store.served()
            # What is served comes last, also after a rollback: its look is the newest.
            ones = window.served(database, since, until)
            for one in sorted(ones, key=lambda one: served is not None and one.digest == served.digest):
                before = next(iter(looks.last(1, one.digest)), None)
                found.append(_look(store, database, looks, one, before, since, until))
            found = _with_volume(looks, found, until)
            found += _stale(store, looks, {one.digest for one in found}, until)
            looks.add(*found)
            return found
        finally:
            database.close()
            looks.close()


def _look(
    store: Store,
    database: Database,
    looks: Looks,
    one: Served,
    before: Look | None,
    since: datetime,
    until: datetime,
) -> Look:
    """`since` is where the window of a bundle begins that has not been looked at yet."""
    start, labels_since, state = since, since, {}
    if before is not None:
        start, labels_since, state = _goes_on_from(before), before.end, before.figures["state"]
    try:
        manifest, _ = read_manifest(store.bundle_folder(one.digest))
    except BundleError:
        # It may come back, and what labels have said of it stands.
        return _nothing(one, start, until, Reason("bundle_gone", {"digest": one.digest[:12]}), state)
    if manifest.promise is None:
        return _nothing(one, start, until, Reason("no_promise", {"version": one.model_version}))
    inflow, outcome = Inflow(manifest), Outcome(manifest)
    inflow.unanswered = window.without_answer(database, one.digest, start, until)
    newest = state.get("newest")
    for requests in window.answers(database, one.digest, start, until):
        inflow.add(answered(manifest, requests))
        inflow.requests += len(requests)
        newest = in_utc(requests[-1]["answered_at"]).isoformat()
    for rows in window.labels(database, one.digest, labels_since, until):
        outcome.add(rows)
    counted = outcome
    if window.has_corrected(database, one.digest, labels_since, until):
        # What was wrong has been counted: all labels of this bundle are counted anew, and what was over is over again.
        state = {key: value for key, value in state.items() if key != harm.LABELS}
        counted = Outcome(manifest, looks.ends(one.digest))
        for rows in window.labels(database, one.digest, window.BEGINNING, until):
            counted.add(rows)
    figures = measure(manifest, inflow, outcome, counted, state)
    figures["state"]["newest"] = newest
    verdict, reasons = conclude(manifest, manifest.promise, inflow, figures)
    return Look(start, until, one.model_version, one.digest, inflow.rows, outcome.labels, verdict, reasons, figures)


def lag(address: str) -> timedelta:
    """How much of the latest is left to the next look. The servers of a file have this machine's clock."""
    return LAG if file_of(address) else LAG + CLOCKS_APART


def measure(
    manifest: Manifest, inflow: Inflow, outcome: Outcome, counted: Outcome, state: dict[str, Any]
) -> dict[str, Any]:
    """What `Look.figures` has; `state` is what earlier looks left, and `counted` has the labels that it does not know.

    `outcome` has those that came in the window.
    """
    promise = manifest.promise
    assert promise is not None
    found, state = harm.seen(manifest, promise, inflow, counted, state)
    expected = inflow.expected
    # What is promised of values is told of the machine's own answers alone.
    by_machine = manifest.output.task == "regression"
    right = sum(count for yen, count in promise.errors if yen == 0)
    quality = (
        right / max(sum(count for _, count in promise.errors), 1) if by_machine else manifest.figures.get("accuracy")
    )
    yen = None if manifest.policy is None else estimate.yen_per_1000(inflow, promise)
    return {
        "yen_per_1000": {
            "promised": 1000 * promise.value_yen,
            "expected": 1000 * promise.expected_yen,
            "estimated": yen,
            "seen": harm.live_yen(manifest, inflow, outcome),
        },
        "quality": {
            "name": "within_tolerance" if by_machine else "accuracy",
            "promised": quality,
            "estimated": estimate.right(inflow, promise, by_machine=by_machine),
            "seen": harm.live_right(inflow, outcome, by_machine=by_machine),
        },
        "machine_share": expected.by_machine / inflow.rows if inflow.rows else None,
        "errors": {
            "strange_rows": inflow.strange,
            "outside": {
                f"{field} {summary}": of.outside for (field, summary), of in inflow.tallies.items() if of.outside
            },
            "unasked_labels": outcome.unasked,
            "unanswered": [{**why._asdict(), "requests": count} for why, count in inflow.unanswered.most_common()],
        },
        "drift": drift.drifts(inflow.tallies),
        "harm": found,
        "state": state,
    }


def _nothing(
    one: Served,
    start: datetime,
    until: datetime,
    reason: Reason,
    state: dict[str, Any] | None = None,
    verdict: Verdict = "insufficient_data",
) -> Look:
    """A look that measured nothing, and why."""
    figures: dict[str, Any] = {
        "yen_per_1000": {"promised": None, "expected": None, "estimated": None, "seen": None},
        "quality": {"name": None, "promised": None, "estimated": None, "seen": None},
        "machine_share": None,
        "errors": {},
        "drift": [],
        "harm": {"evidence": 1.0, "threshold": 1 / harm.ALPHA, "labels": 0, "slices": []},
        "state": state or {},
    }
    return Look(start, until, one.model_version, one.digest, 0, 0, verdict, (reason,), figures)


def _with_volume(looks: Looks, found: list[Look], until: datetime) -> list[Look]:
    """If the volume has moved, the last look says so, at what is served: it is of all versions together."""
    # A window that ended in the first of these days may have begun before it.
    earlier = looks.since(until - (volume.MOST_DAYS + 2) * volume.DAY)
    reason = volume.moved(volume.by_day([*earlier, *found], until)) if found else None
    if reason is None:
        return found
    *others, newest = found
    verdict: Verdict = "harmful" if newest.verdict == "harmful" else "warn"
    # What a look without a warning says is why there was none.
    reasons = newest.reasons if newest.verdict in ("warn", "harmful") else ()
    return [*others, replace(newest, verdict=verdict, reasons=(*reasons, reason))]


def _stale(store: Store, looks: Looks, answered: set[str], until: datetime) -> list[Look]:
    """A look at what is served, if nobody has asked it for a day; one each day, which shows that the monitor runs."""
    served = store.served()
    if served is None or served.digest in answered:
        return []
    # A version that has not been asked at all has none of its own.
    before = next(iter(looks.last(1, served.digest) or looks.last()), None)
    if before is None or until - before.end < STALE_AFTER:
        return []
    newest = before.figures["state"].get("newest")
    idle = until - (datetime.fromisoformat(newest) if newest else before.end)
    if idle < STALE_AFTER:
        return []
    one = Served(served.digest, served.model_version)
    reason = Reason("stale", {"hours": idle.total_seconds() / 3600})
    state = before.figures["state"] if before.digest == served.digest else {"newest": newest}
    return [_nothing(one, _goes_on_from(before), until, reason, state, "warn")]


def _goes_on_from(before: Look) -> datetime:
    """Where the window begins after a look's: with its own, if that had too few rows to say anything."""
    return before.start if before.rows < estimate.LEAST_ROWS else before.end
