"""What the monitor finds while the demo runs, as lines of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from portfolio.cli.demo.processes import wait_for_log
from portfolio.cli.demo.scene import Scene
from portfolio.monitoring.looks import Look
from portfolio.report.words import yen

COLOURS = {"healthy": "green", "insufficient_data": "yellow", "warn": "yellow", "harmful": "bold red"}


def looked(scene: Scene) -> Look | None:
    """Look at what came since the last time; None if nothing did."""
    from portfolio.monitoring.monitor import look

    wait_for_log(scene.address)
    # All that was answered is in the log, so there is no need to wait until it must be.
    found = look(scene.case, scene.log_address, datetime.now(UTC))
    return found[-1] if found else None


class Findings:
    """A table with a line for each look."""

    def __init__(self) -> None:
        self.table = Table(box=None, padding=(0, 2), header_style="dim")
        self.table.add_column("   requests", justify="right")
        for heading in ("truly", "estimated", "seen, from labels"):
            self.table.add_column(heading, justify="right")
        self.table.add_column("verdict")

    def add(self, requests: int, truly: float | None, look: Look) -> None:
        """`truly` is what nobody but the demo knows: the yen per 1,000 rows by the true labels of all of them."""
        figures = look.figures["yen_per_1000"]
        self.table.add_row(
            f"{requests:,}",
            "-" if truly is None else yen(truly),
            _estimated(figures["estimated"]),
            _with_interval(figures["seen"]),
            f"[{COLOURS[look.verdict]}]{look.verdict.replace('_', ' ')}[/]",
        )


def reasons(look: Look) -> list[str]:
    return [reason.told("en") for reason in look.reasons]


def _estimated(figures: dict[str, Any] | None) -> str:
    if figures is None:
        return "-"
    return yen(figures["value"]) if figures["trusted"] else f"[dim]{yen(figures['value'])}?[/]"


def _with_interval(figures: dict[str, Any] | None) -> str:
    return "-" if figures is None else f"{yen(figures['value'])} ({yen(figures['low'])} to {yen(figures['high'])})"
