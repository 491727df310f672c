"""A week of schedules in fast motion. The flows are called in a project as `python -m` this module.

Time is moved for our own code, and not the clock: what the server of Prefect notes is of now.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import psutil

from bench.reliability import toy
from bench.reliability.asking import wait_until
from bench.reliability.flows import trained
from bench.rows import Row
from bench.server import MIB, Server
from tests.workspace import TOY

HOURS_A_DAY = 24
ROWS_AN_HOUR = 60
# As the deployments have them: every ten minutes, nightly, weekly. So many runs are kept for so long.
RUNS_A_DAY, DAYS_KEPT = 24 * 6 + 1 + 1 / 7, 30
MOST_MIB_KEPT = 500.0
MOST_MIB_GROWN = 100.0
VACUUM_SECONDS = 5
OLD = timedelta(days=DAYS_KEPT + 1)


def week(work: Path, *, days: int = 7) -> list[Row]:
    """Monitoring each hour, pruning and a training with nothing to learn each day: what grows, and by how much."""
    project = toy.copy(trained(), work / "project")
    before = toy.results(project)
    vacuum = str(VACUUM_SECONDS)
    with (
        toy.prefect_server(work, PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS=vacuum) as prefect,
        toy.served(project) as url,
    ):
        # No label comes back: there is nothing to learn.
        toy.ask(url, toy.rows(ROWS_AN_HOUR, seed=0)[0], [])
        wait_until(lambda: toy.logged_rows(project) == ROWS_AN_HOUR)
        database = work / "prefect-server" / "prefect" / "prefect.db"
        more = {"PREFECT_API_URL": f"{prefect.url}/api"}

        def live(first: int, until: int) -> Any:
            """Live through days of schedules. Gives the memory of the process in which the flows ran, by day."""
            return toy.inside(project, "week", str(first), str(until), **more)

        live(0, 1)
        after_a_day = _figures(prefect, database)
        memory = live(1, days)
        after_all = _figures(prefect, database)
        runs = _runs(database)
        _age(database)
        wait_until(lambda: _runs(database) == 0, 20 * VACUUM_SECONDS)
        live(days, days + 1)
        again = _figures(prefect, database)
    records = len(toy.differing(toy.results(project), before))
    a_run = (after_all["mib"] - after_a_day["mib"]) / max(1, runs * (days - 1) / days)
    of_server, of_flows = after_all["rss"] - after_a_day["rss"], memory[-1] - memory[0]
    return [
        Row("days of monitoring each hour, pruning and an idle training each day", days, ""),
        Row("runs of flows", runs, "", at_least=days * (HOURS_A_DAY + 2)),
        Row("looks", toy.logged_looks(project), "", at_least=days * HOURS_A_DAY),
        Row("results that changed, champion included", records, "", at_most=0),
        Row("Prefect's database, for each run", a_run * 1024, "KiB"),
        Row(
            "Prefect's database, with the runs of a month", a_run * RUNS_A_DAY * DAYS_KEPT, "MiB", at_most=MOST_MIB_KEPT
        ),
        Row(
            "its growth on the day after a month was pruned",
            again["file_mib"] - after_all["file_mib"],
            "MiB",
            at_most=1,
        ),
        Row(
            "growth of the memory of Prefect's server, from the first day on", of_server, "MiB", at_most=MOST_MIB_GROWN
        ),
        Row("growth of that of the process of the flows, from the second on", of_flows, "MiB", at_most=MOST_MIB_GROWN),
    ]


def _figures(prefect: Server, database: Path) -> dict[str, float]:
    """What Prefect's server and its database have come to; the database without the pages that are free again."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return {"mib": (pages - free) * size / MIB, "file_mib": pages * size / MIB, "rss": prefect.rss_mib()}


def _runs(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM flow_run").fetchone()[0])


def _age(database: Path) -> None:
    """As if all had been a month ago."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA busy_timeout = 60000")
        for table, column in (("flow_run", "end_time"), ("events", "occurred"), ("event_resources", "occurred")):
            connection.execute(
                f"UPDATE {table} SET {column} = strftime('%Y-%m-%d %H:%M:%f000', {column}, '-{OLD.days} days')"
            )


def main(first: int, until: int) -> None:
    from pipelines.monitoring import monitoring
    from pipelines.pruning import pruning
    from pipelines.training import training
    from portfolio.core.environment import local_environment

    local_environment()
    log = Path(".state") / "log" / f"{TOY}.db"
    beginning = _beginning(log)
    memory = []
    for hour in range(first * HOURS_A_DAY, until * HOURS_A_DAY):
        _answer(log, beginning + timedelta(hours=hour + 0.5))
        _move(beginning + timedelta(hours=hour + 1))
        monitoring()
        if hour % HOURS_A_DAY == HOURS_A_DAY - 1:
            pruning()
            training(TOY, asked_by="schedule")
            memory.append(psutil.Process().memory_info().rss / MIB)
    print(json.dumps(memory))


class Moved(datetime):
    """The time of day, moved."""

    by = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + cls.by


def _move(to: datetime) -> None:
    """Move the time for all of our own code that asks for it."""
    Moved.by = to - datetime.now(UTC)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("portfolio", "pipelines") and vars(module).get("datetime") is datetime:
            vars(module)["datetime"] = Moved


def _beginning(log: Path) -> datetime:
    """When the first answer was given."""
    with closing(sqlite3.connect(log)) as connection:
        (text,) = connection.execute("SELECT min(answered_at) FROM predictions").fetchone()
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _answer(log: Path, at: datetime) -> None:
    """The first answer is given once more, at another time."""
    with closing(sqlite3.connect(log)) as connection, connection:
        cursor = connection.execute("SELECT * FROM predictions ORDER BY answered_at LIMIT 1")
        names = [column[0] for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
        row |= {
            "request_id": f"{at.timestamp():032.6f}".replace(".", "0"),
            "answered_at": at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        }
        marks = ", ".join("?" * len(names))
        connection.execute(f"INSERT INTO predictions ({', '.join(names)}) VALUES ({marks})", list(row.values()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
