"""kill -9 of each flow at the start, in the middle and at the end of each of its steps, and on with the next run.

The kills follow each other in one project, so that the result at the end has stood all of them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

from bench.reliability import toy
from bench.reliability.asking import wait_until
from bench.reliability.flows import Flow, trained, undisturbed
from bench.rows import Row, console
from portfolio.core import files
from portfolio.monitoring import monitor
from tests.workspace import TOY

MOMENTS = ("begin", "middle", "end")
ROWS = 200
"""Answered before each run of the monitoring flow."""


def training_killed(work: Path, *, only: Collection[str] = ()) -> list[Row]:
    """The training flow is killed at each of its steps, and run again: the results are those of an undisturbed run."""
    whole, seconds = undisturbed()
    project = toy.copy(toy.untrained(), work / "project")
    killed = Flow("training", {"use_case": TOY}, project, work / "run.log", toy.prefect())
    steps = [step for step in seconds if not only or step in only]
    came = sum(killed.kill(moment, step, seconds[step]) for step, moment in product(steps, MOMENTS))
    # A server of Prefect that a run has started for itself must not outlive it.
    came += replace(killed, api="").kill("begin", steps[0], 0)
    killed.run()
    return [
        Row("steps of the training flow, its stages among them", len(steps), "", at_least=1),
        Row(
            "kills, at the start, in the middle and at the end of each",
            came,
            "",
            at_least=len(MOMENTS) * len(steps) + 1,
        ),
        *aftermath(project, toy.differing(toy.results(project), toy.results(whole))),
        Row("records that MLflow takes to be under way", toy.unfinished_records(project), "", at_most=0),
    ]


def monitoring_killed(work: Path) -> list[Row]:
    """The monitoring flow is killed at each of its steps: every answer and every label is looked at once."""
    project = toy.copy(trained(), work / "project")
    flow = Flow("monitoring", {"use_case": TOY}, project, work / "run.log", toy.prefect())
    with toy.served(project) as url:
        asked = [toy.ask(url, *toy.rows(ROWS, seed=0))]
        _settle(project, asked)
        seconds = flow.run()
        kills = 0
        for seed, (step, moment) in enumerate(product(seconds, MOMENTS), start=1):
            asked.append(toy.ask(url, *toy.rows(ROWS, seed)))
            _settle(project, asked)
            kills += flow.kill(moment, step, seconds[step])
        flow.run()
    looks = toy.looks(project)
    rows, labels = sum(one.rows for one in asked), sum(one.labels for one in asked)
    gaps = sum(before.end != after.start for before, after in pairwise(looks))
    return [
        Row("steps of the monitoring flow", len(seconds), "", at_least=1),
        Row(
            "kills, at the start, in the middle and at the end of each", kills, "", at_least=len(MOMENTS) * len(seconds)
        ),
        Row("answers", rows, "", at_least=1),
        Row("answers looked at twice or never", abs(sum(look.rows for look in looks) - rows), "", at_most=0),
        Row("labels counted twice or never", abs(sum(look.labels for look in looks) - labels), "", at_most=0),
        Row("looks that do not begin where the one before ended", gaps, "", at_most=0),
        *aftermath(project, []),
    ]


def _settle(project: Path, asked: Sequence[toy.Asked]) -> None:
    """Return when all that was asked is in the log, and long enough ago for a look."""
    wait_until(lambda: toy.logged_rows(project) == sum(one.rows for one in asked))
    time.sleep(monitor.LAG.total_seconds())


def scoring_killed(work: Path, *, rows: int = 300_000) -> list[Row]:
    """The scoring flow is killed at each of its steps, and run again: the output is that of an undisturbed run."""
    project = toy.copy(trained(), work / "project")
    toy.write_rows(project / "rows.parquet", rows)
    differing, kills = [], 0

    def flow(target: str) -> Flow:
        parameters = {"use_case": TOY, "source": "rows.parquet", "target": target}
        return Flow("scoring", parameters, project, work / "run.log", toy.prefect())

    seconds = flow("whole.parquet").run()
    for step, moment in product(seconds, MOMENTS):
        target = f"{step}-{moment}.parquet"
        kills += flow(target).kill(moment, step, seconds[step])
        if not (project / target).exists():
            flow(target).run()
        if files.sha256(project / target) != files.sha256(project / "whole.parquet"):
            differing.append(target)
    return [
        Row("rows scored", rows, ""),
        Row("kills at the start, in the middle and at the end", kills, "", at_least=len(MOMENTS)),
        *aftermath(project, differing),
        Row("folders of parts that were left", len(list(project.glob("*.parts"))), "", at_most=0),
    ]


def aftermath(project: Path, differing: list[str]) -> list[Row]:
    """What a project is like after the last run. What is wrong is named on the terminal."""
    left = toy.left_files(project)
    for told in (*(f"{name} differs" for name in differing), *(f"{name} was left" for name in left)):
        console.print(f"[red]{told}[/]")
    return [
        Row("results that differ from those of an undisturbed run", len(differing), "", at_most=0),
        Row("unfinished files left behind", len(left), "", at_most=0),
        Row("processes left", len(toy.left_processes(project)), "", at_most=0),
    ]
