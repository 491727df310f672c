"""Figures as they are written for people: in the terminal, in the report, and in the blocks of the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from rich.table import Table

import portfolio
from portfolio.errors import ConfigError, DataError
from portfolio.paths import Paths
from portfolio.terminal import console
from portfolio.use_case import load_use_case
from portfolio.value import VALUE

PAGES = {"en": "index.html", "ja": "index.ja.html"}
"""The report's page in each language."""
TEMPLATES = Path(portfolio.__file__).parent / "templates"
BEGIN, END = "<!-- figures: ", "<!-- /figures -->"


def yen(value: float) -> str:
    """A price or a value to the yen."""
    return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")


def number(value: float) -> str:
    """Four figures, with separators where the number is large."""
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


def read_words(language: str) -> dict[str, Any]:
    """The report's own words in one language."""
    texts = yaml.safe_load((TEMPLATES / "words.yaml").read_text(encoding="utf-8"))
    return {key: text[language] for key, text in texts.items()}


def read_metrics(use_case: str, name: str) -> Any:
    """A metrics file. Raises DataError if it is not there."""
    path = Paths(use_case).metrics(name)
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. Run the stages that write it: portfolio run {use_case}") from error


def result(use_case: str, language: str) -> str:
    """What the best candidate is worth, in two sentences."""
    case = load_use_case(use_case)
    words, card = read_words(language), case.card_texts()[language]
    evaluation, evidence = read_metrics(use_case, "evaluate"), read_metrics(use_case, "evidence")
    figures = evaluation["candidates"][evaluation["best"]]
    low, high = evidence["candidates"][evaluation["best"]]["intervals"][VALUE]
    text: str = words["result_text"].format(
        items=card["items"],
        value=yen(figures[VALUE]),
        low=yen(low),
        high=yen(high),
        by_hand=yen(1000 * evidence["prices"]["by_hand_yen"]),
        trusting_all=yen(figures["trust_all_yen_per_1000"]),
        by_machine=percent(figures["by_machine"]),
        metric=case.metric,
        score=number(figures[case.metric]),
        rows=number(evaluation["test_rows"]),
    )
    return text


def comparison(use_case: str, language: str) -> str:
    """A table of all candidates, the most valuable first."""
    case, words = load_use_case(use_case), read_words(language)
    evaluation, evidence = read_metrics(use_case, "evaluate"), read_metrics(use_case, "evidence")
    costs = read_metrics(use_case, "costs")
    heads = [words[name] for name in ("candidate", "value", "interval")]
    heads += [case.metric, *(words[name] for name in ("train_seconds", "latency", "size"))]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    candidates = evaluation["candidates"]
    for name in sorted(candidates, key=lambda name: -candidates[name][VALUE]):
        low, high = evidence["candidates"][name]["intervals"][VALUE]
        shown = name.replace("_", " ")
        cells = [
            f"**{shown}**" if name == evaluation["best"] else shown,
            yen(candidates[name][VALUE]),
            f"{yen(low)} \N{EN DASH} {yen(high)}",
            number(candidates[name][case.metric]),
            number(costs[name]["train_seconds"]),
            number(costs[name]["latency_ms"]),
            number(costs[name]["model_bytes"] / 1024),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def threshold(use_case: str, language: str) -> str:
    """A table of the best candidate's value at each threshold; the chosen one stands out."""
    words = read_words(language)
    evidence = read_metrics(use_case, "evidence")
    candidate = evidence["candidates"][evidence["best"]]
    chosen, curve = candidate["policy"]["threshold"], candidate["curve"]
    heads = (words["axis_threshold"], words["axis_val"], words["axis_test"])
    lines = [f"| {' | '.join(heads)} |", "| ---: | ---: | ---: |"]
    for at, val, test in sorted(zip(curve["threshold"], curve["val"], curve["test"], strict=True)):
        shown = f"**{at:,.6g}**" if at == chosen else f"{at:,.6g}"
        lines.append(f"| {shown} | {yen(val)} | {yen(test)} |")
    return "\n".join(lines)


BLOCKS: dict[str, Callable[[str, str], str]] = {"result": result, "comparison": comparison, "threshold": threshold}


def documents() -> list[Path]:
    """The Markdown files that have blocks."""
    found = [*sorted(Path().glob("README*.md")), *sorted(Path("docs").rglob("*.md"))]
    return [path for path in found if BEGIN in path.read_text(encoding="utf-8")]


def filled(path: Path) -> str:
    """The text of a document with every block written anew from the metrics.

    A block stands between `<!-- figures: NAME USE_CASE -->` and `<!-- /figures -->`. Raises ConfigError if there is no
    such block, or no end to it.
    """
    text = path.read_text(encoding="utf-8")
    language = "ja" if path.name.endswith(".ja.md") else "en"

    def block(match: re.Match[str]) -> str:
        name, _, use_case = match[1].partition(" ")
        if name not in BLOCKS:
            raise ConfigError(f"{path}: there is no block '{name}'. There are: {', '.join(BLOCKS)}.")
        return f"{BEGIN}{match[1]} -->\n{BLOCKS[name](use_case, language)}\n{END}"

    if text.count(BEGIN) != text.count(END):
        raise ConfigError(f"{path}: every '{BEGIN}... -->' needs a '{END}' after its block.")
    return re.sub(rf"{BEGIN}(.*?) -->\n.*?{END}", block, text, flags=re.DOTALL)
