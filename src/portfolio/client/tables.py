"""What a client shows on a terminal: predictions, and how a load went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from portfolio.client.load import Load
from portfolio.core.counted import counted
from portfolio.core.terminal import console

# Terminals show only the first rows; files and pipes get all of them.
MAX_SHOWN = 50


def show_predictions(answers: Iterator[dict[str, Any]], model: dict[str, Any]) -> None:
    """One line per answer, up to as many as are readable on a terminal."""
    table = Table(title=f"{model['output']['name']}, by version {model['version']} of {model['use_case']}")
    output = model["output"]
    regression = output["task"] == "regression"
    # By the first answer: each has its file, or none has.
    first = next(answers, None)
    several = first is not None and "file" in first
    if several:
        table.add_column("file", overflow="fold")
    table.add_column("row", justify="right")
    table.add_column("value" if regression else "class", justify="right" if regression else "left")
    if not regression:
        table.add_column("probability", justify="right")
    table.add_column("decided by")
    table.add_column("expected yen", justify="right")
    count = 0
    for count, answer in enumerate(chain([] if first is None else [first], answers), start=1):
        if count > MAX_SHOWN:
            continue
        said = [f"{answer['value']:,.6g} {answer['unit']}"] if regression else [answer["class"]]
        sure = [] if regression else [f"{max(answer['probabilities'].values()):.4f}"]
        yen = f"{answer['expected_yen']:,.2f}" if "expected_yen" in answer else ""
        where = [answer["file"]] if several else []
        table.add_row(*where, str(answer["row"]), *said, *sure, answer["decision"], yen)
    console.print(table)
    if count > MAX_SHOWN:
        console.print(f"... and {count - MAX_SHOWN:,} more. All of them: --json")


@contextmanager
def load_progress(total: float, *, shown: bool) -> Iterator[Callable[[int, Counter[str]], None] | None]:
    """A bar for a load, drawn only when the load reports progress: drawing takes time that is measured."""
    if not shown or not console.is_terminal:
        yield None
        return
    columns = (BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"), TextColumn("{task.description}"))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=total)

        def tell(planned: int, outcomes: Counter[str]) -> None:
            bar.update(task, completed=planned, description=_outcomes(outcomes), refresh=True)

        yield tell


def show_load(load: Load) -> None:
    table = Table(title=f"{counted(load.planned, 'request')} planned, {load.planned_rate:,g} a second")
    for heading in ("good answers", "a second", "p50 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="right")
    table.add_column("answers by status")
    figures = [f"{value:,.2f}" for value in (load.p50_ms, load.p99_ms, load.max_ms)]
    table.add_row(f"{load.good:,}", f"{load.rate:,.1f}", *figures, _outcomes(Counter(load.by_status)))
    console.print(table)
    console.print(
        "Latency counts from the planned time of sending. This client itself was late by at most "
        f"{load.client_late_p99_ms:,.2f} ms in 99% of what it timed."
    )


def _outcomes(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items()))
