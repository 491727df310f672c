"""How the demo is told: acts with a title, lines, claims that hold or do not, and the time they took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import shorten

from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table

from portfolio.core.terminal import console

INDENT = 3
MAX_REASON = 320


def shortened(reason: str) -> str:
    """A reason on three lines of the terminal at most."""
    return shorten(reason, MAX_REASON, placeholder="…")


@dataclass
class Act:
    number: int
    title: str
    failed: list[str] = field(default_factory=list)
    left_out: str = ""
    seconds: float = 0.0

    def tell(self, line: str) -> None:
        """A line, in Rich's markup."""
        console.print(Padding(line, (0, 0, 0, INDENT)), highlight=False)

    def claim(self, said: str, holds: bool) -> None:
        """What this act is to show, and whether it did. Nothing is made of a claim that does not hold."""
        mark = "[bold green]✓[/]" if holds else "[bold red]✗[/]"
        self.tell(f"{mark} {escape(said)}" if holds else f"{mark} [red]does not hold:[/] {escape(said)}")
        if not holds:
            self.failed.append(said)

    def leave_out(self, reason: str) -> None:
        """Say why this act, or a claim of it, can't be shown with this use case."""
        self.tell(f"[yellow]-[/] left out: {escape(reason)}")
        self.left_out = reason

    @property
    def mark(self) -> str:
        return "[bold red]✗[/]" if self.failed else "[yellow]-[/]" if self.left_out else "[bold green]✓[/]"


class Story:
    def __init__(self) -> None:
        self.acts: list[Act] = []
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @contextmanager
    def act(self, title: str) -> Iterator[Act]:
        act = Act(len(self.acts) + 1, title)
        self.acts.append(act)
        console.print()
        console.print(Rule(f"[bold cyan]{act.number}[/]  [bold]{title}[/]", align="left", style="cyan"))
        started = time.monotonic()
        yield act
        act.seconds = time.monotonic() - started
        act.tell(f"[dim]{act.seconds:.1f} s[/]")

    def show_end(self) -> None:
        table = Table.grid(padding=(0, 2))
        for act in self.acts:
            table.add_row(act.mark, str(act.number), act.title, f"[dim]{act.seconds:.1f} s[/]")
        console.print()
        console.print(Rule(style="cyan"))
        console.print(Padding(table, (0, 0, 0, INDENT)), highlight=False)

    @property
    def failed(self) -> list[Act]:
        return [act for act in self.acts if act.failed]
