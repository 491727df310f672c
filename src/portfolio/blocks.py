"""The blocks of figures in the docs, each written from the metrics files by `portfolio readme`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from portfolio.config import STUDIES, load_config
from portfolio.errors import ConfigError, DataError
from portfolio.figures import number, percent, read_metrics, read_stage_metrics, read_words, spread, yen
from portfolio.paths import BENCH, Paths
from portfolio.use_case import load_use_case
from portfolio.value import VALUE

BEGIN, END = "<!-- figures: ", "<!-- /figures -->"


def result(use_case: str, language: str) -> str:
    """What the best candidate is worth, in two sentences."""
    case = load_use_case(use_case)
    words, card = read_words(language), case.card_texts()[language]
    evaluation, evidence = read_stage_metrics(use_case, "evaluate"), read_stage_metrics(use_case, "evidence")
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
    evaluation, evidence = read_stage_metrics(use_case, "evaluate"), read_stage_metrics(use_case, "evidence")
    costs = read_stage_metrics(use_case, "costs")
    heads = [words[name] for name in ("candidate", "value", "interval")]
    heads += [case.metric, *(words[name] for name in ("train_seconds", "latency", "size"))]
    lines = _table(heads)
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
        lines.append(_row(*cells))
    return "\n".join(lines)


def threshold(use_case: str, language: str) -> str:
    """A table of the best candidate's value at each threshold; the chosen one stands out."""
    words = read_words(language)
    evidence = read_stage_metrics(use_case, "evidence")
    candidate = evidence["candidates"][evidence["best"]]
    chosen, curve = candidate["policy"]["threshold"], candidate["curve"]
    heads = (words["axis_threshold"], words["axis_val"], words["axis_test"])
    lines = [f"| {' | '.join(heads)} |", "| ---: | ---: | ---: |"]
    for at, val, test in sorted(zip(curve["threshold"], curve["val"], curve["test"], strict=True)):
        shown = f"**{at:,.10g}**" if at == chosen else f"{at:,.10g}"
        lines.append(_row(shown, yen(val), yen(test)))
    return "\n".join(lines)


def tuning(use_case: str, language: str) -> str:
    """A table of the best trials beside what the config said before; what it says now stands out."""
    words, config = read_words(language), load_config(use_case)
    record = read_metrics(Paths(use_case).metrics("tuning"), f"portfolio tune {use_case}")
    keys = {key: key.rpartition(".")[2].replace("_", " ") for key in record["space"]}
    trials = [(str(trial["trial"]), trial) for trial in record["best"]]
    if record["as_configured"]:
        trials.append((words["configured"], record["as_configured"]))
    lines = _table([words["trial"], words["val_loss"], *keys.values()])
    shipped = json.loads(json.dumps({key: config.at(key) for key in keys}))
    for name, trial in trials:
        cells = [number(trial["val_loss"]), *(json.dumps(trial["values"].get(key)) for key in keys)]
        lines.append(_row(f"**{name}**" if trial["values"] == shipped else name, *cells))
    by_weight = sorted(record["importance"].items(), key=lambda item: -item[1])
    importance = ", ".join(f"{keys[key]} {percent(share)}" for key, share in by_weight)
    text = words["tuning_text"].format(
        trials=record["trials"], pruned=record["pruned"], seconds=number(record["train_seconds"]), importance=importance
    )
    return "\n".join([*lines, "", text])


def study(name: str, use_case: str, language: str) -> str:
    """A table of a study's points: the loss on both sides, and on the validation rows the metric that comes first."""
    words = read_words(language)
    found = read_metrics(Paths(use_case).study(name), f"portfolio study {name} {use_case}")
    loss, *more = found["metrics"]
    columns = [("train", loss), *(("val", metric) for metric in (loss, *more))]
    sides = {"train": words["axis_train"], "val": words["axis_validation"]}
    lines = _table([" ", *(f"{metric.replace('_', ' ')}, {sides[side]}" for side, metric in columns)])
    for point in found["points"]:
        lines.append(_row(point["name"].replace("_", " "), *(spread(point[side][metric]) for side, metric in columns)))
    return "\n".join(lines)


def bench(part: str, language: str) -> str:
    """A table of what one part of `python -m bench` measured, with the machine."""
    words = read_words(language)
    command = f"python -m bench {part}"
    found = read_metrics(BENCH, command).get(part)
    if found is None:
        raise DataError(f"{BENCH} has no part '{part}'. This measures it: {command}")
    lines = _table([words["what"], words["measured"], words["aim"]])
    for row in found["rows"]:
        aim = "" if row["aim"] is None else f"\N{LESS-THAN OR EQUAL TO} {number(row['aim'])}: {words[row['verdict']]}"
        lines.append(_row(row["name"].strip(), f"{number(row['value'])} {row['unit']}".strip(), aim))
    return "\n".join([*lines, "", words["bench_text"].format(command=f"`{command}`", machine=found["machine"])])


def _table(heads: list[str]) -> list[str]:
    return [_row(*heads), f"| --- |{' ---: |' * (len(heads) - 1)}"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


BLOCKS: dict[str, Callable[[str, str], str]] = {
    "result": result,
    "comparison": comparison,
    "threshold": threshold,
    "tuning": tuning,
    **{name: partial(study, name) for name in STUDIES},
    "bench": bench,
}


def documents() -> list[Path]:
    """The Markdown files that have blocks."""
    found = [*sorted(Path().glob("README*.md")), *sorted(Path("docs").rglob("*.md"))]
    return [path for path in found if BEGIN in path.read_text(encoding="utf-8")]


def filled(path: Path) -> str:
    """The text of a document with every block written anew from the metrics.

    A block stands between `<!-- figures: NAME USE_CASE -->` (or `bench PART`) and `<!-- /figures -->`. Raises
    ConfigError if there is no such block, or no end to it.
    """
    text = path.read_text(encoding="utf-8")
    language = "ja" if path.name.endswith(".ja.md") else "en"

    def block(match: re.Match[str]) -> str:
        name, _, about = match[1].partition(" ")
        if name not in BLOCKS:
            raise ConfigError(f"{path}: there is no block '{name}'. There are: {', '.join(BLOCKS)}.")
        return f"{BEGIN}{match[1]} -->\n{BLOCKS[name](about, language)}\n{END}"

    if text.count(BEGIN) != text.count(END):
        raise ConfigError(f"{path}: every '{BEGIN}... -->' needs a '{END}' after its block.")
    return re.sub(rf"{BEGIN}(.*?) -->\n.*?{END}", block, text, flags=re.DOTALL)
