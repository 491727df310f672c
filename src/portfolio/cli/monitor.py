"""Watching what is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import UseCaseName
from portfolio.cli.evidence import Language

if TYPE_CHECKING:
    from portfolio.contract.use_case import UseCase
    from portfolio.monitoring.looks import Look

app = typer.Typer()
PANEL = "Watch"
STYLES = {"healthy": "green", "insufficient_data": "dim", "warn": "yellow", "harmful": "bold red"}


@app.command(rich_help_panel=PANEL)
def monitor(
    use_case: UseCaseName,
    url: Annotated[
        str, typer.Option(help="SQLAlchemy URL of the log.", show_default="SERVING_LOG_URL, or SQLite in .state")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also learn what tells these rows from those of training.")
    ] = False,
    lang: Annotated[Language, typer.Option(help="Language of the table.")] = Language.en,
) -> None:
    """Look at the answers and labels since the last look, and say whether the model still does what was promised.

    The look is kept in the prediction log. Only harm asks for retraining; drift alone does not.
    """
    from sqlalchemy.exc import DBAPIError

    from portfolio.contract.loading import load_use_case
    from portfolio.monitoring.looks import Looks
    from portfolio.monitoring.monitor import lag, look
    from portfolio.monitoring.prediction_log.address import existing_log, log_unusable
    from portfolio.report.words import read_words

    case = load_use_case(use_case)
    address = existing_log(case.name, url)
    try:
        found = look(case, address)
        kept = Looks(address)
        last = [] if found else kept.last()
        kept.close()
    except DBAPIError as error:
        raise log_unusable(address, error) from error
    if as_json:
        _print_json(found)
        return
    words = read_words(lang.value)["look"]
    if not found:
        told = words["nothing_since" if last else "nothing_new"]
        print(told.format(end=last[0].end if last else None, seconds=lag(address).total_seconds()))
    for one in found or last:
        _show(case.name, one, lang.value)
        if explain:
            _explain(case, address, one, words)


def _print_json(looks: list[Look]) -> None:
    import json
    from dataclasses import asdict

    print(json.dumps([asdict(one) for one in looks], default=lambda moment: moment.isoformat(), indent=1))


def _show(name: str, look: Look, language: str) -> None:
    """Print a look as a table: the verdict, why, and what to do."""
    from rich.table import Table
    from rich.text import Text

    from portfolio.core.terminal import console
    from portfolio.monitoring.looks import Reason
    from portfolio.report.words import figure_name, read_words

    words = read_words(language)
    its: dict[str, str] = words["look"]
    title = its["period"].format(name=name, version=look.model_version, start=look.start, end=look.end)
    table = Table(title=title, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(its["verdict"], Text(words["verdicts"][look.verdict], style=STYLES[look.verdict]))
    for number, reason in enumerate(look.reasons):
        table.add_row("" if number else its["why"], Text(reason.told(language)))
    table.add_row(its["to_do"], Text(Reason(f"do_{look.verdict}", {"use_case": name}).told(language)))
    table.add_row(its["seen"], its["counts"].format(rows=look.rows, labels=look.labels))
    quality = look.figures["quality"]
    table.add_row(its["yen_per_1000"], _figures(look.figures["yen_per_1000"], its, "{:,.0f}"))
    table.add_row(figure_name(quality["name"] or "", words), _figures(quality, its, "{:.1%}"))
    console.print(table)


def _explain(case: UseCase, address: str, look: Look, words: dict[str, str]) -> None:
    """Print what tells the look's rows from those of training."""
    from portfolio.core.terminal import console
    from portfolio.monitoring.explain import told_apart

    told = told_apart(case, address, look)
    if told is None:
        console.print(words["too_few_to_tell"])
        return
    console.print(words["told_apart"].format(auc=told.auc), markup=False)
    by = [
        words["told_by_one"].format(field=field, summary=summary, lost=lost)
        for field, summary, lost in told.by[:5]
        if lost >= 0.01
    ]
    if by:
        console.print(words["told_by"].format(by=words["then"].join(by)), markup=False)


def _figures(figures: dict[str, object], words: dict[str, str], form: str) -> str:
    """What was promised, estimated and seen, in one line."""
    parts = []
    for name in ("promised", "estimated", "seen"):
        value = figures[name]
        if isinstance(value, dict):
            # The unit stands once in "78.4 to 90.1%".
            between = words["to"].format(low=form.format(value["low"]).rstrip("%"), high=form.format(value["high"]))
            doubt = words["untrusted"] if value.get("trusted") is False else ""
            shown = form.format(value["value"]) + between + doubt
        elif isinstance(value, float):
            shown = form.format(value)
        else:
            continue
        parts.append(words["figure"].format(kind=words[name], value=shown))
    return words["then"].join(parts)
