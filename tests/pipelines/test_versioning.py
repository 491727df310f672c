"""DVC in process, in real repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import versioning
from portfolio.contract.loading import use_case_names
from portfolio.core.errors import DataError, PortfolioError
from tests.checkouts import checkout, make_repository
from tests.workspace import ROOT, TOY

LOG = Path("stage.log")


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def stages() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def paths(entries: list[Any]) -> set[str]:
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def needs(name: str) -> set[str]:
    """The stages that make what this one depends on, as dvc.yaml says it."""
    wanted = paths(stages()[name]["deps"]) | paths(stages()[name].get("params", []))
    made = {
        other: paths([*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])])
        for other, stage in stages().items()
    }
    return {other for other, outs in made.items() if outs & wanted}


@pytest.mark.parametrize("use_case", use_case_names())
def test_the_stage_graph_is_that_of_dvc_yaml(repository: None, use_case: str) -> None:
    graph = versioning.stage_graph(use_case)
    assert set(graph) == {f"{name}@{use_case}" for name in stages()}
    for name in stages():
        stage = graph[f"{name}@{use_case}"]
        assert set(stage.needs) == {f"{need}@{use_case}" for need in needs(name)}
        kept_by_git = [next(iter(entry)) for entry in stages()[name].get("metrics", [])]
        assert stage.figures == [ROOT / path.replace("${item.use_case}", use_case) for path in kept_by_git]
    assert needs("evaluate") == {"configure", "prepare", "baselines", "train"}


@pytest.mark.parametrize("use_case", use_case_names())
def test_every_stage_comes_after_those_it_needs(repository: None, use_case: str) -> None:
    seen: set[str] = set()
    for address, stage in versioning.stage_graph(use_case).items():
        assert set(stage.needs) <= seen
        seen.add(address)


def test_dvc_repro_before_the_first_collect_names_the_remedy(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "clone")
    for pointer in folder.glob("data/*/raw/batches.dvc"):
        # Of who has collected and committed; DVC then asks for `dvc pull`.
        pointer.unlink()
    # The toy has never had a folder for data, as one that was just made from a file.
    names = dict.fromkeys([*use_case_names(), TOY])
    stages = [f"validate@{name}" for name in names]
    command = [sys.executable, "-m", "dvc", "repro", "--keep-going", *stages]
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert result.returncode != 0
    for name in names:
        assert f"portfolio collect {name}" in result.stdout + result.stderr


def environment() -> dict[str, str]:
    """With `portfolio`, which a stage's command names, also where the environment is not active."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


MINIATURE = """
stages:
  greet:
    matrix:
      use_case: [toy]
    cmd: cat input/${item.use_case} >output
    deps: [input]
    outs: [output]
"""


@pytest.fixture
def miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one stage, which takes no time, as the current folder."""
    monkeypatch.chdir(make_repository(tmp_path))
    Path("dvc.yaml").write_text(MINIATURE)
    Path("input").mkdir()
    Path("input/toy").write_text("hello")
    return tmp_path


def test_a_stage_runs_once_until_something_changes(miniature: Path) -> None:
    assert versioning.reproduce("greet@toy", LOG) is True
    assert versioning.reproduce("greet@toy", LOG) is False
    Path("input/toy").write_text("good day")
    assert versioning.reproduce("greet@toy", LOG) is True
    assert Path("output").read_text() == "good day"


def test_a_failing_stage_is_a_portfolio_error_that_names_it_and_what_it_said(miniature: Path) -> None:
    versioning.reproduce("greet@toy", LOG)
    before = Path("dvc.lock").read_text()
    Path("input/toy").unlink()
    LOG.write_text("Error: of before\nreading\nError: it is cut off:\n  at its end\n")
    with pytest.raises(
        PortfolioError, match=r"Stage greet@toy failed\. Error: it is cut off:\n  at its end\n.*stage\.log"
    ):
        versioning.reproduce("greet@toy", LOG)
    assert Path("dvc.lock").read_text() == before


@pytest.mark.parametrize("said", ["", None], ids=["an empty log", "no log"])
def test_a_stage_that_failed_without_a_word_is_a_portfolio_error_too(miniature: Path, said: str | None) -> None:
    """Killed for want of memory, for one."""
    if said is not None:
        LOG.write_text(said)
    Path("input/toy").unlink()
    with pytest.raises(PortfolioError, match="Stage greet@toy failed") as told:
        versioning.reproduce("greet@toy", LOG)
    assert "log" not in str(told.value)


def test_a_lock_file_that_a_kill_has_cut_off_is_as_before_the_run(miniature: Path) -> None:
    versioning.reproduce("greet@toy", LOG)
    versioning.stage_graph("toy")
    whole = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(whole[: whole.index("hash: md5") + 2])
    assert list(versioning.stage_graph("toy")) == ["greet@toy"]
    assert Path("dvc.lock").read_text() == whole
    Path("dvc.lock").write_text(f"<<<<<<< ours\n{whole}")
    with pytest.raises(PortfolioError, match="Bring back what it names with git"):
        versioning.stage_graph("toy")


def declare_figures() -> None:
    """The miniature's output is one that git keeps, declared as dvc.yaml does."""
    declared = stages()["evaluate"]["metrics"][0]
    content = yaml.safe_load(MINIATURE)
    del content["stages"]["greet"]["outs"]
    content["stages"]["greet"]["metrics"] = [{"output": next(iter(declared.values()))}]
    Path("dvc.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("broken", ["exit 1", "echo half >output; exit 1", "kill -9 $$"])
def test_a_stage_that_fails_leaves_the_last_figures(miniature: Path, broken: str) -> None:
    declare_figures()
    figures = versioning.stage_graph("toy")["greet@toy"].figures
    versioning.reproduce("greet@toy", LOG, figures)
    working = Path("dvc.yaml").read_text()
    Path("input/toy").write_text("good day")
    Path("dvc.yaml").write_text(working.replace("cmd: cat", f"cmd: {broken}; cat"))
    with pytest.raises(PortfolioError, match="Stage greet@toy failed"):
        versioning.reproduce("greet@toy", LOG, figures)
    assert Path("output").read_text() == "hello"
    Path("dvc.yaml").write_text(working)
    assert versioning.reproduce("greet@toy", LOG) is True
    assert Path("output").read_text() == "good day"


def test_figures_come_back_from_the_run_cache(miniature: Path) -> None:
    declare_figures()
    counting = Path("dvc.yaml").read_text().replace("cmd: cat", "cmd: echo ran >>../ran; cat")
    Path("dvc.yaml").write_text(counting.replace("../ran", str(miniature.parent / "ran")))
    for greeting in ("hello", "good day", "hello"):
        Path("input/toy").write_text(greeting)
        assert versioning.reproduce("greet@toy", LOG) is True
        assert Path("output").read_text() == greeting
    assert (miniature.parent / "ran").read_text() == "ran\n" * 2


def test_the_stages_are_read_once_another_run_has_written_their_lock_file(miniature: Path) -> None:
    versioning.reproduce("greet@toy", LOG)
    write = (
        "from pathlib import Path; from pipelines.versioning import _repository\n"
        "path = Path('dvc.lock'); whole = path.read_text()\n"
        "with _repository().lock:\n"
        "    path.write_text(whole[: whole.index('cmd') + 2]); print('half', flush=True)\n"
        "    input(); path.write_text(whole)\n"
    )
    command, environment = [sys.executable, "-c", write], {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as writer, ThreadPoolExecutor(1) as thread:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        reading = thread.submit(versioning.stage_graph, "toy")
        # Who does not wait has read it by then.
        wait([reading], timeout=2)
        writer.communicate("\n")
        assert "greet@toy" in reading.result(60)


@pytest.mark.parametrize("versioned", [False, True])
def test_a_missing_input_is_a_data_error_with_the_remedy(miniature: Path, versioned: bool) -> None:
    if versioned:
        versioning.add(Path("input"))
    shutil.rmtree("input")
    with pytest.raises(DataError, match=r"input.*portfolio run toy"):
        versioning.reproduce("greet@toy", LOG)


@pytest.mark.parametrize("remove", [".git", ".dvc"])
def test_a_folder_that_is_no_repository_is_named_with_the_remedy(miniature: Path, remove: str) -> None:
    shutil.rmtree(remove)
    remedy = {".git": "not in a git repository .*git init && git add --all", ".dvc": r"no folder \.dvc.*clone"}[remove]
    with pytest.raises(PortfolioError, match=rf"{miniature} .*{remedy}"):
        versioning.stage_graph("toy")
    with pytest.raises(PortfolioError, match=remedy):
        versioning.reproduce("greet@toy", LOG)


@pytest.mark.parametrize("link", ["data", "data/toy/raw", "data/toy/raw/batches", "models", "metrics"])
def test_a_link_behind_which_dvc_keeps_nothing_is_named_before_anything_is_done(miniature: Path, link: str) -> None:
    Path("elsewhere").mkdir()
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    Path(link).symlink_to(miniature / "elsewhere")
    with pytest.raises(
        PortfolioError, match=rf"^{link} is a symbolic link .*Put the folder itself there.*dvc cache dir"
    ):
        versioning.stage_graph("toy")


def test_a_result_that_dvc_can_not_keep_is_not_told_as_the_stage_told_it(miniature: Path) -> None:
    Path("dvc.yaml").write_text(MINIATURE.replace(">output", ">other"))
    LOG.write_text("all is well\n")
    with pytest.raises(PortfolioError, match=r"DVC can't keep the result of greet@toy.*output") as caught:
        versioning.reproduce("greet@toy", LOG)
    assert "all is well" not in str(caught.value)


def test_the_log_of_a_stage_that_does_not_run_stays(miniature: Path) -> None:
    LOG.write_text("what it said")
    with versioning.log_of_this_run(LOG):
        assert not LOG.exists()
    assert LOG.read_text() == "what it said"
    with versioning.log_of_this_run(LOG):
        LOG.write_text("what it says now")
    assert LOG.read_text() == "what it says now"
    assert not list(miniature.glob("*.earlier"))


def test_a_folder_is_versioned_as_a_whole(miniature: Path) -> None:
    versioning.add(Path("input"))
    first = yaml.safe_load(Path("input.dvc").read_text())["outs"][0]
    assert first["nfiles"] == 1
    Path("input/more").write_text("more")
    versioning.add(Path("input"))
    second = yaml.safe_load(Path("input.dvc").read_text())["outs"][0]
    assert (second["nfiles"], second["md5"] != first["md5"]) == (2, True)


def test_a_folder_that_is_as_it_was_versioned_is_left_alone(miniature: Path) -> None:
    versioning.add(Path("input"))
    written = Path("input.dvc").stat().st_mtime_ns
    versioning.add(Path("input"))
    assert Path("input.dvc").stat().st_mtime_ns == written


def test_the_stages_of_a_use_case_are_those_of_the_root(miniature: Path) -> None:
    """Studies are outside the loop, also one that has only a use case in its name."""
    Path("studies").mkdir()
    Path("studies/dvc.yaml").write_text(MINIATURE.replace("greet", "spread").replace("output", "other"))
    assert list(versioning.stage_graph("toy")) == ["greet@toy"]


def test_another_command_of_dvc_is_named_and_nobody_is_told_to_delete_its_lock(miniature: Path) -> None:
    Path(".dvc/tmp").mkdir(exist_ok=True)
    held = {str(miniature / "output"): {"pid": os.getppid(), "cmd": "dvc repro"}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": held, "read": {}}))
    with pytest.raises(PortfolioError, match=rf"\(PID {os.getppid()}\): dvc repro") as told:
        versioning.reproduce("greet@toy", LOG)
    assert "remove" not in str(told.value)


@pytest.mark.parametrize("left", ["", '{"write": {'])
def test_a_note_of_locks_that_a_kill_cut_off_is_not_in_the_way(miniature: Path, left: str) -> None:
    versioning.reproduce("greet@toy", LOG)
    notes = Path(".dvc/tmp/rwlock")
    assert notes.exists()
    notes.write_text(left)
    assert versioning.reproduce("greet@toy", LOG) is False
    notes.write_text(left)
    versioning.add(Path("input"))


def test_a_lock_of_a_process_that_is_gone_is_not_in_the_way(miniature: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    Path(".dvc/tmp").mkdir(exist_ok=True)
    held = {str(miniature / "output"): {"pid": ended.pid, "cmd": "dvc repro"}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": held, "read": {}}))
    assert versioning.reproduce("greet@toy", LOG) is True


def test_a_dvc_lock_that_is_cut_off_is_a_portfolio_error_that_names_it(miniature: Path) -> None:
    versioning.reproduce("greet@toy", LOG)
    lock = Path("dvc.lock")
    lock.write_text(lock.read_text().replace("outs:", "outs: ["))
    with pytest.raises(PortfolioError, match=r"dvc\.lock"):
        versioning.stage_graph("toy")
    with pytest.raises(PortfolioError, match=r"dvc\.lock"):
        versioning.reproduce("greet@toy", LOG)


def test_a_folder_is_fetched_or_said_to_be_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder, remote = Path("champions/toy"), Path("remote")
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        ["git", "init", "-q"],
        [*dvc, "init", "-q"],
        [*dvc, "remote", "add", "-q", "--default", "shared", str(remote)],
        [*dvc, "add", "-q", str(folder)],
        [*dvc, "push", "-q"],
    ):
        subprocess.run(command, check=True)

    def lose() -> None:
        shutil.rmtree(folder)
        shutil.rmtree(".dvc/cache")

    lose()
    assert versioning.fetch(folder)
    assert (folder / "manifest.json").read_text() == "{}"
    lose()
    shutil.rmtree(remote)
    assert not versioning.fetch(folder)
    assert not folder.exists()


def test_a_remote_that_can_not_be_asked_is_not_one_that_lacks_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("champions").mkdir()
    Path("champions/toy.dvc").write_text(
        "outs:\n- md5: a2238ca0c55a78426d14a24f769fa8ed.dir\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: toy\n"
    )
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        ["git", "init", "-q"],
        [*dvc, "init", "-q"],
        [*dvc, "remote", "add", "-q", "--default", "shared", "http://127.0.0.1:1/nowhere"],
    ):
        subprocess.run(command, check=True)
    with pytest.raises(PortfolioError, match=r"can't ask its remote .*dvc pull champions/toy\.dvc"):
        versioning.fetch(Path("champions/toy"))
