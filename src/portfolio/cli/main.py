"""The command line, `portfolio`. It imports what a command needs when the command runs, so that help comes at once."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.core.errors import PortfolioError

if TYPE_CHECKING:
    from portfolio.bundle.store import Store

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""From data collection to a served model, for one use case at a time.

    The loop:  [bold]collect[/] -> the DVC stages -> [bold]promote[/] -> [bold]serve[/].
    [bold]run[/] does all of it as a Prefect flow; [bold]demo[/] shows it in a copy and stops.""",
)


class Language(StrEnum):
    en = "en"
    ja = "ja"


class Form(StrEnum):
    csv = "csv"
    parquet = "parquet"
    json = "json"
    jsonl = "jsonl"
    png = "png"
    jpeg = "jpeg"


# Of files, by their endings.
ENDINGS = {**{form.value: form for form in Form}, "ndjson": Form.jsonl, "jpg": Form.jpeg}
API_KEY_VARIABLE = "PORTFOLIO_API_KEY"
USE_CASE_HELP = "a folder of src/portfolio/use_cases"
UseCaseName = Annotated[str, typer.Argument(help=USE_CASE_HELP, metavar="USE_CASE")]
VersionNumber = Annotated[int, typer.Argument(help="a version that `portfolio models` lists")]


@app.command()
def collect(use_case: UseCaseName = "digits") -> None:
    """Fetch the batches that are new, as data/USE_CASE/raw/batches/DATE.parquet, and put them under DVC."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import Paths
    from portfolio.data import collecting

    case, batches = load_use_case(use_case), Paths(use_case).batches
    print(collecting.collect(case.source, batches, case.config().collect.until))
    # Queued experiments run in a copy, which has what git or DVC keeps.
    from pipelines import versioning

    versioning.add(batches)


@app.command()
def stage(name: Annotated[str, typer.Argument(help="a stage of dvc.yaml")], use_case: UseCaseName) -> None:
    """Run one stage as dvc.yaml does. Use `dvc repro` instead, which runs what has changed."""
    import importlib
    import pkgutil

    import portfolio.stages
    from portfolio.cli import provenance
    from portfolio.contract.loading import load_use_case
    from portfolio.core import files
    from portfolio.core.errors import ConfigError
    from portfolio.core.paths import LOGS_VARIABLE, Paths

    provenance.check_code()
    names = sorted(module.name for module in pkgutil.iter_modules(portfolio.stages.__path__))
    if name not in names:
        raise ConfigError(f"There is no stage '{name}'. There are: {', '.join(names)}.")
    case = load_use_case(use_case)
    if LOGS_VARIABLE in os.environ:
        log = Paths(use_case).log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream:
            # The descriptors, not sys.stdout: libraries in C write there too.
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
    config = case.config()
    provenance.check_versions(name)
    if name != "configure":
        provenance.check_config(config)
    # One whose DVC was killed may still run: two at once would take each other's checkpoints and files away.
    with files.alone(Paths(use_case).lock(name)):
        importlib.import_module(f"portfolio.stages.{name}").run(case, config)


@app.command()
def run(use_case: UseCaseName = "digits") -> None:
    """Run the training flow: collect, version, the DVC stages, register, promote, publish."""
    import json

    from pipelines.server import PrefectServer
    from portfolio.contract.loading import load_use_case
    from portfolio.core.environment import local_environment, state_folder
    from portfolio.core.files import write_text
    from portfolio.core.paths import Paths
    from portfolio.core.terminal import Steps, console

    case = load_use_case(use_case)
    case.config()
    local_environment()
    server = PrefectServer(state_folder() / "logs" / "prefect.log")
    server.start()
    start = Steps()
    with start.step("prefect") as step:
        # While the server starts: what the flow imports, MLflow's database and DVC's graph.
        from pipelines import versioning
        from pipelines.training import training
        from portfolio.registry.registry import Registry

        Registry(case)
        versioning.stage_graph(use_case)
        server.wait()
        step.result = f"its API answers at {os.environ['PREFECT_API_URL']}"
    with server.flow_settings():
        outcome = training(use_case)
    seconds = {**start.seconds, **outcome.seconds}
    write_text(Paths(use_case).log("run").with_suffix(".json"), json.dumps({"seconds": seconds}, indent=1) + "\n")
    result = "promoted and published" if outcome.verdict.promoted else "not promoted"
    console.print(f"Version {outcome.version}: {result} ({outcome.verdict.reason}).")


@app.command()
def demo() -> None:
    """Show the whole loop on real digits, in a clone under .state/demo, and stop."""
    from portfolio.cli.demo import demo as show

    show()


@app.command()
def models(use_case: UseCaseName = "digits") -> None:
    """List the registered versions, newest first: aliases, metrics, digests, and the gate's verdict."""
    from rich.table import Table

    from portfolio.contract.loading import load_use_case
    from portfolio.core.terminal import console
    from portfolio.registry.registry import Registry

    case = load_use_case(use_case)
    # Or a folder that is no checkout would get an empty registry of its own.
    case.config()
    versions = Registry(case).versions()
    if not versions:
        console.print(f"No version of '{use_case}' yet. Train one: portfolio run {use_case}")
        return
    table = Table(title=case.title, show_lines=True)
    for heading in ("version", "alias", "candidate", "digest", "test metrics", "verdict"):
        table.add_column(heading, no_wrap=heading in ("version", "alias", "digest"))
    for version in versions:
        scores = {name: value for name, value in version.metrics.items() if name.startswith("test/")}
        table.add_row(
            str(version.number),
            "\n".join(version.aliases),
            version.candidate,
            version.digest[:12],
            "\n".join(f"{name.removeprefix('test/')} {value:,.4f}" for name, value in sorted(scores.items())),
            version.verdict,
        )
    console.print(table)


@app.command()
def report(
    use_case: UseCaseName = "digits",
    lang: Annotated[Language, typer.Option(help="the language of the page that is named at the end")] = Language.en,
) -> None:
    """Write reports/USE_CASE: the result on one page, and answers to an interviewer, in English and in Japanese."""
    from pipelines import versioning
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import LOGS_VARIABLE, Paths
    from portfolio.report.words import PAGES

    case = load_use_case(use_case)
    case.config()
    paths = Paths(case.name)
    os.environ[LOGS_VARIABLE] = "1"
    log = paths.log("report")
    versioning.reproduce(f"configure@{case.name}", paths.log("configure"))
    with versioning.log_of_this_run(log):
        versioning.reproduce(f"report@{case.name}", log, force=paths.report_is_stale())
    print((paths.report / PAGES[lang.value]).resolve().as_uri())


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="learning-curve, capacity, ablation or cross-validate")],
    use_case: UseCaseName = "digits",
    uncached: Annotated[bool, typer.Option(help="do it at once, and not through DVC; this is what DVC calls")] = False,
) -> None:
    """Measure overfitting, bias and variance by many trainings. DVC keeps the result until something changes."""
    from portfolio.contract.config import STUDIES
    from portfolio.contract.loading import load_use_case
    from portfolio.core import files
    from portfolio.core.errors import ConfigError
    from portfolio.core.paths import Paths

    if name not in STUDIES:
        raise ConfigError(f"There is no study '{name}'. There are: {', '.join(STUDIES)}.")
    case, paths = load_use_case(use_case), Paths(use_case)
    config = case.config()
    if uncached:
        from portfolio.cli import provenance
        from portfolio.training import studies

        provenance.check_code()
        provenance.check_versions("study", Path("studies") / "dvc.yaml")
        provenance.check_config(config)
        with files.alone(paths.lock(f"study-{name}")):
            studies.run(name, case, config)
        return
    from pipelines import versioning
    from portfolio.report.words import show_study

    versioning.reproduce(f"configure@{use_case}", paths.log("configure"))
    versioning.reproduce(f"studies/dvc.yaml:study@{name}-{use_case}", paths.log(f"study-{name}"))
    show_study(paths.study(name))


@app.command()
def tune(
    use_case: UseCaseName = "digits",
    workers: Annotated[int, typer.Option(help="trials that are tried at once", min=1, max=64)] = 2,
) -> None:
    """Look for better parameters with Optuna. Stopped or killed, the same command goes on."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.paths import Paths
    from portfolio.report.words import show_tuning
    from portfolio.training.tuning import tune as search

    case = load_use_case(use_case)
    search(case, case.config(), workers)
    show_tuning(Paths(use_case).metrics("tuning"))


@app.command()
def tune_apply(
    use_case: UseCaseName = "digits",
    yes: Annotated[bool, typer.Option("--yes", help="without asking")] = False,
) -> None:
    """Show what the best trial would change in the config, ask, and write it there."""
    from portfolio.contract.config import config_path
    from portfolio.contract.loading import load_use_case
    from portfolio.core.files import write_text
    from portfolio.core.terminal import print_diff
    from portfolio.training.tuning import best_values, tuned_config

    config, path = load_use_case(use_case).config(), config_path(use_case)
    values = best_values(config)
    config.changed(values)
    before, after = path.read_text(encoding="utf-8"), tuned_config(path, values)
    if before == after:
        print(f"{path} has the best trial's values already.")
        return
    print_diff(path, before, after)
    if yes or typer.confirm("Write this?"):
        write_text(path, after)
        print(f"{path} is changed. Train with it: portfolio run {use_case}")


@app.command()
def readme(
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; fail if a figure is not that of the metrics")
    ] = False,
) -> None:
    """Write the figures of README*.md and docs/ from the metrics files, between their markers."""
    from portfolio.core.errors import DataError
    from portfolio.core.files import write_text
    from portfolio.report.blocks import documents, filled

    texts = {path: filled(path) for path in documents()}
    if not texts:
        raise DataError("No README*.md and no docs with figures are here. Run this in the repository's root.")
    differ = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    if check and differ:
        raise DataError(
            f"The figures in {', '.join(map(str, differ))} are not those of metrics/. Write them: make readme"
        )
    for path in differ:
        write_text(path, texts[path])
        print(f"{path} was written anew")


@app.command()
def promote(
    use_case: UseCaseName,
    version: VersionNumber,
    force: Annotated[bool, typer.Option(help="without asking the gate")] = False,
) -> None:
    """Make a version champion and publish its bundle, if the gate finds it better."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.errors import RegistryError
    from portfolio.registry.registry import ALREADY_CHAMPION, Registry

    verdict = Registry(load_use_case(use_case)).promote(version, force=force)
    if verdict == ALREADY_CHAMPION:
        print(f"version {version}: {verdict.reason}")
        return
    if not verdict.promoted:
        raise RegistryError(f"Version {version} was not promoted: {verdict.reason}. To do it by hand, add --force.")
    print(f"version {version} is champion and published: {verdict.reason}")


@app.command()
def rollback(use_case: UseCaseName) -> None:
    """Publish the champion's predecessor again."""
    from portfolio.contract.loading import load_use_case
    from portfolio.registry.registry import Registry

    print(f"version {Registry(load_use_case(use_case)).rollback()} is champion again, and published")


@app.command()
def pin(use_case: UseCaseName, version: VersionNumber) -> None:
    """Serve one version, whatever is promoted meanwhile, until `portfolio unpin`."""
    from portfolio.contract.loading import load_use_case

    pinned = _store_with(load_use_case(use_case).name, version).pin(version)
    print(f"version {version} (digest {pinned.digest[:12]}) is served until: portfolio unpin {use_case}")


@app.command()
def unpin(use_case: UseCaseName) -> None:
    """Serve the champion again."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    Store.of(load_use_case(use_case).name).unpin()
    print("the champion is served")


@app.command()
def shadow(
    use_case: UseCaseName,
    version: VersionNumber,
    share: Annotated[float, typer.Option(help="of the requests, from 0 to 1; 0 ends it", min=0, max=1)] = 0.1,
) -> None:
    """Let a challenger answer a share of the requests too, for the prediction log alone. Nobody sees its answers."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    name = load_use_case(use_case).name
    store = _store_with(name, version) if share else Store.of(name)
    store.set_shadow(version, share)
    print(f"version {version} runs beside the champion on {share:.0%} of the requests" if share else "no shadow runs")


def _store_with(use_case: str, version: int) -> Store:
    """The store, with that version's bundle in it: from the registry, if it was never published."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    store = Store.of(use_case)
    versions = store.versions()
    if version not in versions:
        from portfolio.core.errors import RegistryError
        from portfolio.registry.registry import Registry

        try:
            Registry(load_use_case(use_case)).add_to_store(version)
        except RegistryError as error:
            there = ", ".join(map(str, versions)) or "none"
            raise RegistryError(
                f"The store of '{use_case}' has no version {version} (there are: {there}), and the registry could not "
                f"give it: {error}"
            ) from error
    return store


@app.command()
def api_key() -> None:
    """Make a new key for the API, and what the server's settings hold of it. Nothing is stored."""
    import secrets

    from serving.front.security import hashed

    key = secrets.token_urlsafe(32)
    print(f"key      {key}")
    print(f"SHA-256  {hashed(key)}")
    print(
        "Give the key to whoever asks (PORTFOLIO_API_KEY; the header Authorization: Bearer KEY), and the SHA-256 to\n"
        "the server: SERVING_API_KEYS for predictions, SERVING_ADMIN_KEYS for /metrics and /admin; several by commas."
    )


@app.command()
def export(
    use_case: UseCaseName,
    folder: Annotated[Path, typer.Argument(help="where FOLDER/USE_CASE is made, or replaced")],
) -> None:
    """Copy the champion's bundle into a folder that can be served by itself, to put it into an image."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    champion = Store.of(load_use_case(use_case).name).export(folder / use_case)
    print(f"version {champion.model_version} (digest {champion.digest[:12]}) is in {folder / use_case}")


@app.command()
def smoke(
    address: Annotated[str, typer.Argument(help="of a server, such as http://127.0.0.1:8000")],
    digest: Annotated[str, typer.Option(help="how the digest of the bundle begins that must be served")] = "",
    timeout_seconds: Annotated[float, typer.Option(help="how long it may take to be ready", min=0)] = 60,
) -> None:
    """Wait until a server is ready, and ask it for one prediction."""
    import json

    from portfolio.client.predict import smoke as test

    key = os.environ.get(API_KEY_VARIABLE, "")
    print(json.dumps(test(address, digest=digest, timeout_seconds=timeout_seconds, key=key), ensure_ascii=False))


@app.command()
def predict(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="CSV, Parquet, JSON, PNG or JPEG; - is standard input")],
    url: Annotated[str, typer.Option(help="of the server")] = "http://127.0.0.1:8000",
    form: Annotated[
        Form | None, typer.Option("--format", help="what it is, where its name's ending does not say so")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="leave out a column that is no input; may be repeated")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines also on a terminal")] = False,
) -> None:
    """Ask a server for predictions for each row of a file, or for a picture.

    Columns are matched to the model's inputs by name; an image is one column with a list of its values, or a column
    for each, as pixels_0, pixels_1, ... Many rows are sent in as many requests as it takes.
    An answer is a line of JSON, or on a terminal a line of a table. `request_id` and `request_row` are
    what feedback names it by. A key, where the server needs one, is taken from PORTFOLIO_API_KEY.

    Examples:  portfolio predict rows.csv --json  |  cat digit.png | portfolio predict - --format png
    """
    import json

    from portfolio.client import predict as client
    from portfolio.core.errors import ConfigError, DataError

    form = form or ENDINGS.get(Path(file).suffix.removeprefix(".").lower())
    if form is None:
        raise ConfigError(f"What is in '{file}'? Say --format {', --format '.join(Form)}.")
    url, key = url.rstrip("/"), os.environ.get(API_KEY_VARIABLE, "")
    try:
        with sys.stdin.buffer if file == "-" else open(file, "rb") as stream:
            model = client.ask(f"{url}/model", key=key)
            if form in (Form.png, Form.jpeg):
                answers = iter([client.picture_prediction(url, stream.read(), f"image/{form.value}", key)])
            else:
                from portfolio.bundle.manifest import InputField
                from portfolio.client.rows import read_rows

                fields = [InputField.model_validate(field) for field in model["inputs"]]
                answers = client.predictions(url, read_rows(stream, form.value, fields, ignore or ()), model, key)
            if sys.stdout.isatty() and not as_json:
                from portfolio.core.terminal import show_predictions

                show_predictions(answers, model)
                return
            for answer in answers:
                print(json.dumps(answer, ensure_ascii=False))
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{file} can't be read ({error.strerror}).") from error


@app.command()
def load(
    url: Annotated[str, typer.Argument(help="of the server, such as http://127.0.0.1:8000")],
    rate: Annotated[float, typer.Option(help="requests a second", min=0.1)] = 100,
    seconds: Annotated[float, typer.Option(help="for how long", min=0.1, max=3600)] = 10,
    connections: Annotated[int, typer.Option(help="on how many connections", min=1, max=500)] = 32,
    rows: Annotated[int, typer.Option(help="how many rows each request has", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="the figures as JSON, and no progress")] = False,
) -> None:
    """Send a steady stream of requests, and tell how long the answers took.

    When each is to be sent is fixed beforehand, and its latency counts from then (an open loop). So a stall of the
    server shows in full: what could not be sent meanwhile is late too. Ends with 1 if a request had no good answer.
    """
    import json

    from portfolio.client import predict as client
    from portfolio.client.connection import Address
    from portfolio.client.load import example_body, run
    from portfolio.core.terminal import load_progress, show_load

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


@app.command()
def serve(
    use_case: Annotated[
        str, typer.Argument(help=USE_CASE_HELP, metavar="USE_CASE", envvar="PORTFOLIO_USE_CASE")
    ] = "digits",
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on", min=1, max=65535)] = 8000,
) -> None:
    """Serve the champion, and swap in a new one when it is published. Stop with Ctrl-C."""
    from portfolio.contract.loading import load_use_case

    os.environ["PORTFOLIO_USE_CASE"] = load_use_case(use_case).name
    _check_can_listen(host, port)
    from serving.server import run as listen

    listen(host, port)


def _check_can_listen(host: str, port: int) -> None:
    """Raises ConfigError, with the reason and the remedy, where the server could not listen there."""
    import errno
    import socket

    from portfolio.core.errors import ConfigError

    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(
            f"--host {host} is no known host ({error}). Give an address of this machine, such as 127.0.0.1"
        ) from error
    another = port + 1 if port < 65535 else port - 1
    remedies = {
        errno.EADDRINUSE: "Stop what uses it, or choose another port: "
        f"portfolio serve --port {another} (make serve PORT={another})",
        errno.EADDRNOTAVAIL: "That is no address of this machine: choose another --host, such as 127.0.0.1",
        errno.EAFNOSUPPORT: "This machine has no addresses of that kind: choose another --host, such as 127.0.0.1",
        errno.EACCES: "Ports so low are for the machine's administrator: choose a --port from 1024",
    }
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
        except OSError as error:
            remedy = remedies.get(error.errno or 0, "Choose another --host or --port")
            raise ConfigError(f"Can't listen on {place} ({error.strerror}). {remedy}") from error


def main() -> None:
    """Run the command line; a user's mistake ends as one message and exit code 1."""
    # Python looks for cycles whenever there are 700 objects more, and imports make a million: a quarter of their time.
    gc.set_threshold(10_000)
    # At its end it would look through all of them again: half a second to a second for each stage.
    atexit.register(gc.freeze)
    try:
        app()
        return
    except PortfolioError as error:
        message = str(error)
    except BrokenPipeError:
        # Whoever read the output has had enough, as `head` does. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        message = f"{error.filename or 'Writing'}: {error.strerror}. Nothing half-written was left; mend it, run again."
    from portfolio.core.terminal import failure

    failure(message)
    sys.exit(1)


if __name__ == "__main__":
    main()
