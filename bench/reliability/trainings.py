"""Many trainings at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from bench.reliability import toy
from bench.reliability.asking import wait_until
from bench.reliability.flows import trained
from bench.reliability.poison import FIRST_NEW_DAY, batch, deliver
from bench.reliability.steps import aftermath
from bench.rows import Row
from tests.workspace import TOY

NEW_ROWS = 300
WAITS = "is under way: waiting for process"


def trainings_at_once(work: Path, *, count: int = 10) -> list[Row]:
    """So many trainings, half of them when new batches have come meanwhile: one at a time, and nothing twice."""
    new = {str(seed): batch(seed, NEW_ROWS) for seed in (1, 2)}
    alone = toy.copy(trained(), work / "alone")
    deliver(alone, FIRST_NEW_DAY, new)
    toy.run(alone, "run", TOY, PREFECT_API_URL=toy.prefect()).check_returncode()
    project = toy.copy(toy.untrained(), work / "project")
    begun = [toy.start(project, "run", TOY, PREFECT_API_URL=toy.prefect()) for _ in range(count // 2)]
    try:
        wait_until((project / ".state" / "logs" / TOY / "train.log").exists, toy.RUN_SECONDS)
        deliver(project, FIRST_NEW_DAY, new)
        begun += [toy.start(project, "run", TOY, PREFECT_API_URL=toy.prefect()) for _ in range(count - len(begun))]
        told = [process.communicate(timeout=toy.RUN_SECONDS)[0] for process in begun]
    finally:
        for process in begun:
            process.kill()
    failed = [text for process, text in zip(begun, told, strict=True) if process.returncode]
    for text in failed:
        print(text[-2000:])
    versions, champions = toy.versions(project), toy.champions(project)
    backwards = sum(later <= earlier for earlier, later in pairwise(champions))
    waited = sum(WAITS in text for text in told)
    return [
        Row("trainings at once, half of them with new batches", count, ""),
        Row("that waited, and named the process they waited for", waited, "", at_least=count - 1),
        Row("that failed", len(failed), "", at_most=0),
        Row("registered versions: of the first rows, and of all", len(versions), "", at_least=2, at_most=2),
        Row("champions that followed a later one", backwards, "", at_most=0),
        *aftermath(project, toy.differing(toy.results(project), toy.results(alone))),
    ]
