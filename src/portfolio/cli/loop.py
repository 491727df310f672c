"""The whole loop: a demo of it, and the real run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import UseCaseName

if TYPE_CHECKING:
    from pipelines.training import Outcome

app = typer.Typer()
PANEL = "Run the loop"


@app.command(rich_help_panel=PANEL)
def demo(
    use_case: UseCaseName,
    record: Annotated[Path | None, typer.Option(help="Also write what is shown into this SVG file.")] = None,
) -> None:
    """Show a model's life in seven acts, in a clone under .state/demo with a state of its own, and stop.

    Batches arrive, a champion is trained and served, its input drifts, the monitor says what that costs, a challenger
    takes over, a worse model is refused. The exit code is 1 if a claim does not hold.
    """
    from portfolio.cli.demo.demo import demo as show

    show(use_case, record)


@app.command(rich_help_panel=PANEL)
def run(
    use_case: UseCaseName,
    feedback: Annotated[
        bool, typer.Option("--feedback/--no-feedback", help="Learn from labels that came back to the server, too.")
    ] = True,
) -> None:
    """Train here: collect new data, version it, run the DVC stages, register, promote and publish."""
    import json

    from pipelines.server import PrefectServer
    from portfolio.contract.loading import load_use_case
    from portfolio.core.environment import local_environment, state_folder
    from portfolio.core.files import write_text
    from portfolio.core.passwords import hidden
    from portfolio.core.paths import Paths
    from portfolio.core.terminal import Steps, console

    case = load_use_case(use_case)
    local_environment()
    server = PrefectServer(state_folder() / "logs" / "prefect.log")
    server.start()
    start = Steps()
    try:
        with start.step("prefect") as step:
            # While the server starts: what the flow imports, MLflow's database and DVC's graph.
            from pipelines import versioning
            from pipelines.training import training
            from portfolio.registry.registry import Registry

            Registry(case)
            versioning.stage_graph(use_case)
            server.wait()
            step.result = f"its API answers at {hidden(os.environ['PREFECT_API_URL'])}"
        with server.flow_settings(), server.expected():
            outcome = training(use_case, feedback=feedback)
    except KeyboardInterrupt:
        console.print(f"Stopped. What was finished is kept, and the same command goes on: portfolio run {use_case}")
        raise typer.Exit(130) from None
    assert outcome is not None, "a run that a person asked for has an outcome"
    seconds = {**start.seconds, **outcome.seconds}
    write_text(Paths(use_case).log("run").with_suffix(".json"), json.dumps({"seconds": seconds}, indent=1) + "\n")
    for line in closing(use_case, outcome):
        console.print(line, markup=False, soft_wrap=True)


def closing(use_case: str, outcome: Outcome) -> Iterator[str]:
    """The outcome of a run, one line each: what it could not learn from, the verdict and its doubt, what is next."""
    from portfolio.bundle.store import Store
    from portfolio.core.counted import counted
    from portfolio.core.paths import Paths
    from portfolio.report.blocks.results import checking_not_beaten

    for lost in outcome.quarantined:
        yield (
            f"Nothing was learned from batch {lost['batch']} ({counted(lost['rows'], 'row')}), which is in "
            f"{Paths(use_case).quarantine} whole: {lost['reason']}. Once its source is corrected: "
            f"portfolio recollect {use_case}"
        )
    result = "promoted and published" if outcome.verdict.promoted else "not promoted"
    yield f"Version {outcome.version}: {result} ({outcome.verdict.reason})."
    if doubt := checking_not_beaten(use_case, "en"):
        yield doubt
    # Without a champion there is nothing to serve.
    serving = f"portfolio serve {use_case}, and " if Store.of(use_case).champion_path.exists() else ""
    yield f"Next: {serving}portfolio report {use_case}"
