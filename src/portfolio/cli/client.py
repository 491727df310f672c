"""Commands that talk to a running server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

if TYPE_CHECKING:
    from portfolio.bundle.manifest import InputField

app = typer.Typer()
PANEL = "Ask a server"


class Form(StrEnum):
    csv = "csv"
    tsv = "tsv"
    parquet = "parquet"
    json = "json"
    jsonl = "jsonl"
    xlsx = "xlsx"
    png = "png"
    jpeg = "jpeg"
    gif = "gif"
    bmp = "bmp"
    webp = "webp"
    tiff = "tiff"


PICTURES = (Form.png, Form.jpeg, Form.gif, Form.bmp, Form.webp, Form.tiff)
# By file extension.
ENDINGS = {
    **{form.value: form for form in Form},
    "txt": Form.csv,
    "xls": Form.xlsx,
    "ndjson": Form.jsonl,
    "jpg": Form.jpeg,
    "tif": Form.tiff,
    # What can't be read of pictures is told when they are opened, with the remedy.
    "heic": Form.jpeg,
    "heif": Form.jpeg,
    "avif": Form.jpeg,
}
API_KEY_VARIABLE = "PORTFOLIO_API_KEY"


@app.command(rich_help_panel=PANEL)
def predict(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...|-", help="CSV, TSV, Parquet, Excel, JSON, or pictures; - is standard input."),
    ],
    url: Annotated[str, typer.Option(help="Address of the server.")] = "http://127.0.0.1:8000",
    form: Annotated[
        Form | None, typer.Option("--format", help="Format, if the file name's extension does not say.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines even on a terminal.")] = False,
) -> None:
    """Get predictions for the rows of files, or for pictures.

    Columns are matched to the model's inputs by name, and other columns are left out. An image is one column with a
    list of values, or one column per value: pixels_0, pixels_1, ... Long files are sent in several requests. In the
    project's folder, a file is read as its use case declares that its files are written.
    Each prediction is a line of JSON, or a line of a table on a terminal. Feedback refers to it by `request_id` and
    `request_row`; of several files, it also names its `file`. If the server requires an API key, set PORTFOLIO_API_KEY.

    Examples:  portfolio predict rows.csv --json  |  portfolio predict *.jpg  |  portfolio predict - --format png <a.png
    """
    import json

    from portfolio.client import predict as client
    from portfolio.core.errors import ConfigError

    forms = [form or ENDINGS.get(Path(file.removesuffix(".gz")).suffix.removeprefix(".").lower()) for file in files]
    for file, found in zip(files, forms, strict=True):
        if file == "-" and found is Form.xlsx:
            raise ConfigError("A workbook can't be read from standard input. Save it as a file, and name that.")
        if found is None and file.startswith(("http://", "https://")):
            raise ConfigError(f"'{file}' is no file. Is it the server's address? Then say --url {file}")
        if found is None:
            raise ConfigError(
                f"The format of '{file}' can't be told from its name. Say which it is with --format: {', '.join(Form)}."
            )
    url, key = url.rstrip("/"), os.environ.get(API_KEY_VARIABLE, "")
    for file in files:
        _check_readable(file)
    model = client.ask(f"{url}/model", key=key)

    def answers() -> Iterator[dict[str, Any]]:
        for file, found in zip(files, forms, strict=True):
            for answer in _answers(file, found, url, model, key):
                yield {"file": file, **answer} if len(files) > 1 else answer

    if sys.stdout.isatty() and not as_json:
        from portfolio.client.tables import show_predictions

        show_predictions(answers(), model)
        return
    for answer in answers():
        print(json.dumps(answer, ensure_ascii=False))


def _check_readable(file: str) -> None:
    """Before the server is asked. Raises DataError."""
    from portfolio.core.errors import DataError

    try:
        if file != "-":
            open(file, "rb").close()
    except OSError as error:
        raise DataError(f"{file} can't be read ({error.strerror}).") from error


def _answers(file: str, form: Form | None, url: str, model: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """The answers for the rows of a file, or for a picture. Raises DataError naming the file."""
    from portfolio.client import predict as client
    from portfolio.core.errors import DataError

    try:
        with sys.stdin.buffer if file == "-" else open(file, "rb") as stream:
            if form in PICTURES:
                from portfolio.client.pictures import small_enough

                content, media_type = small_enough(stream.read(), model["limits"])
                yield client.picture_prediction(url, content, media_type, key)
            else:
                from portfolio.bundle.manifest import InputField

                fields = [InputField.model_validate(field) for field in model["inputs"]]
                rows = _rows(file, form, stream, model["use_case"], fields)
                yield from client.predictions(url, rows, model, key)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _rows(
    file: str, form: Form | None, stream: BinaryIO, use_case: str, fields: Sequence[InputField]
) -> Iterator[dict[str, Any]]:
    """The rows of a file, read as the use case declares that its own are written. JSON is the same for all."""
    from portfolio.client.rows import read_rows, rows_of

    if form in (Form.json, Form.jsonl):
        return read_rows(stream, str(form), fields, _say_left_out)
    from portfolio.scoring.source import RowFiles, with_lists, written_of

    path, written = Path(file), written_of(use_case)
    if file != "-" and form is not Form.parquet:
        # What plain reading does not understand is read all at once.
        table = RowFiles(path, (path,), written, {}).fitted(fields).tables.get(path)
        if table is not None:
            return rows_of(with_lists(table, fields), fields, _say_left_out)
    return read_rows(stream, str(form), fields, _say_left_out, written.missing)


@app.command(rich_help_panel=PANEL)
def load(
    url: Annotated[str, typer.Argument(help="Address of the server, such as http://127.0.0.1:8000.")],
    rate: Annotated[float, typer.Option(help="Requests per second.", min=0.1)] = 100,
    seconds: Annotated[float, typer.Option(help="Duration.", min=0.1, max=3600)] = 10,
    connections: Annotated[int, typer.Option(help="Number of connections.", min=1, max=500)] = 32,
    rows: Annotated[int, typer.Option(help="Rows per request.", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, without progress.")] = False,
) -> None:
    """Send requests at a constant rate and measure the latency.

    The load is open-loop: each request has a planned time, and its latency counts from then, so a stall of the server
    shows in full. The exit code is 1 if any request failed.
    """
    import json

    from portfolio.client import predict as client
    from portfolio.client.connection import Address
    from portfolio.client.load import example_body, run
    from portfolio.client.tables import load_progress, show_load

    url = url.rstrip("/")
    address = Address(url)
    key = os.environ.get(API_KEY_VARIABLE, "")
    body = example_body(client.ask(f"{url}/model", key=key)["inputs"], rows)
    headers = {"Content-Type": client.JSON, **client.authorization(key)}
    request = address.request("POST", "/predict", body, headers)
    with load_progress(rate * seconds, shown=not as_json) as progress:
        found = run(address, request, rate=rate, seconds=seconds, connections=connections, progress=progress)
    if as_json:
        print(json.dumps(found.as_dict()))
    else:
        show_load(found)
    if found.failed:
        sys.exit(1)


@app.command(rich_help_panel=PANEL)
def smoke(
    address: Annotated[str, typer.Argument(help="Address of the server, such as http://127.0.0.1:8000.")],
    digest: Annotated[str, typer.Option(help="Expected bundle digest, or its first characters.")] = "",
    timeout_seconds: Annotated[float, typer.Option(help="How long to wait for the server to be ready.", min=0)] = 60,
) -> None:
    """Wait until a server is ready, and get one prediction from it."""
    import json

    from portfolio.client.predict import smoke as test

    key = os.environ.get(API_KEY_VARIABLE, "")
    print(json.dumps(test(address, digest=digest, timeout_seconds=timeout_seconds, key=key), ensure_ascii=False))


def _say_left_out(columns: list[str]) -> None:
    takes = "the model does not take " + ("it" if len(columns) == 1 else "them")
    names = ", ".join(name or "the column without a name" for name in columns)
    print(f"left out: {names}: {takes}", file=sys.stderr, flush=True)
