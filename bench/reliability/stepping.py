"""A flow, run as anybody would run it, that tells of its steps: `python -m bench.reliability.stepping`.

    FLOW PARAMETERS PIPE [POINT STEP ACTION]

FLOW is a module of pipelines with a flow of the same name, PARAMETERS are JSON. The steps are the tasks of that module;
a line "begin STEP" or "end STEP" goes to the file descriptor PIPE at each. At one of them, ACTION may be `stop`, which
waits there for ever, or `fill`, which leaves no room on the disk of the current folder.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

FILLER = Path("filler")
TRAINING = "training"


def main(flow: str, parameters: str, pipe: str, *point: str) -> None:
    from portfolio.core.environment import local_environment

    local_environment()
    module = import_module(f"pipelines.{flow}")
    from prefect import Task

    for task in vars(module).values():
        if isinstance(task, Task):
            task.fn = _told(task, int(pipe), point)
    given = json.loads(parameters)
    if flow == TRAINING:
        from portfolio.cli.main import main as portfolio

        sys.argv = ["portfolio", "run", given["use_case"]]
        portfolio()
    else:
        getattr(module, flow)(**given)


def _told(task: Any, pipe: int, point: tuple[str, ...]) -> Callable[..., Any]:
    original = task.fn

    @functools.wraps(original)
    def told(*arguments: Any, **options: Any) -> Any:
        bound = signature(original).bind(*arguments, **options)
        bound.apply_defaults()
        name = (task.task_run_name or task.name).format(**bound.arguments)
        _at("begin", name, pipe, point)
        try:
            return original(*arguments, **options)
        finally:
            _at("end", name, pipe, point)

    return told


def _at(when: str, name: str, pipe: int, point: tuple[str, ...]) -> None:
    here = point[:2] == (when, name)
    if here and point[2] == "fill":
        fill()
    os.write(pipe, f"{when} {name}\n".encode())
    if here and point[2] == "stop":
        threading.Event().wait()


def fill() -> None:
    """Leave no room on this disk."""
    with FILLER.open("ab") as stream:
        size = 1 << 20
        while size:
            try:
                os.write(stream.fileno(), bytes(size))
            except OSError:
                size //= 2


if __name__ == "__main__":
    main(*sys.argv[1:])
