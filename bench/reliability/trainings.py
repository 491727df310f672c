"""Many trainings: at once, and again and again with nothing new to learn."""

from __future__ import annotations

from pathlib import Path

from bench.reliability import toy
from bench.reliability.flows import trained
from bench.reliability.steps import aftermath
from bench.rows import Row
from tests.conftest import TOY

WAITS = "is under way: waiting for process"


def trainings_at_once(work: Path, *, count: int = 10) -> list[Row]:
    """So many trainings start at once: one trains, the others wait and find that nothing is left to do."""
    project = toy.copy(toy.untrained(), work / "project")
    begun = [toy.start(project, "run", TOY, PREFECT_API_URL=toy.prefect()) for _ in range(count)]
    try:
        told = [process.communicate(timeout=toy.RUN_SECONDS)[0] for process in begun]
    finally:
        for process in begun:
            process.kill()
    failed = [text for process, text in zip(begun, told, strict=True) if process.returncode]
    for text in failed:
        print(text[-2000:])
    versions = toy.versions(project)
    return [
        Row("trainings at once", count, ""),
        Row("that waited, and said for whom", sum(WAITS in text for text in told), "", at_least=count - 1),
        Row("that failed", len(failed), "", at_most=0),
        Row(
            "promoted by one of them",
            sum("promoted and published (" in text for text in told),
            "",
            at_least=1,
            at_most=1,
        ),
        Row("champions", len(toy.champions(project)), "", at_least=1, at_most=1),
        Row("registered versions", len(versions), "", at_least=1, at_most=1),
        *aftermath(project, toy.differing(toy.results(project), toy.results(trained()))),
    ]
