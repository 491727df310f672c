"""What the terminal shows."""

from __future__ import annotations

import difflib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from portfolio.client.load import Load

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def counted_progress() -> Progress:
    """A bar for so many things of a known number, with what is being done before it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def failure(message: str) -> None:
    errors.print("[bold red]Error:[/]", end=" ")
    errors.print(message, markup=False, soft_wrap=True)


@dataclass
class Step:
    """One step. Set `result` to what it came to; `log` is a file whose last line says how far it is."""

    name: str
    log: Path | None = None
    result: str = ""
    started: float = field(default_factory=time.monotonic)
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="cyan"))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def __rich__(self) -> RenderableType:
        text = Text.assemble((f"{self.name:<12}", "bold"), f"{self.seconds:6.1f} s  ", (self._last_line(), "dim"))
        text.no_wrap, text.overflow = True, "ellipsis"
        self.spinner.update(text=text)
        return self.spinner

    def _last_line(self) -> str:
        try:
            lines = (self.log.read_text(errors="replace") if self.log else "").strip().splitlines()
        except FileNotFoundError:
            return ""
        return lines[-1] if lines else ""


class Steps:
    """The steps of a run, which may overlap: a live line for each that is running, a lasting one when it is done.

    Where the output is no terminal, there are only the lasting lines.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[Step] = []
        self._lock = threading.Lock()
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._render)

    def _render(self) -> RenderableType:
        return Group(*self._running)

    @contextmanager
    def step(self, name: str, log: Path | None = None) -> Iterator[Step]:
        step = Step(name, log)
        with self._lock:
            self._running.append(step)
            if len(self._running) == 1:
                self._live.start()
        mark = "[red]✗[/]"
        try:
            yield step
            mark = "[green]✓[/]"
        finally:
            self.seconds[name] = step.seconds
            with self._lock:
                self._running.remove(step)
                if not self._running:
                    self._live.stop()
            line = Text.from_markup(f"{mark} [bold]{name:<12}[/]{step.seconds:6.1f} s  ")
            console.print(line.append(step.result), soft_wrap=True)


_steps_shown: ContextVar[Steps] = ContextVar("steps_shown")


@contextmanager
def steps_shown() -> Iterator[Steps]:
    """For this long, `step` adds to these steps, here and in the tasks that are started from here.

    They are found by the context: a flow is pickled with the globals that it names, and what draws can't be.
    """
    steps = Steps()
    token = _steps_shown.set(steps)
    try:
        yield steps
    finally:
        _steps_shown.reset(token)


def step(name: str, log: Path | None = None) -> AbstractContextManager[Step]:
    """A step of the run that is under way. Raises LookupError outside of `steps_shown`."""
    return _steps_shown.get().step(name, log)


def print_diff(path: Path, before: str, after: str) -> None:
    """What changes in a text file, line by line."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(path), f"{path}, as it would be", lineterm="", n=1
    )
    for line in lines:
        style = {"+": "green", "-": "red"}.get(line[0], "dim")
        console.print(Text(line, style=style), soft_wrap=True)


# A terminal is for looking at; files and pipes get every row.
MAX_SHOWN = 50


def show_predictions(answers: Iterator[dict[str, Any]], model: dict[str, Any]) -> None:
    """A line for each answer, as far as a terminal is good for."""
    table = Table(title=f"{model['output']['name']}, by version {model['version']} of {model['use_case']}")
    output = model["output"]
    regression = output["task"] == "regression"
    table.add_column("row", justify="right")
    table.add_column("value" if regression else "class", justify="right" if regression else "left")
    if not regression:
        table.add_column("probability", justify="right")
    table.add_column("decided by")
    table.add_column("expected yen", justify="right")
    count = 0
    for count, answer in enumerate(answers, start=1):
        if count > MAX_SHOWN:
            continue
        said = [f"{answer['value']:,.6g} {answer['unit']}"] if regression else [answer["class"]]
        sure = [] if regression else [f"{max(answer['probabilities'].values()):.4f}"]
        yen = f"{answer['expected_yen']:,.2f}" if "expected_yen" in answer else ""
        table.add_row(str(answer["row"]), *said, *sure, answer["decision"], yen)
    console.print(table)
    if count > MAX_SHOWN:
        console.print(f"... and {count - MAX_SHOWN:,} more. All of them: --json")


@contextmanager
def load_progress(total: float, *, shown: bool) -> Iterator[Callable[[int, Counter[str]], None] | None]:
    """A bar for a load, drawn only when the load says how far it is: to draw takes time that is measured."""
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
    table = Table(title=f"{load.planned:,} requests planned, {load.planned_rate:,g} a second")
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
