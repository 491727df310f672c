"""A flow, run as anybody would run it, that tells of its steps: `python -m bench.reliability.stepping`.

    FLOW PARAMETERS PIPE [POINT STEP ACTION]

FLOW is a module of pipelines with a flow of the same name, PARAMETERS are JSON. The steps are its tasks, and of a flow
that does more than they do, the functions in STEPS. A line "begin STEP" or "end STEP" goes to the file descriptor PIPE
at each. At one of them, ACTION may be `stop`, which waits there for ever, or `fill`, which leaves no room on the disk
of the current folder.
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
from pkgutil import resolve_name
from runpy import run_module
from typing import Any

FILLER = Path("filler")
TRAINING, APPROVAL = "training", "approval"
LOG = "portfolio.monitoring.prediction_log.log:PredictionLog"
STEPS = {
    "pruning": [(LOG, "prune"), (LOG, "shrink")],
    APPROVAL: [
        ("pipelines.notices", "notice"),
        # Which writes the form.
        ("prefect.input", "create_flow_run_input"),
        ("prefect", "suspend_flow_run"),
        # What became of the version.
        ("portfolio.monitoring.events", "note_event"),
    ],
}
"""By flow: where the functions are, and their names."""


def main(flow: str, parameters: str, pipe: str, *point: str) -> None:
    from portfolio.core.environment import local_environment

    local_environment()
    # Before the flow's module takes them from there.
    for place, name in STEPS.get(flow, []):
        owner = resolve_name(place)
        setattr(owner, name, _told(getattr(owner, name), name, int(pipe), point))
    module = import_module(f"pipelines.{flow}")
    from prefect import Task

    # Of the modules that it builds on, too.
    ours = [vars(one) for name, one in sorted(sys.modules.items()) if name.startswith("pipelines.")]
    for task in {id(one): one for names in ours for one in names.values() if isinstance(one, Task)}.values():
        task.fn = _told(task.fn, task.task_run_name or task.name, int(pipe), point)
    given = json.loads(parameters)
    if flow == TRAINING:
        from portfolio.cli.main import main as portfolio

        sys.argv = ["portfolio", "run", given["use_case"]]
        portfolio()
    elif flow == APPROVAL:
        # A run that is suspended has a deployment: this is what whoever serves it starts for a run.
        sys.argv = ["prefect.engine", given["flow_run_id"]]
        run_module("prefect.engine", run_name="__main__", alter_sys=True)
    else:
        getattr(module, flow)(**given)


def _told(original: Callable[..., Any], step: str, pipe: int, point: tuple[str, ...]) -> Callable[..., Any]:
    @functools.wraps(original)
    def told(*arguments: Any, **options: Any) -> Any:
        bound = signature(original).bind(*arguments, **options)
        bound.apply_defaults()
        name = step.format(**bound.arguments)
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
