"""Acts 1 and 2: batches arrive, one of them damaged; a champion is trained, chosen by yen, and served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from rich.table import Table

from portfolio.bundle.manifest import InputField
from portfolio.bundle.policy import VALUE
from portfolio.bundle.store import Store
from portfolio.cli.demo.drawing import show_rows, shown_rows
from portfolio.cli.demo.processes import server, steps
from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Act, Story, shortened
from portfolio.client.predict import ask, predictions
from portfolio.core.counted import counted
from portfolio.core.errors import PortfolioError
from portfolio.core.terminal import console
from portfolio.report.words import number, yen

if TYPE_CHECKING:
    import polars as pl

BAR_WIDTH = 36
MAX_CANDIDATES = 6


def arrive_and_train(story: Story, scene: Scene, serving: ExitStack) -> None:
    """One run of the loop is both acts: the first ends when the batches are validated.

    The server is started within the second, and ends with `serving`.
    """
    running = steps("run", scene.name)
    with story.act("Batches arrive; one is damaged") as act, console.status("batches arrive") as status:
        what = _deliver_damaged(scene)
        for name, _ in running:
            status.update(f"{name} is done")
            if name == "validate":
                break
        _check_quarantine(act, scene, what)
    with story.act("Candidates are trained; the champion is chosen by yen") as act:
        with console.status("training") as status:
            for name, result in running:
                status.update(f"{name}: {shorten(result, 80, placeholder='…')}")
        _show_candidates(scene)
        verdict = json.loads(scene.paths.verdict.read_text())
        act.claim(f"the gate lets it through: {verdict['reason']}", verdict["promoted"])
        if Store.of(scene.name).champion() is None:
            raise PortfolioError("The gate let no candidate through, so there is nothing to serve: the demo ends here.")
        with console.status("a server starts"):
            scene.address = serving.enter_context(server(scene.name))
        _answer_first(act, scene, story)


def _answer_first(act: Act, scene: Scene, story: Story) -> None:
    """Send the first test rows, and show the answers beside the truth."""
    model = ask(f"{scene.address}/model")
    fields = [InputField.model_validate(field) for field in model["inputs"]]
    rows = scene.test_rows.head(shown_rows(fields[0]))
    inputs = rows.select(field.name for field in fields).fill_nan(None).to_dicts()
    answers = list(predictions(scene.address, inputs, model))
    seconds = story.seconds
    act.tell(f"version {model['version']} serves at {scene.address}; its answers to rows it never saw:")
    predicted, actual = _told(scene, model, answers, rows)
    show_rows(fields, inputs, predicted, actual)
    act.claim(f"the first answer came {seconds:.0f} s after the start", len(answers) == len(rows))


def _told(scene: Scene, model: dict[str, Any], answers: list[Any], rows: pl.DataFrame) -> tuple[list[str], list[str]]:
    classes, targets = model["output"]["classes"], scene.case.targets(rows)
    if classes:
        return [answer["class"] for answer in answers], [classes[target] for target in targets]
    unit = model["output"]["unit"]
    values = ([answer["value"] for answer in answers], targets)
    predicted, actual = ([f"{number(value)} {unit}".rstrip() for value in column] for column in values)
    return predicted, actual


def _deliver_damaged(scene: Scene) -> str:
    """Put a damaged batch where the source's batches are collected. Gives what is wrong with it."""
    from portfolio.data.collect import named_rows
    from portfolio.data.parquet import write_parquet

    source = scene.case.source
    day = scene.damaged if scene.until is not None else source.dates()[-1]
    whole = source.read([day])[day]
    # Of a day that the source does not have, a few rows: most of all must be good.
    rows, what = _damaged(scene, whole if day == scene.damaged else whole.head(1 + len(whole) // 4))
    scene.paths.batches.mkdir(parents=True, exist_ok=True)
    write_parquet(scene.paths.batches / f"{scene.damaged}.parquet", named_rows(source, scene.damaged, rows))
    return what


def _damaged(scene: Scene, rows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    import polars as pl

    for field in scene.case.inputs:
        if field.kind == "image" and field.maximum is not None and field.maximum < 100:
            width, factor = field.width, 255 / field.maximum
            brighter = rows[field.name].cast(pl.Array(pl.Float32, width)).to_numpy() * factor
            changed = rows.with_columns(pl.Series(field.name, brighter, dtype=pl.Array(pl.Float32, width)))
            return changed, f"its scanner sent 0 to 255 where 0 to {field.maximum:g} is declared"
        if field.kind == "number" and (field.minimum is not None or field.maximum is not None):
            thousands = pl.col(field.name).cast(pl.Float64, strict=False) * 1000
            return rows.with_columns(thousands), f"its {field.name} came in thousandths of the unit"
    name = scene.case.inputs[0].name
    return rows.rename({name: f"{name}_new"}), f"its column {name} came under another name"


def _check_quarantine(act: Act, scene: Scene, what: str) -> None:
    import polars as pl

    counts = json.loads(scene.paths.metrics("validate").read_text())
    path = scene.paths.quarantine / f"{scene.damaged}.parquet"
    batches = counts["batches"] - counts["quarantined_batches"]
    later = f"; {len(scene.later_days)} later days are kept for the traffic" if scene.later_days else ""
    act.tell(f"{counted(counts['batches'], 'batch', 'batches')} of {scene.name} arrive{later}")
    act.tell(f"that of {scene.damaged} is damaged: {what}")
    reason = pl.read_parquet(path)["reason"][0] if path.exists() else "no reason"
    whole = path.exists() and not (scene.paths.clean / path.name).exists()
    act.claim(f"it is quarantined: {shortened(reason)}", whole)
    act.claim(
        f"all else is clean: {counted(batches, 'batch', 'batches')}, {counted(counts['rows'], 'row')}",
        counts["quarantined_batches"] == 1,
    )


def _show_candidates(scene: Scene) -> None:
    """The value of each on the test rows, as bars."""
    evaluation = scene.evaluation()
    values = {name: scores[VALUE] for name, scores in evaluation["candidates"].items()}
    table = Table.grid(padding=(0, 2))
    largest = max(max(values.values()), 1.0)
    for name, value in _best_first(values):
        best = name == evaluation["best"]
        bar = "━" * max(0, round(BAR_WIDTH * value / largest))
        colour = "green" if best else "dim"
        table.add_row(f"   {name.replace('_', ' ')}", f"[{colour}]{bar}[/]", f"{yen(value)}", "[green]chosen[/]" * best)
    console.print(table, highlight=False)
    console.print("   [dim]yen saved per 1,000 rows, compared with doing all by hand[/]", highlight=False)


def _best_first(values: dict[str, float]) -> Iterator[tuple[str, float]]:
    yield from sorted(values.items(), key=lambda item: -item[1])[:MAX_CANDIDATES]
