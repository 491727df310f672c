"""The blocks of figures in the docs, each written from the metrics files by `portfolio readme`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from portfolio.bundle.policy import VALUE
from portfolio.contract.config import STUDIES
from portfolio.contract.loading import load_use_case, use_case_names
from portfolio.contract.sources import Cell
from portfolio.core.errors import ConfigError, DataError
from portfolio.core.files import read_metrics
from portfolio.core.paths import ANSWERS, BENCH, RELIABILITY, SERVING_BENCH, Paths, listed_use_cases
from portfolio.report.words import number, percent, read_stage_metrics, read_words, spread, yen

SERVING_COMMAND, RELIABILITY_COMMAND = "make bench-serving", "make reliability"
# Names in the file of `make bench-serving`.
OURS, COMPARED = "this project", ("LitServe", "mlflow models serve", "BentoML")
PICTURE = Path("docs") / "pictures" / "page.png"
JAPANESE = "<!-- language: ja -->"
"""The first line of a document that is in Japanese without saying so by its name."""
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
        checking_all=yen(1000 * (evidence["prices"]["by_hand_yen"] - evidence["prices"]["check_yen"])),
        trusting_all=yen(figures["trust_all_yen_per_1000"]),
        by_machine=percent(figures["by_machine"]),
        metric=case.metric,
        score=number(figures[case.metric]),
        rows=number(evaluation["test_rows"]),
    )
    path = Paths(use_case).study("spread")
    if path.exists():
        chosen = json.loads(path.read_text())["points"][0]["test"][VALUE]
        text += " " + words["spread_text"].format(
            seeds=len(chosen), mean=yen(sum(chosen) / len(chosen)), low=yen(min(chosen)), high=yen(max(chosen))
        )
    return text


def use_cases(_: str, language: str) -> str:
    """The title, result and comparison of each use case in params.yaml, or how to get its figures."""
    words, parts = read_words(language), []
    if not any(Paths(name).metrics("evaluate").exists() for name in listed_use_cases()):
        return str(words["no_figures"].format(command="`make run`"))
    for name in listed_use_cases():
        if Paths(name).metrics("evaluate").exists():
            figures = [result(name, language), comparison(name, language), leakage_result(name, language)]
        else:
            figures = [words["no_figures"].format(command=f"`make run USE_CASE={name}`")]
        parts += [f"### {load_use_case(name).card_texts()[language]['title']}", *filter(None, figures)]
    return "\n\n".join(parts)


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


def policy(use_case: str, language: str) -> str:
    """A table of the best candidate's value by the share that the machine answers; the policy's own stands out."""
    words = read_words(language)
    evaluation, evidence = read_stage_metrics(use_case, "evaluate"), read_stage_metrics(use_case, "evidence")
    best = evidence["best"]
    curve, figures = evidence["candidates"][best]["curve"], evaluation["candidates"][best]
    heads = (words["axis_share"], words["axis_val"], words["axis_test"])
    lines = [f"| {' | '.join(heads)} |", "| ---: | ---: | ---: |"]
    rows = [
        (share, percent(share), yen(val), yen(test))
        for share, val, test in zip(curve["share"], curve["val"], curve["test"], strict=True)
    ]
    at_policy = yen(evidence["candidates"][best]["val"][VALUE]), yen(figures[VALUE])
    rows.append((figures["by_machine"], f"**{words['axis_policy']}: {percent(figures['by_machine'])}**", *at_policy))
    lines += [_row(*row[1:]) for row in sorted(rows)]
    return "\n".join(lines)


def tuning(use_case: str, language: str) -> str:
    """A table of the best trials beside what the config said before; what it says now stands out."""
    words, config = read_words(language), load_use_case(use_case).config()
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
    columns = [("train", loss), *(("val", metric) for metric in (loss, *more)), ("test", loss)]
    columns = [(side, metric) for side, metric in columns if side in found["points"][0]]
    sides = {"train": words["axis_train"], "val": words["axis_validation"], "test": words["axis_test"]}
    lines = _table([" ", *(f"{metric.replace('_', ' ')}, {sides[side]}" for side, metric in columns)])
    for point in found["points"]:
        lines.append(_row(point["name"].replace("_", " "), *(spread(point[side][metric]) for side, metric in columns)))
    return "\n".join(lines)


def leakage(use_case: str, language: str) -> str:
    """A table of each candidate's metric: each row on its own, and rows that belong together kept together."""
    words, metric = read_words(language), load_use_case(use_case).metric
    measured = _leakage(use_case)
    if not measured:
        return str(words["no_figures"].format(command=f"`portfolio study cross-validate {use_case}`"))
    ways = [words[way] for way in ("row_by_row", "kept_together")]
    lines = _table([words["candidate"], *(f"{figure}, {way}" for figure in (metric, words["value"]) for way in ways)])
    for name, sides in measured.items():
        figures = [spread(side[metric]) for side in sides] + [yen(mean(side[VALUE])) for side in sides]
        lines.append(_row(name.replace("_", " "), *figures))
    return "\n".join(lines)


def cells(use_case: str, language: str) -> str:
    """A table of what cells of different sizes leave in common between training and test rows."""
    words, case = read_words(language), load_use_case(use_case)
    found = read_metrics(Paths(use_case).metrics("cells"), f"python -m bench.cells {use_case}")
    near = [words["near"].format(distance=_sizes(distances)) for distances in found["near"]]
    metric = f"{case.metric} ({found['model'].replace('_', ' ')})"
    lines = _table([words["cell_size"], words["cell_count"], *near, words["test_share_deviation"], metric])
    declared = [by.size for by in case.source.split_by if isinstance(by, Cell)]
    for row in found["sizes"]:
        if row["sizes"] is None:
            size = words["row_by_row"]
        else:
            size = _sizes(row["sizes"]) if any(row["sizes"]) else words["same_place"]
        name = f"**{size}**" if row["sizes"] == declared else size
        figures = [*map(percent, row["near"]), percent(row["test_share_deviation"]), number(row["metric"])]
        lines.append(_row(name, number(row["units"]), *figures))
    return "\n".join(lines)


def _sizes(sizes: list[float]) -> str:
    return " x ".join(dict.fromkeys(f"{size:.4g}" for size in sizes))


def leakage_result(use_case: str, language: str) -> str:
    """Which rows are kept together, and how much better the best candidate would look if they were not.

    Empty where the use case names no such rows; without the figures where they have not been measured.
    """
    case, words = load_use_case(use_case), read_words(language)
    if not case.source.split_by:
        return ""
    shared = [
        words["cell"].format(column=by.column, size=f"{by.size:g}") if isinstance(by, Cell) else by
        for by in case.source.split_by
    ]
    best = read_stage_metrics(use_case, "evaluate")["best"]
    text: str = words["kept_together_text"].format(columns=words["and"].join(shared))
    measured = _leakage(use_case)
    if best in measured:
        alone, together = measured[best]
        text += words["leakage_text"].format(
            candidate=best.replace("_", " "),
            metric=case.metric,
            alone=number(mean(alone[case.metric])),
            together=number(mean(together[case.metric])),
            alone_yen=yen(mean(alone[VALUE])),
            together_yen=yen(mean(together[VALUE])),
        )
    return text


def _leakage(use_case: str) -> dict[str, tuple[dict[str, list[float]], dict[str, list[float]]]]:
    """By candidate its figures by fold: with each row on its own, and with rows kept together.

    Empty if the study has not been run, or had no rows to keep together.
    """
    path = Paths(use_case).study("cross-validate")
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    together = {point["name"]: point["val"] for point in found.get("points", [])}
    return {point["name"]: (point["val"], together[point["name"]]) for point in found.get("by_row", [])}


def bench(part: str, language: str) -> str:
    """A table of what one part of `python -m bench` measured, with the machine."""
    command = f"python -m bench {part}"
    found = read_metrics(BENCH, command).get(part)
    if found is None:
        raise DataError(f"{BENCH} has no part '{part}'. This measures it: {command}")
    return _measured({"": found["rows"]}, command, found["machine"], language)


def coverage(_: str, language: str) -> str:
    """How often a 95% interval covers, by error rate and number of rows, for one model and for two."""
    words, command = read_words(language), "python -m bench.coverage"
    found = read_metrics(BENCH, command).get("coverage")
    if found is None:
        raise DataError(f"{BENCH} has no part 'coverage'. This measures it: {command}")
    parts = []
    for name, measured in found["grid"].items():
        counts = sorted({cell["rows"] for cell in measured})
        shares = {(cell["error_rate"], cell["rows"]): cell["coverage"] for cell in measured}
        lines = _table([f"{name}: {words['error_rate']}", *(f"{count:,} {words['rows']}" for count in counts)])
        for rate in sorted({cell["error_rate"] for cell in measured}):
            lines.append(_row(percent(rate), *(percent(shares[rate, count]) for count in counts)))
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, _measured({"": found["rows"]}, command, found["machine"], language)])


def serving(_: str, language: str) -> str:
    """Our server beside the others: the rate of each under each load; and what became of the aims."""
    words = read_words(language)
    found = read_metrics(SERVING_BENCH, SERVING_COMMAND)
    loads = list(next(iter(found["servers"].values()))["loads"])
    more = [words["p99"].format(load=loads[0]), words["ready"], words["memory"]]
    lines = _table([words["per_second"], *loads, *more])
    for name, server in found["servers"].items():
        rates = [number(server["loads"][load]["rate"]) if load in server["loads"] else "" for load in loads]
        others = (server["loads"][loads[0]]["p99_ms"], server["ready_seconds"], server["memory_mib"])
        lines.append(_row(name, *rates, *(number(value) for value in others)))
    return "\n".join([*lines, "", _measured({"": found["rows"]}, SERVING_COMMAND, found["machine"], language)])


def serving_result(_: str, language: str) -> str:
    """What both come to, in a few sentences, or how to get their figures."""
    words = read_words(language)
    if not (SERVING_BENCH.exists() and RELIABILITY.exists()):
        return str(words["no_figures"].format(command=f"`{SERVING_COMMAND} reliability`"))
    speed = read_metrics(SERVING_BENCH, SERVING_COMMAND)
    servers = speed["servers"]
    load = next(iter(servers[OURS]["loads"]))
    ours = servers[OURS]["loads"][load]
    times = {name: number(round(ours["rate"] / servers[name]["loads"][load]["rate"], 1)) for name in COMPARED}
    compared = [words["times"].format(times=times[name], name=name) for name in COMPARED]
    items = read_metrics(RELIABILITY, RELIABILITY_COMMAND)["items"].values()
    verdicts = [row["verdict"] for item in items for row in item.get("rows", []) if row["verdict"]]
    text: str = words["serving_text"].format(
        rate=number(ours["rate"]),
        p99=number(ours["p99_ms"]),
        times=words["comma"].join(compared),
        held=verdicts.count("held"),
        tried=len(verdicts),
        machine=speed["machine"],
    )
    return text


def pictures(_: str, language: str) -> str:
    """The pictures of the server's page and of the report side by side, or how to get them."""
    words = read_words(language)
    if not PICTURE.exists():
        return str(words["no_pictures"].format(command="`make pictures`"))
    return str(words["pictures"]).rstrip()


def reliability(_: str, language: str) -> str:
    """What was tried of the server's reliability, item by item."""
    found = read_metrics(RELIABILITY, RELIABILITY_COMMAND)
    rows = {name: item["rows"] for name, item in found["items"].items() if "rows" in item}
    text = _measured(rows, RELIABILITY_COMMAND, found["machine"], language)
    left = [
        f"{name}: {item.get('skipped') or item['failed']}" for name, item in found["items"].items() if name not in rows
    ]
    return "\n\n".join([text, *left])


def _measured(items: dict[str, list[dict[str, Any]]], command: str, machine: str, language: str) -> str:
    """Rows with their aims, of one item or of several that have names."""
    words = read_words(language)
    lines = _table([words["what"], words["measured"], words["aim"]])
    for item, rows in items.items():
        for row in rows:
            bounds = (("\N{LESS-THAN OR EQUAL TO}", row["at_most"]), ("\N{GREATER-THAN OR EQUAL TO}", row["at_least"]))
            aims = " ".join(f"{sign} {number(bound)}" for sign, bound in bounds if bound is not None)
            name = f"{item}: {row['name']}" if item else row["name"].strip()
            aim = f"{aims}: {words[row['verdict']]}" if aims else ""
            lines.append(_row(name, f"{number(row['value'])} {row['unit']}".strip(), aim))
    return "\n".join([*lines, "", words["bench_text"].format(command=f"`{command}`", machine=machine)])


def _table(heads: list[str]) -> list[str]:
    return [_row(*heads), f"| --- |{' ---: |' * (len(heads) - 1)}"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


OF_A_USE_CASE: dict[str, Callable[[str, str], str]] = {
    "result": result,
    "comparison": comparison,
    "policy": policy,
    "tuning": tuning,
    "leakage": leakage,
    "cells": cells,
    **{name: partial(study, name) for name in STUDIES},
}
BLOCKS: dict[str, Callable[[str, str], str]] = {
    **OF_A_USE_CASE,
    "use-cases": use_cases,
    "bench": bench,
    "coverage": coverage,
    "serving": serving,
    "serving-result": serving_result,
    "pictures": pictures,
    "reliability": reliability,
}


def documents() -> list[Path]:
    """The Markdown files that have blocks.

    In a project that was made from the template, docs/ keeps what the template's authors have measured: they are its
    decisions, and an update brings their later figures.
    """
    found = sorted(Path().glob("README*.md"))
    if not ANSWERS.exists():
        found += sorted(Path("docs").rglob("*.md"))
    return [path for path in found if BEGIN in path.read_text(encoding="utf-8")]


def filled(path: Path) -> str:
    """The text of a document with every block written anew from the metrics.

    A block stands between `<!-- figures: NAME USE_CASE -->` (or `bench PART`, or only `serving`) and
    `<!-- /figures -->`. One about a use case that is no longer here stays as it was measured. Raises ConfigError if
    there is no such block, or no end to it.
    """
    text = path.read_text(encoding="utf-8")
    language = "ja" if path.name.endswith(".ja.md") or text.startswith(JAPANESE) else "en"

    def block(match: re.Match[str]) -> str:
        name, _, about = match[1].partition(" ")
        if name not in BLOCKS:
            raise ConfigError(f"{path}: there is no block '{name}'. There are: {', '.join(BLOCKS)}.")
        if name in OF_A_USE_CASE and about not in use_case_names():
            return match[0]
        return f"{BEGIN}{match[1]} -->\n{BLOCKS[name](about, language)}\n{END}"

    if text.count(BEGIN) != text.count(END):
        raise ConfigError(f"{path}: every '{BEGIN}... -->' needs a '{END}' after its block.")
    return re.sub(rf"{BEGIN}(.*?) -->\n.*?{END}", block, text, flags=re.DOTALL)
