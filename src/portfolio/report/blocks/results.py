"""What a use case's candidates are worth."""

from __future__ import annotations

import json
from math import isclose
from typing import Any

from portfolio.bundle.policy import VALUE
from portfolio.contract.loading import load_use_case
from portfolio.core.files import read_metrics
from portfolio.core.paths import Paths, listed_use_cases
from portfolio.report.blocks.studies import leakage_result
from portfolio.report.blocks.tables import table, table_row
from portfolio.report.words import figure_name, number, percent, read_stage_metrics, read_words, yen


def result(use_case: str, language: str) -> str:
    """What the best candidate is worth, and how much of that is its seed's, if that was studied, in two sentences."""
    text = _told(use_case, language, "result_text")
    spread = _spread(use_case, language)
    return str(read_words(language)["two_sentences"].format(first=text, second=spread)) if spread else text


def _spread(use_case: str, language: str) -> str:
    """What the models of other seeds are worth. Nothing if this one is not among them: the study is of earlier ones."""
    path = Paths(use_case).study("spread")
    if not path.exists():
        return ""
    evaluation = read_stage_metrics(use_case, "evaluate")
    value = evaluation["candidates"][evaluation["best"]][VALUE]
    chosen = json.loads(path.read_text())["points"][0]["test"][VALUE]
    if not any(isclose(value, one) for one in chosen):
        return ""
    text: str = read_words(language)["spread_text"].format(
        seeds=len(chosen),
        mean=yen(sum(chosen) / len(chosen)),
        low=yen(min(chosen)),
        high=yen(max(chosen)),
        study=path.as_posix(),
    )
    return text


def headline(_: str, language: str) -> str:
    """What the first use case that was measured is worth, in a sentence; or how to get the figures."""
    measured = [name for name in listed_use_cases() if Paths(name).metrics("evaluate").exists()]
    if not measured:
        return str(read_words(language)["no_figures"].format(command="`make run`"))
    return _told(measured[0], language, "headline")


def _told(use_case: str, language: str, sentence: str) -> str:
    """A sentence with the figures of the best candidate."""
    case = load_use_case(use_case)
    words, card = read_words(language), case.card_texts()[language]
    evaluation, evidence = read_stage_metrics(use_case, "evaluate"), read_stage_metrics(use_case, "evidence")
    figures = evaluation["candidates"][evaluation["best"]]
    low, high = evidence["candidates"][evaluation["best"]]["intervals"][VALUE]
    text: str = words[sentence].format(
        title=card["title"],
        items=card["items"],
        value=yen(figures[VALUE]),
        low=yen(low),
        high=yen(high),
        by_hand=yen(1000 * evidence["prices"]["by_hand_yen"]),
        checking_all=yen(checking_all(evidence)),
        trusting_all=yen(figures["trust_all_yen_per_1000"]),
        by_machine=percent(figures["by_machine"]),
        metric=figure_name(case.metric, words),
        score=number(figures[case.metric]),
        rows=number(evaluation["test_rows"]),
    )
    return text


def use_cases(_: str, language: str) -> str:
    """What each use case in params.yaml is worth, a line each, then the first in full; or how to get the figures."""
    words, names = read_words(language), listed_use_cases()
    if not names:
        return str(words["no_use_cases"])
    if not any(Paths(name).metrics("evaluate").exists() for name in names):
        return str(words["no_figures"].format(command="`make run`"))
    heads = ("use_case", "value", "interval", "checking_all", "by_machine", "metric", "candidate")
    lines = table([words[head] for head in heads])
    lines += [_line(name, language) for name in names]
    measured = [name for name in names if Paths(name).metrics("evaluate").exists()]
    parts = ["\n".join(lines)] if len(names) > 1 else []
    if uncertain := [name for name in measured if checking_not_beaten(name, language)]:
        titles = words["list_comma"].join(load_use_case(name).card_texts()[language]["title"] for name in uncertain)
        parts.append(words["uncertain_text"].format(titles=titles))
    title = load_use_case(measured[0]).card_texts()[language]["title"]
    parts += [f"### {title}", result(measured[0], language), comparison(measured[0], language)]
    return "\n\n".join([*parts, *filter(None, [leakage_result(measured[0], language)])])


def checking_all(evidence: dict[str, Any]) -> float:
    """What it is worth, per 1,000, if a person checks every answer: whatever the model, nothing is lost to errors."""
    prices = evidence["prices"]
    return float(1000 * (prices["by_hand_yen"] - prices["check_yen"]))


def checking_not_beaten(use_case: str, language: str) -> str | None:
    """The remark that the best model may be worth no more than checking every answer, if test rows leave that open."""
    evaluation, evidence = read_stage_metrics(use_case, "evaluate"), read_stage_metrics(use_case, "evidence")
    low: float = evidence["candidates"][evaluation["best"]]["intervals"][VALUE][0]
    # As both are shown, to the yen.
    if round(low) > round(checking_all(evidence)):
        return None
    text: str = read_words(language)["checking_not_beaten"]
    return text.format(low=yen(low), checking_all=yen(checking_all(evidence)))


def _line(use_case: str, language: str) -> str:
    """One use case in the table of all."""
    case, words = load_use_case(use_case), read_words(language)
    title = case.card_texts()[language]["title"]
    if not Paths(use_case).metrics("evaluate").exists():
        command = f"`make run USE_CASE={use_case}`"
        return table_row(title, words["no_figures"].format(command=command), *[""] * 5)
    evaluation, evidence = read_stage_metrics(use_case, "evaluate"), read_stage_metrics(use_case, "evidence")
    best = evaluation["best"]
    figures = evaluation["candidates"][best]
    low, high = evidence["candidates"][best]["intervals"][VALUE]
    return table_row(
        title,
        f"**{yen(figures[VALUE])}**",
        f"{yen(low)} \N{EN DASH} {yen(high)}",
        yen(checking_all(evidence)),
        percent(figures["by_machine"]),
        f"{figure_name(case.metric, words)} {number(figures[case.metric])}",
        best.replace("_", " "),
    )


def comparison(use_case: str, language: str) -> str:
    """A table of all candidates, the most valuable first."""
    case, words = load_use_case(use_case), read_words(language)
    evaluation, evidence = read_stage_metrics(use_case, "evaluate"), read_stage_metrics(use_case, "evidence")
    costs = read_stage_metrics(use_case, "costs")
    heads = [words[name] for name in ("candidate", "value", "interval")]
    heads += [figure_name(case.metric, words), *(words[name] for name in ("train_seconds", "latency", "size"))]
    lines = table(heads)
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
        lines.append(table_row(*cells))
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
    lines += [table_row(*row[1:]) for row in sorted(rows)]
    return "\n".join(lines)


def tuning(use_case: str, language: str) -> str:
    """A table of the best trials beside what the config said before; what it says now stands out."""
    words, config = read_words(language), load_use_case(use_case).config()
    record = read_metrics(Paths(use_case).metrics("tuning"), f"portfolio tune {use_case}")
    keys = {key: key.rpartition(".")[2].replace("_", " ") for key in record["space"]}
    trials = [(str(trial["trial"]), trial) for trial in record["best"]]
    if record["as_configured"]:
        trials.append((words["configured"], record["as_configured"]))
    lines = table([words["trial"], words["val_loss"], *keys.values()])
    shipped = json.loads(json.dumps({key: config.at(key) for key in keys}))
    for name, trial in trials:
        cells = [number(trial["val_loss"]), *(json.dumps(trial["values"].get(key)) for key in keys)]
        lines.append(table_row(f"**{name}**" if trial["values"] == shipped else name, *cells))
    by_weight = sorted(record["importance"].items(), key=lambda item: -item[1])
    importance = ", ".join(f"{keys[key]} {percent(share)}" for key, share in by_weight)
    text = words["tuning_text"].format(
        trials=record["trials"], pruned=record["pruned"], seconds=number(record["train_seconds"]), importance=importance
    )
    return "\n".join([*lines, "", text])
