"""A disk that is full, or a file that may not grow: one clear message, and nothing lost."""

from __future__ import annotations

import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from portfolio.core import files
from portfolio.core.paths import Paths
from tests.checkouts import make_repository
from tests.tiny import tiny_bundle
from tests.use_cases.toy.use_case import DAYS
from tests.workspace import collect, edit_config

Built = Callable[[str], Path]

PYTHON = shlex.quote(sys.executable)
PORTFOLIO = f"{PYTHON} -m portfolio"
FULL = "dd if=/dev/zero of=data/filler bs=1k status=none || true"


@cache
def may_mount() -> bool:
    """Whether this user can make a small disk of its own, in a namespace that ends with the command."""
    if shutil.which("unshare") is None:
        return False
    probe = 'mount -t tmpfs -o size=64k none "$(mktemp -d)"'
    return subprocess.run(["unshare", "-rm", "sh", "-c", probe], capture_output=True).returncode == 0


def on_small_disk(folder: str, size: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a disk of that size at `folder`, and its files there afterwards."""
    if not may_mount():
        pytest.skip("no right to mount a small disk here; the limit on a file's size stands in for it")
    Path(folder).mkdir(parents=True, exist_ok=True)
    mounted = f"""
        cp -a {folder} kept; mount -t tmpfs -o size={size} none {folder}; cp -a kept/. {folder}; rm -r kept
        {script}
        mkdir kept; cp -a {folder}/. kept; umount {folder}; cp -a kept/. {folder}; rm -r kept
    """
    return subprocess.run(["unshare", "-rm", "sh", "-c", mounted], capture_output=True, text=True)


def limited(*arguments: str, size_bytes: int) -> subprocess.CompletedProcess[str]:
    """Run the command line where no file may become larger than that."""
    return subprocess.run(
        [sys.executable, "-m", "portfolio", *arguments],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes)),
        capture_output=True,
        text=True,
    )


def contents(folder: Path) -> dict[str, str]:
    return {path.name: files.sha256(path) for path in folder.iterdir() if path.is_file()}


def assert_clear(result: subprocess.CompletedProcess[str], reason: str) -> None:
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert "run the command again" in result.stderr


def test_a_collect_on_a_full_disk_is_completed_when_there_is_room(workspace: Path) -> None:
    make_repository(workspace)
    edit_config("toy", collect={"until": None})
    result = on_small_disk(
        "data",
        "40k",
        f"{PORTFOLIO} collect toy; echo $? >code; ls -A data/toy/raw/batches >left",
    )
    assert Path("code").read_text() == "1\n"
    assert_clear(result, "No space left on device")
    left = Path("left").read_text().split()
    assert 0 < len(left) < DAYS
    assert all(name.startswith("2026-01-") and name.endswith(".parquet") for name in left), left
    before = contents(Paths("toy").batches)
    collect("toy")
    after = contents(Paths("toy").batches)
    assert len(after) == DAYS
    assert before.items() <= after.items()


def test_a_stage_on_a_full_disk_leaves_the_old_outputs(built: Built) -> None:
    built("toy")
    before = contents(Paths("toy").splits)
    result = on_small_disk("data", "2m", f"{FULL}; {PORTFOLIO} stage prepare toy; echo $? >code")
    assert Path("code").read_text() == "1\n"
    assert_clear(result, "No space left on device")
    assert contents(Paths("toy").splits) == before
    assert list(Paths("toy").splits.parent.glob(".*.partial")) == []


ONE_STAGE = """
stages:
  fail:
    matrix:
      use_case: [toy]
    cmd: echo "Error; no space left" >logs/stage.log
    outs: [never]
"""
RUN_IT = (
    "from pathlib import Path; from pipelines.versioning import reproduce; "
    "reproduce('fail@toy', Path('logs/stage.log'))"
)


def test_a_stage_that_found_no_room_for_its_message_is_said_to_have_a_full_disk(workspace: Path) -> None:
    make_repository(workspace)
    Path("dvc.yaml").write_text(ONE_STAGE)
    full = FULL.replace("data/", "logs/")
    result = on_small_disk("logs", "64k", f'{full}; {PYTHON} -c "{RUN_IT}"')
    assert f"Stage fail@toy failed. No space is left for {Path('logs').absolute()}" in result.stderr


def test_publishing_on_a_full_disk_leaves_the_old_champion(workspace: Path) -> None:
    for version in (1, 2):
        tiny_bundle(Path(f"bundle-{version}"), float(version), version)
    publish = (
        "import sys; from pathlib import Path; from portfolio.bundle.store import Store;"
        "from portfolio.bundle.bundle import Bundle;"
        "bundle = Bundle.open(Path(sys.argv[1]));"
        "Store(Path('data/store')).publish(bundle.folder, bundle.manifest)"
    )
    result = on_small_disk(
        "data",
        "64k",
        f'{PYTHON} -c "{publish}" bundle-1 && ls data/store/bundles >bundles && cat data/store/champion.json '
        f'>champion; {FULL}; {PYTHON} -c "{publish}" bundle-2; echo $? >code',
    )
    assert Path("code").read_text() == "1\n", result.stderr
    assert "No space left on device" in result.stderr
    store = Path("data") / "store"
    assert (store / "champion.json").read_text() == Path("champion").read_text()
    assert [path.name for path in (store / "bundles").iterdir()] == Path("bundles").read_text().split()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    # Collecting begins with DVC's own notes.
    [(("collect", "toy"), "disk I/O error"), (("stage", "prepare", "toy"), "File too large")],
)
def test_a_file_that_can_not_be_written_whole_is_not_there(
    built: Built, arguments: tuple[str, ...], reason: str
) -> None:
    make_repository(built("toy"))
    last = max(Paths("toy").batches.glob("*.parquet"))
    last.unlink()
    before = (contents(Paths("toy").batches), contents(Paths("toy").splits))
    result = limited(*arguments, size_bytes=1000)
    assert result.returncode == 1
    assert_clear(result, reason)
    assert (contents(Paths("toy").batches), contents(Paths("toy").splits)) == before
    assert collect("toy").added == [last.stem]
