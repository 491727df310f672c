"""Figures as they are written for people: in the terminal, in the report, and in the docs."""

from __future__ import annotations

import json
from functools import cache
from math import floor
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from rich.table import Table

from portfolio.core.files import read_metrics
from portfolio.core.paths import Paths
from portfolio.core.terminal import console

PAGES = {"en": "index.html", "ja": "index.ja.html"}
"""The report's page in each language."""
TEMPLATES = Path(__file__).parent / "templates"


def yen(value: float) -> str:
    """A price or a value to the yen."""
    return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")


def number(value: float) -> str:
    """Four figures, with separators where the number is large. What lies under 1 is not rounded up to it."""
    # A mean of ones, in float32, misses 1 by its last digits.
    if 0.9999 < value < 1 - 1e-6:
        return f"{floor(value * 1e6) / 1e6:.6g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def spread(values: list[float]) -> str:
    """The mean, and from where to where the values lie."""
    return f"{number(mean(values))} ({number(min(values))} \N{EN DASH} {number(max(values))})"


def show_study(path: Path) -> None:
    """Print a study's result as a table."""
    study: dict[str, Any] = json.loads(path.read_text())
    repetitions = study["points"][0]["repetitions"]
    table = Table(title=f"{study['study']}: mean and range of {len(repetitions)} ({', '.join(repetitions)})")
    table.add_column("")
    for metric in study["metrics"]:
        for side in ("training", "validation"):
            table.add_column(f"{metric}\n{side}", justify="right")
    for point in study["points"]:
        cells = [spread(point[side][metric]) for metric in study["metrics"] for side in ("train", "val")]
        table.add_row(point["name"], *cells)
    console.print(table)
    console.print(f"It is in {path}; `portfolio report` shows it.")


def show_tuning(path: Path) -> None:
    """Print a tuning's best trials, beside the config's own values."""
    record: dict[str, Any] = json.loads(path.read_text())
    table = Table(title=f"{record['trials']} trials, {record['pruned']} of them cut short")
    for heading in ("trial", record["metric"], *record["space"]):
        table.add_column(heading.rpartition(".")[2], justify="right")
    configured = record["as_configured"]
    named = {f"{trial['trial']}": trial for trial in record["best"]}
    for name, trial in {**named, **({"as configured": configured} if configured else {})}.items():
        cells = [str(trial["values"].get(key, "")) for key in record["space"]]
        table.add_row(name, number(trial["val_loss"]), *cells)
    console.print(table)
    console.print(f"It is in {path}. To put the best into the config: portfolio tune-apply")


@cache
def read_words(language: str) -> dict[str, Any]:
    """Our own words in one language, for the report and the docs."""
    texts = yaml.safe_load((TEMPLATES / "words.yaml").read_text(encoding="utf-8"))
    return {key: text[language] for key, text in texts.items()}


def read_stage_metrics(use_case: str, name: str) -> Any:
    """A metrics file that the stages write."""
    return read_metrics(Paths(use_case).metrics(name), f"portfolio run {use_case}")
