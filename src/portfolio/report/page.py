"""Write the report: one page, and the answers to an interviewer's questions, each in English and in Japanese.

Every figure comes from the metrics files, or from running the best bundle. Nothing is typed in.
"""

from __future__ import annotations

import csv
import json
from typing import Any

import jinja2
import markupsafe
import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.policy import VALUE, Decisions
from portfolio.contract.card import LANGUAGES
from portfolio.contract.config import STUDIES, Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.counted import readable
from portfolio.core.dates import iso_date
from portfolio.core.paths import Paths
from portfolio.core.types import Array
from portfolio.data.dataset import Split, data_sha256, load_split
from portfolio.evaluation.costs import measure_costs
from portfolio.evaluation.gate import Verdict
from portfolio.report import charts
from portfolio.report.blocks.results import checking_all, checking_not_beaten, comparison
from portfolio.report.blocks.studies import leakage, leakage_result, study
from portfolio.report.production import production, told
from portfolio.report.words import PAGES, TEMPLATES, figure_name, number, percent, read_stage_metrics, read_words, yen

WORST_ROWS = 8
SHOWN_KINDS = 5
TABLE_ROWS = 30
# Where `make mlflow` and `make up` show MLflow's pages.
MLFLOW_PAGES = "http://127.0.0.1:5000"
INTERVIEWS = {"en": "interview.md", "ja": "interview.ja.md"}


def write_report(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    facts = gather(use_case, config)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    plain = environment.overlay(autoescape=False)
    for environment_ in (environment, plain):
        environment_.filters |= {"yen": yen, "number": number, "percent": percent}
    for language in LANGUAGES:
        words = read_words(language)
        card = use_case.card_texts()[language]
        context = {**facts, "language": language, "words": words, "card": card, "pages": PAGES}
        context |= {"figure_name": figure_name, "groups": words["groups"]}
        if facts["verdict"]:
            context["verdict"] = facts["verdict"] | Verdict.from_dict(facts["verdict"]).as_dict(language)
        context["plots"] = plots(use_case, facts, words)
        if facts["production"]:
            context["production"] = told(facts["production"], words, language)
        context["leakage"] = leakage_result(use_case.name, language)
        context["leakage_table"] = leakage(use_case.name, language)
        context["checking_not_beaten"] = checking_not_beaten(use_case.name, language)
        context["comparison"] = comparison(use_case.name, language)
        names = [found["study"] for found in facts["studies"]]
        context["study_tables"] = {name: study(name, use_case.name, language) for name in names}
        for name in ("values", "losses"):
            files.write_text(paths.report / "plots" / f"{name}.{language}.svg", context["plots"][name])
        page = environment.get_template("report.html").render(context)
        files.write_text(paths.report / PAGES[language], page)
        interview = plain.get_template(f"interview.{language}.md").render(context)
        files.write_text(paths.report / INTERVIEWS[language], interview)
    files.write_text(paths.report / "beside_dvc.sha256", paths.beside_dvc())
    print(f"{paths.report / PAGES['en']}, and in Japanese {paths.report / PAGES['ja']}")


def gather(use_case: UseCase, config: Config) -> dict[str, Any]:
    """All that the report says, from the metrics files and from the best bundle's answers to the test rows."""
    paths = Paths(use_case.name)
    names = ("validate", "prepare", "train", "evaluate", "evidence")
    read = {name: read_stage_metrics(use_case.name, name) for name in names}
    bundle = Bundle.open(paths.best_folder())
    test = load_split(use_case, "test")
    predictions = bundle.predict(test.inputs)
    decisions = bundle.decider(predictions)
    best = read["evaluate"]["best"]
    with (paths.plots / "training.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    verdict = json.loads(paths.verdict.read_text()) if paths.verdict.exists() else None
    return {
        **read,
        "costs": measure_costs(use_case),
        "use_case": use_case,
        "config": config,
        "prices": config.value,
        "checking_all": checking_all(read["evidence"]),
        "best": best,
        "figures": read["evaluate"]["candidates"][best],
        "intervals": read["evidence"]["candidates"][best]["intervals"],
        "error_costs": _error_costs(use_case, config),
        "slices": {by: _lowest(slices, VALUE) for by, slices in read["evidence"]["slices"].items()},
        "by_class": _by_class(use_case, read["evidence"]["candidates"][best]["by_class"]),
        "predicted_interval": read["evidence"]["candidates"][best]["predicted_interval"],
        "calibration": read["evidence"]["candidates"][best]["calibration"],
        "order": sorted(
            read["evaluate"]["candidates"],
            key=lambda name: -read["evaluate"]["candidates"][name][VALUE],
        ),
        "by_val": sorted(
            read["evidence"]["candidates"],
            key=lambda name: -read["evidence"]["candidates"][name]["val"]["expected"],
        ),
        "history": {key: [float(row[key]) for row in rows] for key in rows[0]},
        "manifest": bundle.manifest,
        "data_sha256": data_sha256(use_case),
        "studies": [json.loads(paths.study(name).read_text()) for name in STUDIES if paths.study(name).exists()],
        "verdict": verdict,
        "production": production(use_case.name),
        "registered": verdict if verdict and verdict.get("digest") == bundle.digest else None,
        "mlflow_pages": MLFLOW_PAGES,
        "worst": worst(use_case, test, predictions, decisions),
        "unsure": unsure(use_case, test, predictions, decisions),
        "error_kinds": [
            kind
            | {"row": _shown(use_case, test, predictions, decisions, kind["typical"])}
            | {"features": [_told(use_case, found) for found in kind["features"]]}
            for kind in read["evidence"]["error_kinds"][:SHOWN_KINDS]
        ],
        "test": test,
        "predictions": predictions,
        "decisions": decisions,
    }


def worst(use_case: UseCase, test: Split, predictions: Array, decisions: Decisions) -> list[dict[str, Any]]:
    """The answers that are furthest from the truth, first the worst."""
    if use_case.output.task == "classification":
        badness = 1 - predictions[np.arange(len(test)), test.targets]
        badness[decisions.answers == test.targets] = -1
    else:
        badness = np.abs(predictions[:, 0] - test.targets)
    rows = [int(row) for row in np.argsort(-badness)[:WORST_ROWS] if badness[row] > 0]
    return [_shown(use_case, test, predictions, decisions, row) for row in rows]


def unsure(use_case: UseCase, test: Split, predictions: Array, decisions: Decisions) -> list[dict[str, Any]]:
    """The answers that the model itself is least sure of."""
    rows = np.argsort(decisions.certainty, kind="stable")[:WORST_ROWS]
    return [_shown(use_case, test, predictions, decisions, int(row)) for row in rows]


def _lowest(rows: dict[str, dict[str, float]], figure: str) -> dict[str, dict[str, float]]:
    """Of more rows than a table can show, those where the figure is lowest."""
    if len(rows) <= TABLE_ROWS:
        return rows
    return dict(sorted(rows.items(), key=lambda row: row[1][figure])[:TABLE_ROWS])


def _by_class(use_case: UseCase, figures: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    classes = use_case.output.classes
    rows = {name: {key: values[place] for key, values in figures.items()} for place, name in enumerate(classes)}
    return _lowest(rows, "f1") if figures else {}


def _error_costs(use_case: UseCase, config: Config) -> list[list[float]] | None:
    """Yen by true and answered class, where the prices differ."""
    if not isinstance(config.value.error_yen, dict):
        return None
    costs: list[list[float]] = config.value.prices.error_costs(use_case.output.classes).tolist()
    return costs


def _told(use_case: UseCase, found: dict[str, Any]) -> dict[str, Any]:
    """What sets a kind of rows apart, with its medians as text."""
    if found["value"] is not None:
        return found
    is_date = any(field.name == found["name"] and field.kind == "date" for field in use_case.inputs)
    return found | {end: (iso_date if is_date else number)(found[end]) for end in ("inside", "outside")}


def _shown(use_case: UseCase, test: Split, predictions: Array, decisions: Decisions, row: int) -> dict[str, Any]:
    """One row with its answer, for the page."""
    output = use_case.output
    shown: dict[str, Any] = {"key": test.rows[use_case.key][row], "image": None, "inputs": {}}
    for field in use_case.inputs:
        values = test.inputs[field.name][row]
        if field.kind == "image":
            low, high = field.minimum or 0, field.maximum or float(values.max())
            shares = (values.reshape(*field.shape, field.channels) - low) / (high - low)
            shown["image"] = markupsafe.Markup(charts.photo(shares) if field.photo else charts.drawing(shares[:, :, 0]))
        else:
            missing = not values[0] if field.is_string else np.isnan(values[0])
            shown["inputs"][field.name] = (
                "-" if missing else values[0] if field.is_string else field.shown(float(values[0]))
            )
    if output.task == "classification":
        shown["predicted"] = output.classes[int(decisions.answers[row])]
        shown["actual"] = output.classes[int(test.targets[row])]
    else:
        shown["predicted"], shown["actual"] = readable(float(predictions[row, 0])), readable(float(test.targets[row]))
    shown["probability"] = float(decisions.certainty[row])
    return shown


def plots(use_case: UseCase, facts: dict[str, Any], words: dict[str, Any]) -> dict[str, markupsafe.Markup]:
    """The plots by name, as SVG with the words of one language."""
    evidence, figures = facts["evidence"]["candidates"], facts["evaluate"]["candidates"]
    compared = {name: (figures[name][VALUE], *found["intervals"][VALUE]) for name, found in evidence.items()}
    best, output = facts["best"], use_case.output
    axis = {key.removeprefix("axis_"): text for key, text in words.items() if key.startswith("axis_")}
    drawn = {
        "values": charts.values(compared, best, axis["value"]),
        "policy": charts.policy(evidence[best]["curve"], facts["figures"]["by_machine"], facts["figures"][VALUE], axis),
        "losses": charts.losses(facts["history"], facts["train"]["best_epoch"], axis),
    }
    for found in facts["studies"]:
        drawn[found["study"]] = charts.study(found, figure_name(found["metrics"][0], words), axis)
    if facts["production"]:
        drawn["production"] = charts.production(facts["production"]["looks"], facts["production"]["moments"], axis)
    targets = facts["test"].targets
    if output.task == "classification":
        drawn["calibration"] = charts.calibration(facts["calibration"]["bins"], axis)
        drawn["precision_recall"] = charts.precision_recall(evidence[best]["precision_recall"], axis)
        drawn["errors"] = charts.confusion(output.classes, targets, facts["decisions"].answers, axis)
    else:
        drawn["errors"] = charts.scatter(targets, facts["predictions"][:, 0], axis)
    return {name: markupsafe.Markup(plot.svg()) for name, plot in drawn.items()}
