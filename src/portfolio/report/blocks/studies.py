"""What the studies of a use case have shown."""

from __future__ import annotations

import json
from statistics import mean, median

from portfolio.bundle.policy import VALUE
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Cell
from portfolio.core.files import read_metrics
from portfolio.core.paths import Paths
from portfolio.report.blocks.tables import table, table_row
from portfolio.report.words import figure_name, number, percent, read_stage_metrics, read_words, spread, yen


def study(name: str, use_case: str, language: str) -> str:
    """A table of a study's points: the loss on both sides, and on the validation rows the metric that comes first."""
    words = read_words(language)
    found = read_metrics(Paths(use_case).study(name), f"portfolio study {name} {use_case}")
    loss, *more = found["metrics"]
    columns = [("train", loss), *(("val", metric) for metric in (loss, *more)), ("test", loss)]
    columns = [(side, metric) for side, metric in columns if side in found["points"][0]]
    sides = {"train": words["axis_train"], "val": words["axis_validation"], "test": words["axis_test"]}
    lines = table([" ", *(f"{figure_name(metric, words)}, {sides[side]}" for side, metric in columns)])
    for point in found["points"]:
        lines.append(
            table_row(point["name"].replace("_", " "), *(spread(point[side][metric]) for side, metric in columns))
        )
    return "\n".join(lines)


def cells(use_case: str, language: str) -> str:
    """A table of what cells of different sizes leave in common between training and test rows."""
    words, case = read_words(language), load_use_case(use_case)
    found = read_metrics(Paths(use_case).metrics("cells"), f"python -m bench.cells {use_case}")
    near = [words["near"].format(distance=_sizes(distances)) for distances in found["near"]]
    metric = f"{figure_name(case.metric, words)} ({found['model'].replace('_', ' ')})"
    lines = table([words["cell_size"], words["cell_count"], *near, words["test_share_deviation"], metric])
    declared = [by.size for by in case.source.split_by if isinstance(by, Cell)]
    for row in found["sizes"]:
        if row["sizes"] is None:
            size = words["row_by_row"]
        else:
            size = _sizes(row["sizes"]) if any(row["sizes"]) else words["same_place"]
        name = f"**{size}**" if row["sizes"] == declared else size
        figures = [*map(percent, row["near"]), percent(row["test_share_deviation"]), number(row["metric"])]
        lines.append(table_row(name, number(row["units"]), *figures))
    return "\n".join(lines)


def _sizes(sizes: list[float]) -> str:
    return " x ".join(dict.fromkeys(f"{size:.4g}" for size in sizes))


def leakage(use_case: str, language: str) -> str:
    """A table of each candidate's metric: each row on its own, and rows that belong together kept together."""
    words, metric = read_words(language), load_use_case(use_case).metric
    measured = _leakage(use_case)
    if not measured:
        return str(words["no_figures"].format(command=f"`portfolio study cross-validate {use_case}`"))
    ways = [words[way] for way in ("row_by_row", "kept_together")]
    heads = (figure_name(metric, words), words["value"])
    lines = table([words["candidate"], *(f"{head}, {way}" for head in heads for way in ways)])
    for name, sides in measured.items():
        figures = [spread(side[metric]) for side in sides] + [yen(mean(side[VALUE])) for side in sides]
        lines.append(table_row(name.replace("_", " "), *figures))
    return "\n".join(lines)


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
            metric=figure_name(case.metric, words),
            alone=number(median(alone[case.metric])),
            together=number(median(together[case.metric])),
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
