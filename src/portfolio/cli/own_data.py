"""One's own data: a use case from a file, more rows for it, and what is left to do."""

from __future__ import annotations

from datetime import date, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import NamedUseCase, UseCaseName
from portfolio.core.counted import counted

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from portfolio.contract.folder import Folder
    from portfolio.contract.use_case import UseCase
    from portfolio.profiling.draft import Draft

app = typer.Typer()
PANEL = "Use your own data"
FEW = 2000
"""Enough rows to show which columns there are, of which kinds, and whether their values are as declared."""
LARGE_BYTES, BEGINNING_BYTES = 16 * 1024 * 1024, 1024 * 1024
TOLD_FILES = 5
"""What is wrong with so many files is likely to be wrong with all that wait."""


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
    if ask and not typer.confirm("Write these files?", default=True):
        print("Nothing was written.")
        raise typer.Exit(1)
    _say_next(name, adding.write(name, found, source))


def _check_is_of_pictures(name: str, folder: Path, target: str) -> None:
    """Raise ConfigError for a folder of tables: the message that none of them is a picture would be no help."""
    from portfolio.contract.tables import is_table
    from portfolio.core.errors import ConfigError
    from portfolio.profiling import project

    there = [path for path in folder.iterdir() if not path.name.startswith((".", "~"))]
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
    from portfolio.profiling.words import share_of

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    total = sum(found.counts.values())
    print()
    if found.quantity:
        column = found.target
        say(f"Target: {column.name}, from {readable(column.minimum or 0)} to {readable(column.maximum or 0)}.")
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

    case = find_use_case(use_case)
    wrong, unsure = problems(case), list[str]()
    if not wrong:
        wrong, unsure = _unlike_its_data(case)
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


def _first_rows(source: Folder, path: Path) -> pl.DataFrame:
    """The first rows of a large CSV file: reading all of them takes seconds."""
    from portfolio.core.errors import SourceError

    if path.suffix.lower() not in (".csv", ".tsv") or path.stat().st_size <= LARGE_BYTES:
        return source.table(path)
    with path.open("rb") as stream, TemporaryDirectory() as folder:
        beginning = Path(folder) / path.name
        beginning.write_bytes(stream.read(BEGINNING_BYTES).rpartition(b"\n")[0])
        try:
            return source.table(beginning)
        except SourceError:
            # Cut off in the midst of a value of several lines; or else it is wrong as a whole.
            return source.table(path)


def _files_at_hand(case: UseCase) -> list[tuple[date, Path]]:
    """The files that wait to be collected, the newest first, or else the newest batch. Raises SourceError."""
    from portfolio.contract.folder import Folder
    from portfolio.core.errors import SourceError
    from portfolio.core.paths import Paths
    from portfolio.data.batches import of_source

    collected, source = of_source(Paths(case.name).batches), case.source
    if isinstance(source, Folder):
        files = source.files()
        if new := sorted(files.keys() - collected, reverse=True):
            return [(day, files[day]) for day in new]
        if not collected and not source.path.is_dir():
            raise SourceError(f"{source.path} does not exist. Correct the folder's name in the use case, or make it.")
        if not collected:
            raise SourceError(f"{source.path} has no file with rows yet. Put the first one there.")
    return [collected.popitem()] if collected else []


def _few_rows(case: UseCase, day: date, path: Path) -> pl.DataFrame:
    """Of a batch, or of a file that waits to become one. Raises SourceError."""
    from portfolio.contract.folder import Folder
    from portfolio.core.paths import Paths
    from portfolio.data.batches import read_batch
    from portfolio.data.collect import named_rows

    if path.parent == Paths(case.name).batches:
        return read_batch(path, case.name, n_rows=FEW)
    assert isinstance(case.source, Folder), "files wait in a folder alone"
    return named_rows(case.source, day, _first_rows(case.source, path)).head(FEW)


def _unlike_its_data(case: UseCase) -> tuple[list[str], list[str]]:
    """How the newest rows that there are differ from what is declared: what stops a run, and what it puts aside."""
    from portfolio.contract.picture_files import LABEL, Pictures
    from portfolio.core.errors import SourceError

    if isinstance(case.source, Pictures) and case.target.column == LABEL:
        faults = case.source.faults(case.output.labels)
        if faults:
            return faults, []
    try:
        left = _files_at_hand(case)
    except SourceError as error:
        return [str(error)], []
    wrong, unsure, told = list[str](), list[str](), 0
    while left and told < TOLD_FILES:
        day, path = left.pop(0)
        try:
            faults, doubts = _unlike_declared(case, path, _few_rows(case, day, path))
        except SourceError as error:
            faults, doubts = [str(error)], []
        wrong += faults
        # Those of the newest will do: the others may have as many.
        unsure = unsure or doubts
        told += bool(faults)
    if left:
        wrong.append(f"{counted(len(left), 'more file')} that wait there were not looked at. Correct these first.")
    return wrong, unsure


def _unlike_declared(case: UseCase, path: Path, rows: pl.DataFrame) -> tuple[list[str], list[str]]:
    """The same of the rows of one file."""
    from portfolio.data.normalize import normalize
    from portfolio.data.validate import check_rows

    where = case.folder / "use_case.py"
    if faults := normalize(case, rows).faults:
        return [f"{where} and the rows in {path} do not fit: {fault}." for fault in faults], []
    limits = case.config().validate_
    _, bad = check_rows(rows, case.schema(), case, limits.model_copy(update={"max_bad_fraction": 1.0}))
    if bad.is_empty():
        return [], []
    (reason, _), *_ = bad["reason"].value_counts(sort=True).rows()
    told = f"{len(bad):,} of {counted(len(rows), 'row')} in {path} do not fit {where}, most often: {reason}."
    if len(bad) > limits.max_bad_fraction * len(rows):
        return [f"{told} Over {limits.max_bad_fraction:.0%}, a run puts the whole batch aside."], []
    return [], [f"{told} A run puts them aside (data/{case.name}/quarantine)."]


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


def add_file(use_case: str, path: Path, day: datetime | None) -> Path:
    """Put a file into the folder of a use case, once its rows are known to fit; return where it is."""
    from portfolio.contract.folder import Folder
    from portfolio.contract.loading import load_use_case
    from portfolio.contract.picture_files import Pictures
    from portfolio.contract.sources import is_to_come
    from portfolio.core.errors import ConfigError, SourceError
    from portfolio.data.collect import named_rows
    from portfolio.data.normalize import normalize
    from portfolio.data.validate import check_rows
    from portfolio.profiling import origins

    case = load_use_case(use_case)
    source = case.source
    if isinstance(source, Pictures):
        raise ConfigError(
            f"'{use_case}' is of pictures. Copy the new ones into a folder of their day, with one folder for each "
            f"class, such as {source.folder}/{date.today()}/{case.output.labels[0]}/, then: "
            f"portfolio collect {use_case}"
        )
    if not isinstance(source, Folder):
        raise ConfigError(
            f"The rows of '{use_case}' come from {type(source).__name__}, and files are added to a Folder. Its "
            f"new rows are collected by: portfolio collect {use_case}"
        )
    if path.is_dir():
        if path.resolve() == source.path.resolve():
            raise SourceError(f"{path} is a folder. Its files are collected by: portfolio collect {use_case}")
        raise SourceError(
            f"{path} is a folder. Name one of its files; for all of them, copy them into {source.path}, then: "
            f"portfolio collect {use_case}"
        )
    if not path.is_file():
        raise SourceError(f"{path} is not there. Check its path.")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty. Nothing was copied.")
    rows = named_rows(source, date.today(), source.table(path))
    if faults := normalize(case, rows).faults:
        raise SourceError(f"{path} does not fit '{use_case}': {'; '.join(faults)}. Nothing was copied.")
    good, bad = check_rows(rows, case.schema(), case, case.config().validate_)
    if good.is_empty():
        why = bad["reason"][0] if len(bad) else "it has no rows"
        raise SourceError(f"{path} does not fit '{use_case}': {why}. Nothing was copied.")
    if day is None and source.date and is_to_come(last := source.day(path)):
        raise SourceError(
            f"{path} would be of {last}, which is still to come. Correct its dates in '{source.date}', or give the day "
            f"on which its rows ended: --date {date.today()}. Nothing was copied."
        )
    target = origins.place_for(use_case, source, path, day.date() if day else None)
    if source.has_key:
        _check_repeated(case, source, good, path)
    origins.copy_file(path, target)
    return target


def _check_repeated(case: UseCase, source: Folder, good: pl.DataFrame, path: Path) -> None:
    """Say that some of the rows are there already. Raises ConfigError if a run would put the whole file aside."""
    from portfolio.core.errors import ConfigError
    from portfolio.data.validate import is_export_of_all

    there, limits = _with_keys_of(case, source, good), case.config().validate_
    if len(there) <= limits.max_bad_fraction * len(good):
        return
    keys = there[case.key].to_list()
    if is_export_of_all(good, there, keys, case.key, limits):
        print(
            f"{len(keys):,} of {counted(len(good), 'row')} are there already and will be set aside. The others are new."
        )
        return
    if len(keys) == len(good) and good.sort(case.key).equals(there.sort(case.key)):
        raise ConfigError(f"{path}: all its rows are there already. Nothing was copied.")
    raise ConfigError(
        f"{path}: {len(keys):,} of {counted(len(good), 'row')} share their '{case.key}' with a row that is there "
        "already, and a run would put the whole file aside. If the numbers begin anew in each file, they name no row: "
        f"in {case.folder / 'use_case.py'}, delete key= and add '{case.key}' to ignore, then: portfolio recollect "
        f"{case.name}. If the file corrects another one, put it in its place, and run the same. Nothing was copied."
    )


def _with_keys_of(case: UseCase, source: Folder, rows: pl.DataFrame) -> pl.DataFrame:
    """The normalized rows, collected or waiting in the folder, whose keys are among those of `rows`; one for each."""
    import polars as pl

    from portfolio.core.paths import Paths
    from portfolio.data.batches import of_source, read_batch
    from portfolio.data.normalize import labels, normalize

    collected = of_source(Paths(case.name).batches)
    batches = (read_batch(path, case.name) for path in collected.values())
    files = (source.table(path) for day, path in source.files().items() if day not in collected)
    found = [rows.clear()]
    for table in chain(batches, files):
        if case.key in table.columns:
            normalized = normalize(case, table.filter(labels(table[case.key]).is_in(rows[case.key].implode())))
            found += [] if normalized.faults else [normalized.frame.select(rows.columns)]
    return pl.concat(found).unique(case.key, keep="first", maintain_order=True)
