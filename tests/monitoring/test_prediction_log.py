"""The prediction log in both of its databases, and as the server writes it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from portfolio.bundle.store import Store
from portfolio.core.errors import ConfigError
from portfolio.monitoring.prediction_log import database
from portfolio.monitoring.prediction_log.log import PRUNED_AT_ONCE, PredictionLog
from portfolio.monitoring.prediction_log.statements import ROWS_IN_STATEMENT
from portfolio.monitoring.prediction_log.tables import predictions
from serving.errors import RequestError
from serving.front.exchange import new_request_id
from serving.record.feedback import Judge, TrueLabel
from serving.record.labels import Labels, Stored
from serving.record.record import Record
from serving.record.recorder import LABEL_SECONDS, MAX_BATCH, MAX_WAITING_BYTES, Recorder
from tests import postgres


def rows(address: str, table: str) -> list[dict[str, Any]]:
    engine = create_engine(address)
    with engine.begin() as connection:
        found = [dict(row._mapping) for row in connection.execute(text(f"select * from {table} order by 1"))]
    engine.dispose()
    return found


def record(request_id: str | None = None, outputs: tuple[float, ...] = (0.9, 0.1)) -> Record:
    return Record(
        request_id or new_request_id(),
        1_790_000_000.5,
        3,
        "d" * 64,
        np.array([outputs], dtype=np.float32),
        [True],
        [0.02],
        "predict",
        {"pixels": np.array([[1, 2.5]], dtype=np.float32), "colour": np.array([["\u8d64\0"]], dtype=object)},
    )


class FirstIsRight(Judge):
    """For answers of a bundle that no store has."""

    def verdict(self, digest: str, outputs: list[float], label: Any) -> tuple[str, bool]:
        return label, outputs[0] > outputs[1]


def given(request_id: str, row: int = 0, label: str = "left") -> list[TrueLabel]:
    return [TrueLabel(request_id=request_id, row=row, label=label)]


def recorded(
    address: str, use: Callable[[Recorder], Any], max_queue: int = 1000, judge: type[Judge] = FirstIsRight
) -> Recorder:
    """Let `use` have a running recorder, and stop it."""

    async def run() -> Recorder:
        log = PredictionLog(address)
        recorder = Recorder(log, Labels(log, judge(Store(Path()))), max_queue)
        recorder.start()
        try:
            done = use(recorder)
            if asyncio.iscoroutine(done):
                await done
        finally:
            await recorder.stop(10)
        return recorder

    return asyncio.run(run())


def test_what_was_answered_is_there_with_its_inputs(address: str) -> None:
    one = replace(record(), answered_at_seconds=round(time.time(), 3))
    recorder = recorded(address, lambda recorder: recorder.put(one))
    (found,) = rows(address, "predictions")
    assert recorder.dropped == 0
    assert found["request_id"] == one.request_id
    assert (found["model_version"], found["digest"], found["protocol"], found["rows"]) == (3, "d" * 64, "predict", 1)
    assert json.loads(found["inputs"]) == {"pixels": [[1, 2.5]], "colour": [["\u8d64\0"]]}
    assert json.loads(found["outputs"]) == [[0.9, 0.1]]
    assert json.loads(found["by_machine"]) == [True]
    assert json.loads(found["asked"]) == [0.02]
    assert _answered_at(found) == pytest.approx(one.answered_at_seconds, abs=1e-5)


def test_what_could_not_be_written_for_a_while_is_dated_to_when_it_is(address: str) -> None:
    """The monitor has looked at what was answered then, and does not look again."""
    before = time.time()
    recorded(address, lambda recorder: recorder.put(replace(record(), answered_at_seconds=before - 100)))
    (found,) = rows(address, "predictions")
    assert before - 1e-5 <= _answered_at(found) <= time.time()


def _answered_at(row: dict[str, Any]) -> float:
    at = row["answered_at"]
    return (at if isinstance(at, datetime) else datetime.fromisoformat(at).replace(tzinfo=UTC)).timestamp()


@pytest.mark.parametrize("count", [1, 300])
def test_whole_numbers_are_kept_as_such(tmp_path: Path, count: int) -> None:
    """Pixels are whole numbers: 5 is what 5.0 is, in JSON, and the log is half as large."""
    inputs = {
        "pixels": np.array([[0, 16]], dtype=np.float32),
        "age": np.array([[np.nan]], dtype=np.float32),
        "income": np.array([[3e9]], dtype=np.float32),
        "weights": np.array([[-2, 0.05, 10]], dtype=np.float32),
        "version": np.array([["1.0, or [2.0]"]], dtype=object),
    }
    address = f"sqlite:///{tmp_path / 'log.db'}"
    several = {name: np.repeat(array, count, axis=0) for name, array in inputs.items()}
    recorded(address, lambda recorder: recorder.put(replace(record(), inputs=several)))
    (found,) = rows(address, "predictions")
    written = {
        "pixels": "[0,16]",
        "age": "[null]",
        "income": "[3000000000]",
        "weights": "[-2,0.05,10]",
        "version": '["1.0, or [2.0]"]',
    }
    columns = (f'"{name}":[{",".join([row] * count)}]' for name, row in written.items())
    assert found["inputs"] == f"{{{','.join(columns)}}}"


def test_it_says_how_long_an_answer_took_to_the_disk(tmp_path: Path) -> None:
    one = replace(record(), answered_at_seconds=time.time() - 100)
    recorder = recorded(f"sqlite:///{tmp_path / 'log.db'}", lambda recorder: recorder.put(one))
    assert recorder.seconds_to_disk >= 100


def test_a_batch_that_is_written_twice_is_there_once(address: str) -> None:
    """As after a connection that was cut off while it committed."""
    log = PredictionLog(address)
    batch = [record().row() for _ in range(3)]
    for _ in range(2):
        log.append(predictions, batch)
    log.close()
    assert len(rows(address, "predictions")) == 3


def test_many_at_once_are_all_there(address: str) -> None:
    many = [record() for _ in range(2 * ROWS_IN_STATEMENT[0] + 37)]
    recorded(address, lambda recorder: [recorder.put(one) for one in many], max_queue=len(many))
    assert [row["request_id"] for row in rows(address, "predictions")] == sorted(one.request_id for one in many)


def test_whoever_opens_a_new_database_at_the_same_moment_finds_all_tables(address: str) -> None:
    logs = [PredictionLog(address) for _ in range(8)]
    with ThreadPoolExecutor(len(logs)) as pool:
        list(pool.map(PredictionLog.check, logs))
    for log in logs:
        log.close()


def test_feedback_is_stored_once_and_told_apart(address: str) -> None:
    one = record()

    async def use(recorder: Recorder) -> None:
        recorder.put(one)
        (stored,) = await recorder.label(given(one.request_id))
        assert stored == Stored(one.request_id, "left", True, "stored")
        for request_id, row, status in ((one.request_id, 0, 409), (one.request_id, 1, 404), ("0" * 32, 0, 404)):
            (refused,) = await recorder.label(given(request_id, row, "right"))
            assert isinstance(refused, RequestError)
            assert refused.status == status

    recorded(address, use)
    (found,) = rows(address, "feedback")
    assert (found["request_id"], found["row"], json.loads(found["label"])) == (one.request_id, 0, "left")
    assert found["right"] in (True, 1)


def test_what_a_shadow_said_is_kept_apart(address: str) -> None:
    one = record()
    shadow = Record(one.request_id, one.answered_at_seconds, 4, "e" * 64, one.outputs, [False], [1.0])

    def use(recorder: Recorder) -> None:
        recorder.put(one)
        recorder.put(shadow)

    recorded(address, use)
    assert [row["model_version"] for row in rows(address, "predictions")] == [3]
    assert [row["model_version"] for row in rows(address, "shadow_predictions")] == [4]


def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(postgres_address: str) -> None:
    """SQLite takes any text; PostgreSQL keeps to the columns' lengths."""
    address = postgres_address
    good, bad = record(), record("x" * 40)
    recorder = recorded(address, lambda recorder: [recorder.put(one) for one in (good, bad, record())])
    assert recorder.dropped == 1
    assert good.request_id in {row["request_id"] for row in rows(address, "predictions")}


def test_it_is_durable_and_readers_do_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    recorded(f"sqlite:///{path}", lambda recorder: recorder.put(record()))
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_file_that_was_taken_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    later = record()

    async def use(recorder: Recorder) -> None:
        recorder.put(record())
        await written(recorder)
        for part in tmp_path.glob("log.db*"):
            part.unlink()
        recorder.put(later)
        await written(recorder)

    recorded(f"sqlite:///{path}", use)
    assert [row["request_id"] for row in rows(f"sqlite:///{path}", "predictions")] == [later.request_id]


async def written(recorder: Recorder) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while recorder.waiting:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


def test_while_it_cannot_be_written_records_wait_and_then_are_dropped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    address = f"sqlite:///{tmp_path / 'taken' / 'log.db'}"
    kept = 5

    async def use(recorder: Recorder) -> None:
        for _ in range(kept):
            recorder.put(record())
        with pytest.raises(RequestError) as fault:
            await recorder.label(given("0" * 32))
        assert fault.value.status == 503
        assert recorder.dropped == 0
        for _ in range(100):
            recorder.put(record())
        assert recorder.waiting <= 10
        assert recorder.dropped >= kept + 100 - 10
        # It comes back, and what waited is written.
        (tmp_path / "taken").unlink()
        await written(recorder)

    recorder = recorded(address, use, max_queue=10)
    found = len(rows(address, "predictions"))
    assert found + recorder.dropped == kept + 100
    assert found >= kept


def test_no_label_waits_for_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")

    async def use(recorder: Recorder) -> None:
        for _ in range(MAX_BATCH + 100):
            recorder.put(record())
        label = recorder.label(given("0" * 32))
        with pytest.raises(RequestError) as fault:
            await asyncio.wait_for(label, LABEL_SECONDS)
        assert fault.value.status == 503

    recorded(f"sqlite:///{tmp_path / 'taken' / 'log.db'}", use, max_queue=10_000)


def test_of_large_records_fewer_wait(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    large = replace(record(), bytes=MAX_WAITING_BYTES // 4)

    def use(recorder: Recorder) -> None:
        for _ in range(10):
            recorder.put(large)
        assert recorder.waiting == 4

    recorded(f"sqlite:///{tmp_path / 'taken' / 'log.db'}", use)


def test_what_is_left_at_the_end_is_counted_as_dropped(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    recorder = recorded(f"sqlite:///{tmp_path / 'taken' / 'log.db'}", lambda recorder: recorder.put(record()))
    assert recorder.dropped == 1


def label(name: str, row: int = 0) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"request_id": "a" * 32, "row": row, "label": f'"{name}"', "right": name == "left", "received_at": now}


def test_the_log_says_what_became_of_each_label(address: str) -> None:
    log = PredictionLog(address)

    def outcomes(*labels: dict[str, Any], corrections: tuple[int, ...] = ()) -> list[tuple[str, str]]:
        return [(outcome.name, outcome.label) for outcome in log.add_labels(labels, corrections)]

    assert outcomes(label("left"), label("left"), label("right")) == [
        ("stored", '"left"'),
        ("unchanged", '"left"'),
        ("kept", '"left"'),
    ]
    assert outcomes(label("right"), label("up"), label("up", row=1), corrections=(0, 1)) == [
        ("corrected", '"right"'),
        ("corrected", '"up"'),
        ("stored", '"up"'),
    ]
    log.close()
    assert [row["label"] for row in rows(address, "feedback")] == ['"up"', '"up"']
    history = sorted(rows(address, "feedback_history"), key=lambda row: row["replaced_at"])
    assert [(row["label"], bool(row["right"])) for row in history] == [('"left"', True), ('"right"', False)]


def test_corrections_of_one_moment_are_all_in_the_history(address: str) -> None:
    """Also where another server's clock is behind."""
    log = PredictionLog(address)
    now = datetime.now(UTC)
    for name, at in (("left", now), ("right", now), ("up", now), ("down", now - timedelta(seconds=1))):
        log.add_labels([{**label(name), "received_at": at}], corrections=(0,))
    log.close()
    assert [row["label"] for row in rows(address, "feedback")] == ['"down"']
    history = sorted(rows(address, "feedback_history"), key=lambda row: row["replaced_at"])
    assert [row["label"] for row in history] == ['"left"', '"right"', '"up"']


def test_labels_that_the_database_refuses_do_not_fail_those_of_other_requests(address: str) -> None:
    """They share a transaction."""
    good, bad = record(), record()

    class Odd(FirstIsRight):
        def verdict(self, digest: str, outputs: list[float], label: Any) -> tuple[str, bool]:
            # No database takes this for a boolean.
            return label, "perhaps" if label == "odd" else True  # type: ignore[return-value]

    async def use(recorder: Recorder) -> None:
        recorder.put(good)
        recorder.put(bad)
        asked = [
            recorder.label(given(bad.request_id, label="odd")),
            recorder.label(given(good.request_id)),
        ]
        refused, (stored,) = await asyncio.gather(*asked, return_exceptions=True)
        assert stored == Stored(good.request_id, "left", True, "stored")
        assert isinstance(refused, RequestError)
        assert (refused.status, refused.code) == (500, "internal")
        # The log works.
        assert recorder.failure is None

    recorded(address, use, judge=Odd)
    assert [row["request_id"] for row in rows(address, "feedback")] == [good.request_id]


def test_of_many_labels_at_one_moment_one_is_added(address: str) -> None:
    """As several servers on one log may give them."""
    logs = [PredictionLog(address) for _ in range(4)]
    for log in logs:
        log.check()
    with ThreadPoolExecutor(len(logs)) as threads:
        added = list(threads.map(lambda number: logs[number].add_labels([label(str(number))])[0], range(len(logs))))
    assert sorted(outcome.name for outcome in added) == ["kept", "kept", "kept", "stored"]
    (stored,) = rows(address, "feedback")
    assert {outcome.label for outcome in added} == {stored["label"]}
    for log in logs:
        log.close()


def test_tables_of_an_earlier_version_get_what_they_lack(address: str) -> None:
    log = PredictionLog(address)
    log.append(predictions, [record().row()])
    log.close()
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("drop index ix_predictions_callers_id"))
        connection.execute(text("alter table predictions drop column callers_id"))
        connection.execute(text("drop table feedback_history"))
    engine.dispose()
    both = [PredictionLog(address) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda log: log.append(predictions, [replace(record(), callers_id="mine").row()]), both))
    assert len(both[0].answers_to(["mine"])["mine"]) == 2
    for log in both:
        log.close()


def test_a_log_is_that_of_one_use_case(address: str) -> None:
    log = PredictionLog(address)
    # One of before, that has no such note.
    log.append(predictions, [record().row()])
    log.claim("toy")
    log.claim("toy")
    with pytest.raises(ConfigError, match=r"that of 'toy', and 'shapes' needs one of its own\..*SERVING_LOG_URL"):
        log.claim("shapes")
    log.close()


def test_old_answers_are_deleted_and_those_with_a_label_only_if_asked(address: str) -> None:
    log = PredictionLog(address)
    now = time.time()
    old, labelled, new = (replace(record(), answered_at_seconds=now - days * 86_400) for days in (40, 40, 1))
    many = [replace(record(), answered_at_seconds=now - 40 * 86_400).row() for _ in range(PRUNED_AT_ONCE + 1)]
    log.append(predictions, [old.row(), labelled.row(), new.row(), *many])
    log.add_labels([{**label("left"), "request_id": labelled.request_id}])
    before = datetime.fromtimestamp(now - 30 * 86_400, UTC)
    assert log.prune(before, labelled=False) == len(many) + 1
    assert {row["request_id"] for row in rows(address, "predictions")} == {labelled.request_id, new.request_id}
    assert log.prune(before, labelled=True) == 1
    log.shrink()
    log.close()
    assert [row["request_id"] for row in rows(address, "predictions")] == [new.request_id]
    assert rows(address, "feedback") == []


def test_a_label_that_comes_while_old_answers_are_deleted_stays(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = PredictionLog(address)
    old, labelled = (replace(record(), answered_at_seconds=time.time() - 40 * 86_400) for _ in range(2))
    log.append(predictions, [old.row(), labelled.row()])

    def in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
        log.add_labels([{**label("left"), "request_id": labelled.request_id}])
        yield ids

    monkeypatch.setattr("portfolio.monitoring.prediction_log.log.parts", in_parts)
    log.prune(datetime.now(UTC), labelled=False)
    monkeypatch.undo()
    log.close()
    for table in ("predictions", "feedback"):
        assert [row["request_id"] for row in rows(address, table)] == [labelled.request_id]


@pytest.mark.parametrize("journal", ["left", "taken away"])
def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path, journal: str) -> None:
    """As when a backup is restored under a running server."""
    path, backup = tmp_path / "log.db", tmp_path / "backup.db"
    address = f"sqlite:///{path}"
    first, lost, later = (record().row() for _ in range(3))
    log = PredictionLog(address)
    log.append(predictions, [first])
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    log.append(predictions, [lost])
    if journal == "taken away":
        for part in tmp_path.glob("log.db-*"):
            part.unlink()
    backup.replace(path)
    log.append(predictions, [later])
    log.close()
    assert {row["request_id"] for row in rows(address, "predictions")} == {first["request_id"], later["request_id"]}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_file_that_was_emptied_is_made_anew(tmp_path: Path) -> None:
    """As by logrotate with copytruncate, under two processes that have it open; a third opens it first."""
    path = tmp_path / "log.db"
    address = f"sqlite:///{path}"
    logs = [PredictionLog(address) for _ in range(3)]
    for log in logs[1:]:
        log.append(predictions, [record().row() for _ in range(200)])
    os.truncate(path, 0)
    kept = [record().row() for _ in range(6)]
    for log, row in zip(logs * 2, kept, strict=True):
        log.append(predictions, [row])
    for log in logs:
        log.close()
    assert {row["request_id"] for row in rows(address, "predictions")} == {row["request_id"] for row in kept}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_file_that_is_no_database_can_not_be_used_and_drops_no_record(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"no database, and long enough to be looked at as one" * 100)
    with pytest.raises(OperationalError, match="not a database"):
        PredictionLog(f"sqlite:///{path}").append(predictions, [record().row()])
    one = record()

    async def use(recorder: Recorder) -> None:
        recorder.put(one)
        with pytest.raises(RequestError) as fault:
            await recorder.label(given(one.request_id))
        assert fault.value.status == 503
        assert (recorder.dropped, recorder.waiting) == (0, 1)
        path.unlink()
        await written(recorder)

    recorded(f"sqlite:///{path}", use)
    assert [row["request_id"] for row in rows(f"sqlite:///{path}", "predictions")] == [one.request_id]


def test_a_file_that_is_damaged_within_can_not_be_used(tmp_path: Path) -> None:
    """It opens, since its first page is whole; what is behind it is not."""
    path = tmp_path / "log.db"
    log = PredictionLog(f"sqlite:///{path}")
    log.append(predictions, [record().row()])
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"x" * (len(whole) - 4096))
    with pytest.raises(OperationalError, match="malformed"):
        log.append(predictions, [record().row()])
    log.close()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "mysql://localhost/log",
        "oracle://x/y",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:log?mode=memory&uri=true",
        "sqlite+aiosqlite:////tmp/log.db",
        "postgresql+asyncpg://localhost/log",
        "postgresql+nothing://localhost/log",
    ],
)
def test_an_address_that_is_none_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(ConfigError, match=r"Write sqlite:////.* or postgresql\+psycopg://"):
        PredictionLog(address)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+asyncpg://user:s3cret@localhost/log",
        "postgresql+psycopg://user:s3cret@localhost:port/log",
        "postgresql//user:s3cret@localhost/log",
        "mysql://localhost/log?password=s3cret",
        "mysql://user:@s3cret@localhost/log",
    ],
)
def test_a_password_in_a_bad_address_is_not_shown(address: str) -> None:
    with pytest.raises(ConfigError) as fault:
        PredictionLog(address)
    assert "s3cret" not in str(fault.value)


@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="needs pgbouncer (Debian: apt-get install pgbouncer)")
@pytest.mark.parametrize("query", ["", "?prepare_threshold=0"])
def test_behind_a_pooler_nothing_is_lost(postgres_address: str, query: str) -> None:
    """Two servers whose transactions share two connections, so that a prepared statement would be another's."""
    per_round, rounds = 20, 40
    with postgres.pooled(postgres_address) as pooled:
        before = PredictionLog(pooled)
        before.check()
        before.close()
        known = {row["request_id"] for row in rows(postgres_address, "predictions")}

        async def use(recorder: Recorder) -> None:
            for _ in range(rounds):
                many = [record(uuid4().hex) for _ in range(per_round)]
                for one in many:
                    recorder.put(one)
                assert all(isinstance(found, Stored) for found in await recorder.label(given(many[-1].request_id)))

        with ThreadPoolExecutor(2) as threads:
            recorders = list(threads.map(lambda _: recorded(pooled + query, use), range(2)))
    assert [recorder.dropped for recorder in recorders] == [0, 0]
    added = [row for row in rows(postgres_address, "predictions") if row["request_id"] not in known]
    assert len(added) == 2 * rounds * per_round


def test_a_table_that_was_dropped_is_made_again_and_no_record_is_lost(postgres_address: str) -> None:
    """It is no fault of the rows, whatever the database calls it."""
    first, later = record(), record()

    async def use(recorder: Recorder) -> None:
        recorder.put(first)
        await written(recorder)
        engine = create_engine(postgres_address)
        with engine.begin() as connection:
            connection.execute(text("drop table predictions"))
        engine.dispose()
        recorder.put(later)
        await written(recorder)

    recorder = recorded(postgres_address, use)
    assert recorder.dropped == 0
    assert later.request_id in {row["request_id"] for row in rows(postgres_address, "predictions")}


def test_an_attempt_that_another_holds_up_is_given_up_as_the_monitor_does_not_look_back_for_it(
    postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WRITE_SECONDS", 1)
    log, engine = PredictionLog(postgres_address), create_engine(postgres_address)
    log.check()
    with engine.begin() as other:
        other.execute(text("lock table predictions in exclusive mode"))
        other.execute(text("lock table feedback in exclusive mode"))
        # The lock is held until the attempts are over: without a limit, for ever.
        other.execute(text("set local idle_in_transaction_session_timeout = '20s'"))
        for attempt in (
            lambda: log.append(predictions, [record().row()]),
            lambda: log.add_labels([{**label("held up"), "received_at": datetime.now(UTC)}]),
        ):
            started = time.monotonic()
            with pytest.raises(OperationalError, match="statement timeout"):
                attempt()
            assert time.monotonic() - started < 10
    assert log.append(predictions, [record().row()]) == 1
    engine.dispose()
    log.close()


def test_an_address_as_hosts_give_it_is_taken() -> None:
    PredictionLog("postgres://user:secret@localhost/log").close()
