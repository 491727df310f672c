"""The guide "Your own data", followed word for word: its blocks are read from the page, and run on made-up data.

A block, a command or a line of its first table that is new there has nothing here that follows it, and fails.
"""

from __future__ import annotations

import ast
import csv
import inspect
import json
import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

import portfolio.contract
from portfolio.cli.main import app
from portfolio.contract.card import REQUIRED
from portfolio.contract.checks import doubts
from portfolio.contract.config import SECTIONS, config_path
from portfolio.contract.folder import Folder
from portfolio.contract.format import Written
from portfolio.contract.loading import load_use_case
from portfolio.contract.made_up import made_up_rows
from portfolio.contract.network_params import TextParams
from portfolio.contract.picture_files import Pictures
from portfolio.contract.sources import Csv
from portfolio.contract.use_case import UseCase
from portfolio.core.paths import Paths
from portfolio.data.collect import collect
from portfolio.data.validate import check_rows
from tests.checkouts import checkout, environment_of, run_in
from tests.servers import started
from tests.serving.runtime.test_hot_swap import free_port
from tests.workspace import ROOT, run_stage, stage_names, write_use_case

GUIDE = ROOT / "docs" / "own-data.md"
IN_JAPANESE = ROOT / "docs" / "own-data.ja.md"


@dataclass(frozen=True)
class Block:
    heading: str
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    found, heading = [], ""
    pattern = r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$"
    for match in re.finditer(pattern, page.read_text(), re.MULTILINE | re.DOTALL):
        if match["heading"]:
            heading = match["heading"]
        else:
            found.append(Block(heading, match["language"], match["text"]))
    return found


BLOCKS = blocks_of(GUIDE)
FOLLOWED = {
    ("Ten minutes from a file to a served model", "bash"): 3,
    ("Inputs", "python"): 1,
    ("Target", "python"): 1,
    ("Source", "python"): 3,
    ("Texts", "python"): 1,
    ("Pictures", "python"): 1,
    ("Pictures", ""): 1,
    ("Other sources", "python"): 1,
    ("Features of your own", "sql"): 1,
    ("What you may replace", "python"): 2,
    ("The config", "yaml"): 2,
}
"""How many blocks of a section the tests below follow."""


def blocks(heading: str, language: str) -> list[str]:
    return [block.text for block in BLOCKS if (block.heading, block.language) == (heading, language)]


def table(first: str, page: Path = GUIDE) -> list[list[str]]:
    """The rows of the table whose first column is called so, each as its cells."""
    _, *rows = page.read_text().partition(f"| {first} |")[2].partition("\n\n")[0].splitlines()[1:]
    return [re.split(r"\s*\|\s*", row.strip("| ")) for row in rows]


def sentences(page: Path) -> str:
    """A page without its blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def code_in(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_block_is_followed() -> None:
    assert Counter((block.heading, block.language) for block in BLOCKS) == FOLLOWED


# The commands, in their order, in a project.


def commands() -> Iterator[str]:
    for block in BLOCKS:
        if block.language == "bash":
            yield from block.text.splitlines()


def write_customers(path: Path, rows: int, first: int, month: date, seed: int) -> None:
    """Who joined in a month: with all that the guide's first table speaks of, as people have it."""
    random = np.random.default_rng(seed)
    fee = random.integers(100, 300, rows) * 10
    season = random.integers(1, 5, rows)
    contract = random.choice(["monthly", "yearly"], rows)
    risk = 2 * (fee > 1900) + 2 * np.isin(season, (1, 3)) + 2 * (contract == "monthly") + random.normal(0, 0.6, rows)
    left = risk > 3.5
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    words = ("slow", "fast", "line", "bill", "help", "good", "call", "again", "late", "wifi")
    usage = np.round(random.uniform(1, 9, rows), 1)
    if month == FIRST_MONTH:
        usage[:2] *= 10_000
    columns: dict[str, Any] = {
        "customer": [f"C{number:05d}" for number in range(first, first + rows)],
        "joined_on": [month + timedelta(days=number * 28 // rows) for number in range(rows)],
        "fee": [f"¥{each:,}" for each in fee],
        "contract": contract,
        "newsletter": random.choice(["yes", "no"], rows),
        "season": season,
        "calls": [
            random.integers(0, 9) if n % 5 else ("NA", "?", "-", "null", "unknown", "")[n % 6] for n in range(rows)
        ],
        "age": [random.integers(18, 90) if number % 11 else 999 for number in range(rows)],
        "usage": usage,
        "since": [f"{months[number % 12]}-{2023 + number % 2}" for number in range(rows)],
        "called_at": [f"{random.integers(24):02d}:{random.integers(60):02d}" for _ in range(rows)],
        "consent": random.choice(["Yes", "YES", "Ｙｅｓ", "no"], rows),  # noqa: RUF001
        "country": ["JP"] * rows,
        "remark": [" ".join(random.choice(words, 7)) for _ in range(rows)],
        "street": [f"street {random.integers(200)}" for _ in range(rows)],
        "contract_code": [{"monthly": "M1", "yearly": "Y1"}[each] for each in contract],
        "status": np.where(left, "closed", "open"),
        "left": np.where(left, "yes", "no"),
    }
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


FIRST_MONTH = date(2026, 4, 1)
ROWS, MORE_ROWS = 400, 120
FOUND = {
    "numbers, categories, yes and no": [r"contract +category +monthly, yearly", r"newsletter +category +no, yes"],
    "numbers with their unit, such as 23.1%, 1,568千人 or ¥120": [r"fee +number +1\d{3} to 2\d{3} ¥"],
    "integer codes with no trend in the target, such as 1 to 4 for the seasons": [
        r"season +category +1, 2, 3, 4; codes"
    ],
    "cells that are empty, or say NA, ?, -, null, unknown": [r"calls +number +0 to 8; missing in 20.0%"],
    "999, -1 and the like, far from all other numbers": [r"'age': 999 was taken to mean missing"],
    "numbers a hundred times as far out as the others, such as a lost decimal point": [
        r"usage +number +1 to 9; 2 values are far from all others.*: rejected"
    ],
    "a value for each row, such as a customer's number": [r"customer +key +names each row"],
    "months, quarters or years, such as Apr-2024 or 平成15年": [r"since +left out +.*new rows have later ones"],
    "a column with dates": [r"joined_on +date +dates the rows: 2026-04-01 to 2026-04-28"],
    # Where there are several, --date says which dates the rows: tests/profiling/test_draft.py follows that.
    "any other column with dates, such as a date of birth": [],
    "times of day, such as 12:34": [r"called_at +left out +.*write the hour as a number"],
    "labels or categories such as Yes, YES and Ｙｅｓ": [  # noqa: RUF001
        r"consent +category +YES, Yes, no, Ｙｅｓ",  # noqa: RUF001
        r"'consent': .* look like '\w+' written otherwise",
    ],
    "a constant, free text, hundreds of codes, a duplicate of another column": [
        r"country +left out +the same in every row",
        r"remark +left out +free text",
        r"street +left out +too many to be categories",
        r"contract_code +left out +says the same as 'contract'",
    ],
    "a column, or a sum of columns, that gives the target away": [r"status +left out +gives the target away.*--keep"],
}
"""What `portfolio new` says of those customers, by what the guide's first table says that it finds."""


def found_by_the_guide() -> list[str]:
    return [what for what, _ in table("it finds")]


def test_each_line_of_the_first_table_is_followed() -> None:
    assert found_by_the_guide() == list(FOUND)


def follow_new(run: Callable[..., str], words: list[str]) -> None:
    assert "--yes" not in words, "there is no terminal, and so nothing is asked"
    said = run()
    for what in found_by_the_guide():
        for expected in FOUND[what]:
            assert re.search(expected, said), f"{what}: {expected}\n{said}"
    assert "Target: left (no: " in said
    assert "a linear model is right in " in said
    # As the guide says: then edit the files.
    config = config_path(words[2])
    config.write_text(config.read_text().replace("train:\n", "train:\n  max_epochs: 3\n  members: 1\n"))
    assert load_use_case(words[2]).config().train.max_epochs == 3


def follow_check(run: Callable[..., str], words: list[str]) -> None:
    said = run()
    assert "nothing is wrong" in said
    assert re.search(rf"TODO configs/{words[2]}\.yaml, line \d+: .*prices", said)


def follow_run(run: Callable[..., str], words: list[str]) -> None:
    said = run()
    assert f"{ROWS - 2} good rows in 1 batch; quarantined: 2 rows" in said
    assert "Version 1: promoted and published" in said


def follow_serve(run: Callable[..., str], words: list[str]) -> None:
    port, folder = free_port(), Path.cwd()
    with started(words, port, folder, environment_of(folder) | {"PORT": str(port)}) as (client, server):
        assert client.get("/").headers["content-type"].startswith("text/html")
        described = client.get("/openapi.json").json()
        body = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
        (answer,) = client.post("/predict", json=body).json()["predictions"]
        assert answer["class"] in ("yes", "no")
    assert server.returncode == 0


def follow_collect(run: Callable[..., str], words: list[str]) -> None:
    batches = Paths(words[2]).batches
    before = set(batches.iterdir())
    said = run()
    assert f"1 new batch ({MORE_ROWS} rows)" in said
    (batch,) = set(batches.iterdir()) - before
    named = words[words.index("--date") + 1] if "--date" in words else ""
    last = max(pl.read_csv(words[3])["joined_on"])
    assert batch.stem == (named or last)


def follow_recollect(run: Callable[..., str], words: list[str]) -> None:
    old = next(Path("data", words[2], "files").glob("may*.csv"))
    old.write_text(old.read_text().replace(",yearly,", ",monthly,"))
    said = run(typed="y\n")
    assert re.search(r"contract \(\d+\)", said)
    assert "Replaced: 1 batch" in said


def follow_rename(run: Callable[..., str], words: list[str]) -> None:
    run()
    assert load_use_case(words[3]).name == words[3]
    assert not Path("use_cases", words[2]).exists()


def follow_remove(run: Callable[..., str], words: list[str]) -> None:
    run(typed="y\n")
    assert list(Path().glob(f"*/{words[2]}*")) == []


FOLLOW = {
    "new": follow_new,
    "check": follow_check,
    "run": follow_run,
    "serve": follow_serve,
    "collect": follow_collect,
    "recollect": follow_recollect,
    "rename": follow_rename,
    "remove": follow_remove,
}


@pytest.mark.timeout(600)
def test_the_commands_do_what_the_guide_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkout(tmp_path / "project")
    monkeypatch.setenv("COLUMNS", "300")
    lines = [(line, words) for line in commands() if (words := shlex.split(line, comments=True))]
    assert [line for line, words in lines if words[0] != "portfolio" or words[1] not in FOLLOW] == []
    first, month = 1, FIRST_MONTH
    for number, name in enumerate(word for _, words in lines for word in words if word.endswith(".csv")):
        rows = MORE_ROWS if number else ROWS
        write_customers(folder / name, rows, first, month, seed=number)
        first, month = first + rows, (month + timedelta(days=31)).replace(day=1)
    with chdir(folder):
        for line, words in lines:
            FOLLOW[words[1]](partial(run_in, folder, "bash", "-c", line), words)


# The declarations, each in a use case of its own.


def code_of(block: str) -> str:
    """A block of Python below what it needs of the contract, from which alone the guide says that it is imported."""
    tree = ast.parse(block)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names = sorted(used & set(portfolio.contract.__all__))
    return f"from portfolio.contract import {', '.join(names)}\n\n\n{block}" if names else block


PLACEHOLDERS = {"https://...": "https://example.org/rows.csv", 'sha256="..."': f'sha256="{"0" * 64}"'}
"""Of which only the reader knows what belongs there."""


def declarations(heading: str) -> list[str]:
    """The lines of a section's Python blocks, each of which declares one fact."""
    lines = [line for block in blocks(heading, "python") for line in block.splitlines()]
    assert all(isinstance(ast.parse(line).body[0], ast.Expr) for line in lines), "one line, one declaration"
    return lines


BASES = {"image": "Images", "text": "Text"}
"""Of the kinds of inputs that a Table does not take."""


def declared(name: str, base: str, *, source: str = "", target: str = "", inputs: str = "") -> UseCase:
    """A use case with one of the guide's lines in it, and what is usual elsewhere; checked as every command does."""
    source = source or 'Csv(path="rows.csv", start="2026-01-05")'
    target = target or 'Classes("left", ["no", "yes"])'
    # With its comment, which ends the line.
    facts = f"source = (\n{source}\n)\ntarget = (\n{target}\n)\ninputs = [\n{inputs or USUAL[base]}\n]"
    tolerance = ", tolerance: 1000" if "Quantity" in target else ""
    write_use_case(
        name,
        f"from portfolio.contract import *\n\n\nclass Own({base}):\n{textwrap.indent(facts, '    ')}\n",
        config=f"value: {{by_hand_yen: 10, check_yen: 4, error_yen: 50{tolerance}}}\n",
    )
    return load_use_case(name)


USUAL = {"Table": 'Number("age", 0, 120)'}


def rows_are_taken(case: UseCase) -> bool:
    """Whether rows that are made up from what it declares are valid by it."""
    good, bad = check_rows(made_up_rows(case, 50), case.schema(), case, case.config().validate_)
    return (len(good), len(bad)) == (50, 0)


@pytest.mark.parametrize("line", declarations("Inputs"))
def test_an_input_of_the_guide_is_one(line: str, workspace: Path) -> None:
    kind = eval(line, vars(portfolio.contract)).kind
    assert rows_are_taken(declared("own", BASES.get(kind, "Table"), inputs=line))


@pytest.mark.parametrize("line", declarations("Target"))
def test_a_target_of_the_guide_is_one(line: str, workspace: Path) -> None:
    assert rows_are_taken(declared("own", "Table", target=line))


def data_of(case: UseCase, rows: int) -> pl.DataFrame:
    """Made-up rows as a file has them: without the key that the project adds where there is none."""
    found = made_up_rows(case, rows)
    return found if case.source.has_key else found.drop(case.key)


@pytest.mark.parametrize("line", declarations("Source"))
def test_a_source_of_the_guide_is_one(line: str, workspace: Path) -> None:
    """Those that are here are read, too."""
    for dots, meant in PLACEHOLDERS.items():
        line = line.replace(dots, meant)
    case = declared("own", "Table", source=line)
    source, rows = case.source, data_of(case, 30)
    if isinstance(source, Csv) and source.path:
        path = Path(source.path)
    elif isinstance(source, Folder):
        path = source.path / "sales-2026-01-31.csv"
    else:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_csv(path, separator=source.written.separator)
    assert collect(source, Paths("own").batches).rows == 30


def test_the_texts_of_the_guide_are_a_use_case(workspace: Path) -> None:
    (block,) = blocks("Texts", "python")
    write_use_case("remarks_of_the_guide", code_of(block))
    case = load_use_case("remarks_of_the_guide")
    assert isinstance(case.source, Csv)
    path = Path(case.source.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data_of(case, 40).write_csv(path, separator=case.source.written.separator)
    assert collect(case.source, Paths(case.name).batches).rows == 40
    assert rows_are_taken(case)


def test_the_pictures_of_the_guide_are_a_use_case(workspace: Path) -> None:
    (block,), (tree,) = blocks("Pictures", "python"), blocks("Pictures", "")
    write_use_case("pets", code_of(block))
    case = load_use_case("pets")
    root, *files = tree.splitlines()
    assert isinstance(case.source, Pictures)
    assert case.source.folder == Path(root)
    for number, line in enumerate(files):
        path = Path(root, line.split()[0])
        path.parent.mkdir(parents=True)
        Image.new("RGB", (40, 50), (60 * number, 100, 100)).save(path)
    batches = Paths("pets").batches
    assert collect(case.source, batches).rows == len(files)
    labels = {path.stem: sorted(pl.read_parquet(path)["label"]) for path in batches.glob("*.parquet")}
    assert labels == {"2026-01-05": ["cats", "dogs"], "2026-01-31": ["cats"]}
    assert set(pl.read_parquet(next(batches.glob("*.parquet"))).columns) == {"path", "picture", "label"}


def test_another_source_of_the_guide_is_one(workspace: Path) -> None:
    """The address is one here."""
    (block,) = blocks("Other sources", "python")
    (use,) = re.findall(r"`source = (.+?)`", GUIDE.read_text())
    rows = [{"id": number, "ordered_on": f"2026-01-0{number % 3 + 1}", "age": 20, "left": "no"} for number in range(9)]
    (workspace / "orders.json").write_text(json.dumps(rows))
    own = f"class Own(Table):\n    source = {use}\n    target = Classes('left', ['no', 'yes'])\n    inputs = ["
    code = f"{block.replace('https://...', (workspace / 'orders.json').as_uri())}\n\n{own}Number('age')]\n"
    write_use_case("orders", code_of(code))
    case = load_use_case("orders")
    assert collect(case.source, Paths("orders").batches).rows == 9
    assert [str(day) for day in case.source.dates()] == ["2026-01-01", "2026-01-02", "2026-01-03"]


# What may be replaced, all of it in one use case.

REPLACED = """
class Own(Table):
    source = Csv(path="houses.csv", start="2026-01-05")
    target = Quantity("price", 1, 500_000, unit="USD", log=True)
    inputs = [Number(name, 0, 10_000) for name in COLUMNS]
    network_params = Params
"""
COLUMNS = [
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "people",
    "income",
    "north",
    "east",
    "height",
    "stairs",
]
BROKEN = 4


def write_houses(path: Path) -> None:
    random = np.random.default_rng(0)
    columns = {name: np.round(random.uniform(1, 60, 400), 1) for name in COLUMNS}
    columns["total_rooms"] = columns["total_bedrooms"] + columns["people"]
    columns["total_rooms"][:BROKEN] = columns["total_bedrooms"][:BROKEN] - 0.5
    price = 1000 * (columns["total_rooms"] + 2 * columns["income"] + random.normal(0, 3, 400)) + 20_000
    pl.DataFrame({**columns, "price": np.round(price)}).write_csv(path)


def test_what_the_guide_replaces_is_used_in_every_stage(workspace: Path) -> None:
    methods, params = blocks("What you may replace", "python")
    code = code_of(params + REPLACED + "\n" + textwrap.indent(methods, "    "))
    prices = "value: {by_hand_yen: 10, check_yen: 4, error_yen: 50, tolerance: 10000}"
    options = "train: {max_epochs: 3, members: 1, augment: true}\nnetwork: {hidden: 5}"
    write_use_case("houses", code.replace("COLUMNS", repr(COLUMNS)), config=f"{prices}\n{options}\n")
    write_houses(Path("houses.csv"))
    (sql,) = blocks("Features of your own", "sql")
    Path("use_cases/houses/features.sql").write_text(sql)
    case = load_use_case("houses")
    # All that it replaces is named in the table above it.
    named = {code_in(method)[0].partition("(")[0] for method, _ in table("method")}
    assert {node.name for node in ast.parse(methods).body if isinstance(node, ast.FunctionDef)} <= named
    assert all(hasattr(UseCase, name) for name in named)

    collect(case.source, Paths("houses").batches)
    for stage in stage_names():
        run_stage(stage, "houses")
    paths = Paths("houses")
    assert json.loads(paths.metrics("validate").read_text())["bad_rows"] == BROKEN
    evaluation = json.loads(paths.metrics("evaluate").read_text())
    assert {"network", "svm", "ridge"} <= evaluation["candidates"].keys()
    # A layer of as many units as the config says, over as many features as the preprocessor gives.
    assert json.loads(paths.metrics("train").read_text())["parameters"] == (8 + 1) * 5 + 5 + 1
    evidence = json.loads(paths.metrics("evidence").read_text())
    assert evidence["slices"]["age"].keys() == {"old", "new"}
    assert set(case.graph_features.names) == {"bedrooms_per_room", "is_old"}


# The config.


def test_the_config_of_the_guide_is_complete(workspace: Path) -> None:
    whole, by_class = blocks("The config", "yaml")
    labels = 'Classes("left", {0: "stays", 1: "leaves"})'
    case = declared("own", "Table", target=labels)
    config_path("own").write_text(whole)
    assert load_use_case("own").config().value.error_yen == 210
    assert doubts(case) == []
    # Of the other block, it says that it stands in the place of the one price.
    price = next(line for line in whole.splitlines() if "error_yen" in line)
    config_path("own").write_text(whole.replace(f"{price}\n", by_class))
    assert load_use_case("own").config().value.error_yen == {"leaves": 20000, "stays": {"leaves": 500}}
    declared("other", "Table", target='Quantity("price", 0, 10)')
    config_path("other").write_text(f"{whole}  tolerance: 1\n")
    load_use_case("other")


def parameters(made: Callable[..., object]) -> set[str]:
    return set(inspect.signature(made).parameters) - {"self", "written"}


def test_the_tables_name_all_that_there_is() -> None:
    assert {code_in(row[0])[0] for row in table("attribute")} == set(UseCase.__annotations__) - {"kinds"}
    arguments = {name for row in table("argument") for name in code_in(row[0])}
    assert arguments == (parameters(Csv) | set(Written.__annotations__)) - {"url", "path", "sha256"}
    assert parameters(Folder) - {"path"} <= arguments
    text = GUIDE.read_text()
    assert [name for name in portfolio.contract.__all__ if not re.search(rf"\b{name}\b", text)] == []
    # The second table of arguments.
    pictures = text.partition("A row has the columns `path`")[2].partition("- **Files.**")[0]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", pictures, re.MULTILINE)))) == parameters(
        Pictures
    ) - {"folder"}
    defaults = {
        name: value
        for row in table("`network.`")
        for name, value in zip(code_in(row[0]), row[2].replace("`", "").split(", "), strict=True)
    }
    assert defaults == {name: str(value) for name, value in TextParams().model_dump().items()}
    (card,) = re.findall(r"`card.yaml` has seven texts: (.+?)\.", text)
    assert set(code_in(card)) == set(REQUIRED)
    (sections,) = re.findall(r"^Other sections are (.+?);", text, re.MULTILINE)
    assert {"value", *code_in(sections)} == set(SECTIONS)


@pytest.mark.parametrize("command", [code for code in code_in(sentences(GUIDE)) if code.startswith("portfolio ")])
def test_a_command_in_a_sentence_is_one(command: str) -> None:
    words = shlex.split(command)[1:]
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0, result.output


# The page in Japanese.


def without_comments(block: Block) -> object:
    match block.language:
        case "bash":
            return [shlex.split(line, comments=True) for line in block.text.splitlines()]
        case "python":
            return ast.dump(ast.parse(block.text))
        case "yaml":
            return yaml.safe_load(block.text)
        case "":
            return [line.split()[0] for line in block.text.splitlines()]
        case _:
            return block.text


def outline(page: Path) -> list[object]:
    """Its headings by their levels, and of each row of its tables what is code in the first cell."""
    lines = re.findall(r"^(?:(#+) |\| (.*?) ?\|)", sentences(page), re.MULTILINE)
    return [level or code_in(cell) for level, cell in lines]


def test_the_page_in_japanese_has_the_same_commands_and_code() -> None:
    japanese = blocks_of(IN_JAPANESE)
    assert [block.language for block in japanese] == [block.language for block in BLOCKS]
    for ours, other in zip(BLOCKS, japanese, strict=True):
        assert without_comments(ours) == without_comments(other), ours.heading
    assert outline(IN_JAPANESE) == outline(GUIDE)
    assert set(code_in(sentences(IN_JAPANESE))) == set(code_in(sentences(GUIDE)))
