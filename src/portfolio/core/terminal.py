"""What the terminal shows."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.spinner import Spinner
from rich.text import Text

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def counted_progress() -> Progress:
    """A bar for so many things of a known number, with what is being done before it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


@contextmanager
def rows_progress(what: str) -> Iterator[Callable[[int], None]]:
    """A line with the rows so far, of a number that is not known; the function that is yielded adds to them.

    Where the output is not a terminal there is none.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed:,.0f} rows"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(what), total=None)
        yield lambda rows: bar.advance(task, rows)


def failure(message: str) -> None:
    errors.print("[bold red]Error:[/]", end=" ")
    errors.print(message, markup=False, soft_wrap=True)


@dataclass
class Step:
    """One step. Set `result` to its outcome; `log` is a file whose last line tells its progress."""

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

    Where the output is not a terminal, there are only the lasting lines.
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
    """A step of the current run. Raises LookupError outside of `steps_shown`."""
    return _steps_shown.get().step(name, log)


def print_diff(path: Path, before: str, after: str) -> None:
    """What changes in a text file, line by line."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(path), f"{path}, as it would be", lineterm="", n=1
    )
    for line in lines:
        style = {"+": "green", "-": "red"}.get(line[0], "dim")
        console.print(Text(line, style=style), soft_wrap=True)
