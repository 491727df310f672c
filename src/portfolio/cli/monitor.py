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
        str, typer.Option(help="SQLAlchemy URL of the log.", envvar="SERVING_LOG_URL", show_default="SQLite in .state")
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
    from portfolio.monitoring.monitor import LAG, look
    from portfolio.monitoring.prediction_log.address import existing_log, log_unusable

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
    if not found:
        print(
            "No new answers or labels"
            + (f" since the last look, at {last[0].end:%Y-%m-%d %H:%M} UTC." if last else ".")
            + f" What came in the last {LAG.total_seconds():.0f} seconds is left to the next look."
        )
    for one in found or last:
        _show(case.name, one, lang.value)
        if explain:
            _explain(case, address, one)


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
    table.add_row(its["yen_per_1000"], _figures(look.figures["yen_per_1000"], 1, its))
    table.add_row(figure_name(quality["name"] or "", words), _figures(quality, 100, its))
    console.print(table)


def _explain(case: UseCase, address: str, look: Look) -> None:
    """Print what tells the look's rows from those of training."""
    from portfolio.core.terminal import console
    from portfolio.monitoring.explain import told_apart

    told = told_apart(case, address, look)
    if told is None:
        console.print("There are too few rows to learn from what tells them from those of training.")
        return
    by = ", ".join(f"{field} ({summary}) {lost:.2f}" for field, summary, lost in told.by[:5] if lost >= 0.01)
    console.print(
        f"A classifier tells these rows from those of training with an AUC of {told.auc:.2f} (0.5: it can't)"
        + (f"; without each of these it would lose: {by}" if by else "."),
        markup=False,
    )


def _figures(figures: dict[str, object], scale: float, words: dict[str, str]) -> str:
    """What was promised, estimated and seen, in one line."""
    digits = 0 if scale == 1 else 1
    parts = []
    for name in ("promised", "estimated", "seen"):
        value = figures[name]
        if isinstance(value, dict):
            between = words["to"].format(**{end: f"{scale * value[end]:,.{digits}f}" for end in ("low", "high")})
            doubt = words["untrusted"] if value.get("trusted") is False else ""
            parts.append(f"{words[name]} {scale * value['value']:,.{digits}f} ({between}){doubt}")
        elif isinstance(value, float):
            parts.append(f"{words[name]} {scale * value:,.{digits}f}")
    return "; ".join(parts)
