"""The tour, followed word for word: its commands are read from the page, and run on the toy."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.checkouts import environment_of, run_in
from tests.servers import started
from tests.serving.runtime.test_hot_swap import free_port
from tests.test_readme import commands
from tests.workspace import ROOT, TOY

TOUR, IN_JAPANESE = (ROOT / "docs" / name for name in ("tour.md", "tour.ja.md"))
STAGES = ("validate", "prepare", "baselines", "train", "evaluate")
NOTHING = "nothing has changed"


def made(project: Path, command: str) -> str:
    """What a target of make says, where set-up was done."""
    make, *arguments = shlex.split(command)
    return run_in(project, make, "-o", "setup", *arguments)


@contextmanager
def served(project: Path, command: str, port_name: str) -> Iterator[httpx.Client]:
    """What a target of make serves, at another port than the usual one, until Ctrl-C."""
    make, *arguments = shlex.split(command)
    port = free_port()
    environment = environment_of(project) | {port_name: str(port)}
    with started([make, "-o", "setup", *arguments], port, project, environment) as (client, _):
        yield client


def what_the_stages_did(told: str) -> dict[str, bool]:
    """Whether each of them had nothing to do."""
    return {stage: bool(re.search(rf"{stage} .*{NOTHING}", told)) for stage in STAGES}


def follow_run(project: Path, command: str) -> None:
    """It was run before."""
    assert all(what_the_stages_did(made(project, command)).values())


def follow_report(project: Path, command: str) -> None:
    address = urlsplit(made(project, command).split()[-1])
    assert address.scheme == "file"
    page = Path(address.path).read_text()
    assert re.search("[\\d,]+円" if "REPORT_LANG=ja" in command else "[\\d,]+ yen", page)


def follow_serve(project: Path, command: str) -> None:
    with served(project, command, "PORT") as client:
        for page in ("/", "/docs"):
            assert client.get(page).headers["content-type"].startswith("text/html")
        described = client.get("/openapi.json").json()
        body = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
        (answer,) = client.post("/predict", json=body).json()["predictions"]
        assert {"class", "decision"} <= answer.keys()


def follow_models(project: Path, command: str) -> None:
    told = made(project, command)
    assert "champion" in told
    assert "better than by hand" in " ".join(told.split())


def follow_mlflow(project: Path, command: str) -> None:
    with served(project, command, "MLFLOW_PORT") as client:
        found = client.get("/api/2.0/mlflow/registered-models/search")
        assert TOY in found.text


FOLLOW: dict[str, Callable[[Path, str], None]] = {
    "run": follow_run,
    "report": follow_report,
    "serve": follow_serve,
    "models": follow_models,
    "mlflow": follow_mlflow,
}
ELSEWHERE = {"make demo"}
"""In tests/test_loop.py: it takes minutes."""


@pytest.fixture
def project(looped_once: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("USE_CASE", TOY)
    monkeypatch.setenv("COLUMNS", "200")
    return Path(shutil.copytree(looped_once(), tmp_path / "project", symlinks=True))


def test_the_pages_have_the_same_commands() -> None:
    in_japanese = [command.removesuffix(" REPORT_LANG=ja") for command in commands(IN_JAPANESE.read_text())]
    assert in_japanese == commands(TOUR.read_text())


@pytest.mark.timeout(900)
def test_the_commands_do_what_the_tour_says(project: Path) -> None:
    for command in dict.fromkeys([*commands(TOUR.read_text()), *commands(IN_JAPANESE.read_text())]):
        if command not in ELSEWHERE:
            FOLLOW[command.split()[1]](project, command)

    # 5. Double a price.
    def machine_answers() -> dict[str, Any]:
        candidates = json.loads((project / "metrics" / TOY / "evaluate.json").read_text())["candidates"]
        return {name: figures["by_machine"] for name, figures in candidates.items()}

    before = machine_answers()
    config = project / "configs" / f"{TOY}.yaml"
    text = config.read_text()
    (price,) = re.findall(r"error_yen: (\d+)", text)
    config.write_text(text.replace(f"error_yen: {price}", f"error_yen: {2 * int(price)}"))
    did_nothing = what_the_stages_did(made(project, "make run"))
    assert did_nothing == {stage: stage != "evaluate" for stage in STAGES}
    after = machine_answers()
    assert all(after[name] < before[name] for name in before if before[name])
    assert any(before.values())
