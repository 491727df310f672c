"""One's own data: a use case from a file, and what is left to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import NamedUseCase, UseCaseName
from portfolio.core.counted import counted

if TYPE_CHECKING:
    from rich.table import Table

    from portfolio.profiling.draft import Draft

app = typer.Typer()
PANEL = "Use your own data"


@app.command(rich_help_panel=PANEL)
def new(
    name: Annotated[str, typer.Argument(help="Name of the new use case: letters, digits and underscores.")],
    file: Annotated[
        str, typer.Argument(help="A CSV, TSV, Parquet or Excel file or its URL, a database, or a folder of pictures.")
    ],
    target: Annotated[str, typer.Option(help="The column to predict.")] = "",
    query: Annotated[str, typer.Option(help="For a database: the SELECT that returns the rows.")] = "",
    columns: Annotated[
        str, typer.Option(help="Names for the columns of a file that has none, in their order: label,text.")
    ] = "",
    key: Annotated[str, typer.Option(help="The column that names each row, if there is one.")] = "",
    date: Annotated[str, typer.Option(help="The column that dates the rows.")] = "",
    split_by: Annotated[
        list[str] | None,
        typer.Option(help="Rows with the same value belong together, such as a person's number. Repeatable."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column that no model should see. Repeatable.")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A column that is known in time, though it gives the target away. Repeatable."),
    ] = None,
    positive: Annotated[str, typer.Option(help="The class of interest, such as yes.")] = "",
    text: Annotated[str, typer.Option(help="A column of text, to predict from it alone.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Make a use case from a file: read it, decide what each column is, and write the files that declare it."""
    import sys

    from portfolio.core.errors import ConfigError
    from portfolio.core.paths import PARAMS
    from portfolio.core.terminal import console
    from portfolio.profiling import adding, project
    from portfolio.profiling.draft import Wanted, draft
    from portfolio.profiling.origins import origin

    if not PARAMS.exists():
        raise ConfigError(f"There is no {PARAMS} in {Path.cwd()}. Run this in the project's folder.")
    project.check_new_name(name)
    if Path(file).expanduser().is_dir():
        _check_is_of_pictures(name, Path(file).expanduser(), target)
        _new_pictures(name, Path(file).expanduser(), positive, ask=sys.stdin.isatty() and not yes)
        return
    named = [column.strip() for column in columns.split(",")] if columns else []
    source = origin(file, query, date, name, named)
    rows = source.sample()
    ask = sys.stdin.isatty() and not yes
    if not target:
        there = ", ".join(rows.rows.columns[:60])
        if not ask:
            raise ConfigError(f"Which column is to be predicted? Name it: --target COLUMN. There are: {there}.")
        console.print(f"The columns are: {there}.", markup=False)
        target = typer.prompt("Which one is to be predicted")

    def answer(question: str) -> bool:
        return not ask or typer.confirm(question, default=True)

    wanted = Wanted(target, key, date, split_by or (), drop or (), keep or (), positive, text)
    found = draft(rows, wanted, answer)
    console.print(f"[bold]{name}[/]: {counted(rows.total, 'row')}, {counted(len(rows.rows.columns), 'column')}")
    console.print(_decisions(found))
    _say_target(found)
    for column, guess in rows.unsure.items():
        if found.decisions[column].role != "left out":
            console.print(f"'{column}': {guess}", markup=False, soft_wrap=True)
    if ask and not typer.confirm("Write these files?", default=True):
        print("Nothing was written.")
        raise typer.Exit(1)
    _say_next(name, adding.write(name, found, source))


def _check_is_of_pictures(name: str, folder: Path, target: str) -> None:
    """Raise ConfigError for a folder of tables: the message that none of them is a picture would be no help."""
    from portfolio.contract.tables import is_left_over, is_table
    from portfolio.core.errors import ConfigError
    from portfolio.profiling import project

    there = [path for path in folder.iterdir() if not is_left_over(path)]
    tables = sorted(path for path in there if path.is_file() and is_table(path))
    if not tables or any(path.is_dir() for path in there):
        return
    largest = max(tables, key=lambda path: path.stat().st_size)
    raise ConfigError(
        f"{folder} is a folder of tables, and a use case is made from one of them. Take the largest: "
        f"portfolio new {name} {largest} --target {target or 'COLUMN'}. Then copy the others into "
        f"{project.files_folder(name)}: each is one batch, of the date in its name."
    )


def _new_pictures(name: str, folder: Path, positive: str, *, ask: bool) -> None:
    from portfolio.core.terminal import console
    from portfolio.profiling import pictures
    from portfolio.profiling.picture_folder import look_into

    with console.status("Looking at the pictures"):
        found = look_into(folder)
    for line in pictures.described(found):
        console.print(line, markup=False, soft_wrap=True)
    pictures.check(found)
    if ask and not typer.confirm("Write these files?", default=True):
        print("Nothing was written.")
        raise typer.Exit(1)
    _say_next(name, pictures.write(name, found, positive))


def _say_next(name: str, written: list[Path]) -> None:
    from portfolio.core.terminal import console
    from portfolio.profiling import project

    console.print(f"\nWritten: {', '.join(map(str, written))}. Edit them: every line is yours.", markup=False)
    if (copies := project.files_folder(name)).exists():
        console.print(f"The rows were copied into {copies}: later files go there, too.", markup=False)
    console.print("Next:", style="bold")
    for command, why in (
        (f"portfolio check {name}", "what is wrong, or left to do"),
        (f"portfolio run {name}", "train, evaluate, and publish the best model"),
        (f"portfolio serve {name}", "serve it, with a page to try it on"),
    ):
        console.print(f"  [bold cyan]{command:<32}[/] {why}")


def _decisions(found: Draft) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("column", "is", "values, or why"):
        table.add_column(title, header_style="bold")
    styles = {"input": "green", "target": "bold magenta", "key": "cyan", "date": "cyan", "left out": "yellow"}
    for name, decision in found.decisions.items():
        what = decision.column.kind if decision.role == "input" else decision.role
        why = decision.why
        if decision.role == "target":
            why = "a quantity" if found.quantity else f"{len(found.counts)} classes"
        table.add_row(Text(name), Text(what, styles[decision.role]), Text(why))
    return table


def _say_target(found: Draft) -> None:
    from portfolio.core.counted import readable
    from portfolio.core.terminal import console
    from portfolio.profiling.words import rejected, share_of

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    total = sum(found.counts.values())
    print()
    if found.quantity:
        column = found.target
        say(f"Target: {column.name}, from {readable(column.minimum or 0)} to {readable(column.maximum or 0)}.")
        for mistakes in rejected(column):
            say(f"Of the target, {mistakes}.")
    else:
        shares = sorted(found.counts.items(), key=lambda item: -item[1])
        digits = 1 if shares[-1][1] >= 0.01 * total else 2
        first_few = [f"{label}: {count / total:.{digits}%}" for label, count in shares[:8]]
        say(f"Target: {found.target.name} ({', '.join(first_few)}{' ...' if len(shares) > 8 else ''}).")
        few = [label for label, count in shares if count < 10]
        if few:
            say(f"Too few rows to learn from or to be tested on (under 10): {', '.join(few[:8])}.")
        if found.is_lopsided:
            say(
                "Nearly all rows are of one class, so the share of right answers says little: the metric is "
                f"{found.metric}. Look at the value in yen, and give each class its own price of an error."
            )
    if found.without_target:
        say(f"Rows without a target: {share_of(found.without_target)}. They will be left out.")
    if found.baseline is not None:
        first = found.baseline
        if found.quantity:
            median = readable(first.constant)
            said = f"is off by {readable(first.linear)} on average; always answering the median, by {median}"
        else:
            said = (
                f"is right in {first.linear:.1%} of the rows; always giving the most frequent answer, in "
                f"{first.constant:.1%}"
            )
        say(f"A first baseline, cross-validated over {first.rows:,} rows: a linear model {said}.")
    for name, share in found.strong.items():
        say(f"'{name}' alone tells {share:.0%} of the target. Is it known when a prediction is needed? If not: --drop.")
    for note in found.notes:
        say(note)


@app.command(rich_help_panel=PANEL)
def check(use_case: UseCaseName) -> None:
    """List everything that is wrong with a use case, or still to do."""
    from portfolio.contract.checks import doubts, problems, to_do
    from portfolio.contract.loading import find_use_case
    from portfolio.core.terminal import console, failure
    from portfolio.data.fit import unlike_declared

    case = find_use_case(use_case)
    wrong, unsure = problems(case), list[str]()
    if not wrong:
        wrong, unsure = unlike_declared(case)
        unsure += doubts(case) + ([] if wrong else case.source.late({}))
    for problem in wrong:
        failure(problem)
    for doubt in unsure:
        console.print("[yellow]?[/] ", end="")
        console.print(doubt, markup=False, soft_wrap=True)
    left = to_do(case)
    for path, line, text in left:
        console.print(f"[yellow]TODO[/] {path}, line {line}: ", end="")
        console.print(text, markup=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)
    console.print(
        f"[green]✓[/] {use_case}: nothing is wrong"
        + (f"; {counted(len(left), 'text')} left to write." if left else f". Next: portfolio run {use_case}")
    )


@app.command(rich_help_panel=PANEL)
def remove(use_case: NamedUseCase, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a use case: its files, data, metrics and models. Its history in .state is kept."""
    from portfolio.core.errors import ConfigError
    from portfolio.profiling import project

    places = project.places_there(use_case)
    if not places:
        raise ConfigError(f"There is nothing of a use case '{use_case}' here.")
    project.check_idle(use_case)
    print(f"To be deleted: {', '.join(map(str, places))}.")
    if not yes and not typer.confirm("Delete them? What git has can be brought back", default=False):
        print("Nothing was deleted.")
        raise typer.Exit(1)
    project.remove(use_case)
    print(f"'{use_case}' was removed. Bring the documents up to date: portfolio readme")


@app.command(rich_help_panel=PANEL)
def rename(use_case: NamedUseCase, new_name: Annotated[str, typer.Argument(help="Its new name.")]) -> None:
    """Give a use case another name. Its models still carry the old name, so it must be trained again."""
    from portfolio.profiling import project

    project.rename(use_case, new_name)
    print(
        f"'{use_case}' is now '{new_name}'. Train it: portfolio run {new_name}. What was served, and the answers and "
        "labels in .state, stay under the old name."
    )
