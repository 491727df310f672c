"""What a measurement comes to: lines with a value and what it should be, as a table and as a file of JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
console = Console(highlight=False)


@dataclass(frozen=True)
class Row:
    """One line. `at_most` or `at_least` is the aim, if there is one."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def verdict(self) -> str:
        if self.at_most is None and self.at_least is None:
            return ""
        # Asked for what holds, so that what is no number does not.
        low_enough = self.at_most is None or self.value <= self.at_most
        high_enough = self.at_least is None or self.value >= self.at_least
        return "held" if low_enough and high_enough else "missed"

    @property
    def aim(self) -> str:
        high = "" if self.at_most is None else f"≤ {self.at_most:g} {self.unit}"
        low = "" if self.at_least is None else f"≥ {self.at_least:g} {self.unit}"
        return " ".join(filter(None, (low, high)))

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def machine() -> dict[str, Any]:
    """The machine that the figures are of."""
    models = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": models[0] if models else platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def show(title: str, rows: Sequence[Row]) -> None:
    table = Table(title=title)
    table.add_column("what")
    for heading in ("measured", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        colour = {"held": "green", "missed": "red"}.get(row.verdict, "")
        shown = f"{row.value:,.0f}" if float(row.value).is_integer() else f"{row.value:,.2f}"
        table.add_row(
            row.name, f"{shown} {row.unit}", row.aim, f"[{colour}]{row.verdict}[/]" if colour else row.verdict
        )
    console.print(table)


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"written to {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
