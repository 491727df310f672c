"""What a measurement comes to: lines with a value and what it should be, as a table and as a file of JSON."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from portfolio.core.files import write_text
from portfolio.core.paths import BENCH
from portfolio.report.words import number

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


def machine() -> str:
    """The machine that the figures are of, as far as it says what it is."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    of = f" of {models[0].strip()}" if models else ""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cores()} cores{of}, {gib:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show(title: str, rows: Sequence[Row]) -> None:
    table = Table(title=title)
    table.add_column("what")
    for heading in ("measured", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        colour = {"held": "green", "missed": "red"}.get(row.verdict, "")
        verdict = f"[{colour}]{row.verdict}[/]" if colour else row.verdict
        table.add_row(row.name, f"{number(row.value)} {row.unit}", row.aim, verdict)
    console.print(table)


def record(part: str, rows: Sequence[Row], **more: Any) -> None:
    """Put a part's rows into metrics/bench.json, beside those of the others, and show them.

    Each part says on which machine it was measured; `command` is how, where that is not `python -m bench PART`.
    """
    path = ROOT / BENCH
    found = json.loads(path.read_text()) if path.exists() else {}
    write(path, {**found, part: {"machine": machine(), "rows": [row.as_dict() for row in rows], **more}})
    show(part.replace("_", " "), rows)


def write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    console.print(f"written to {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
