"""Every command in the ```bash blocks of the README, AGENTS.md and docs/ exists, and what only reads is run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from portfolio.cli.main import app
from portfolio.contract.loading import use_case_names
from portfolio.core.paths import ANSWERS
from portfolio.report.blocks.documents import OF_A_USE_CASE
from tests.checkouts import checkout
from tests.workspace import ROOT, TOY, USE_CASES, collect

# Not run here, but by the test or script that is named, which takes the time for it anyway. A make target is one call
# of `portfolio`, which is what a test calls.
RUN_ELSEWHERE = {
    "make demo": ".ci/run",
    "make test": ".ci/run",
    "make check": ".ci/run",
    "make run": "tests/test_loop.py",
    "make models": "tests/test_loop.py",
    "make clean": "tests/test_makefile.py",
    "make mlflow": "tests/test_loop.py",
    "make serve": "tests/serving/runtime/test_hot_swap.py",
    "make up": "tests/test_compose.py",
    "make down": "tests/test_compose.py",
    "make report": "tests/test_loop.py",
    "portfolio report": "tests/test_loop.py",
    "portfolio run": "tests/test_loop.py",
    "portfolio models": "tests/test_loop.py",
    "portfolio demo": "tests/test_loop.py",
    "portfolio serve": "tests/serving/runtime/test_hot_swap.py",
    "portfolio study": "tests/test_loop.py",
    "portfolio tune": "tests/training/test_tuning.py",
    "portfolio tune-apply": "tests/training/test_tuning.py",
    "make readme": "tests/report/test_blocks.py",
    "portfolio init": "tests/test_template.py",
    "portfolio readme": "tests/report/test_blocks.py",
    "portfolio promote": "tests/registry/test_registry.py",
    "portfolio rollback": "tests/registry/test_registry.py",
    "portfolio predict": "tests/cli/test_client.py",
    "portfolio load": "tests/cli/test_client.py",
    "portfolio simulate": "tests/cli/test_simulate.py",
    "portfolio score": "tests/cli/test_scoring.py",
    "portfolio monitor": "tests/cli/test_monitor.py",
    "portfolio live": "tests/test_live.py",
    "make live": "tests/test_live.py",
    "make recording": "tests/test_loop.py",
    "portfolio pin": "tests/cli/test_versions.py",
    "portfolio unpin": "tests/cli/test_versions.py",
    "portfolio shadow": "tests/cli/test_versions.py",
    "portfolio api-key": "tests/cli/test_server.py",
    "portfolio collect": "tests/test_kill.py",
    "portfolio stage": "tests/test_kill.py",
    "dvc repro": "tests/test_kill.py",
    "dvc push": "tests/test_colleague.py",
    "make pull": "tests/test_colleague.py",
    "make remote": "tests/test_colleague.py",
    "dvc exp run": "tests/test_loop.py",
    "portfolio smoke": "deploy/image.mk",
    "make setup": ".github/workflows/ci.yml",
    "make image": ".github/workflows/train-and-deploy.yml",
    "make smoke-image": ".github/workflows/train-and-deploy.yml",
    "portfolio new": "tests/cli/test_own_data.py",
    "portfolio check": "tests/cli/test_own_data.py",
    "portfolio status": "tests/test_live.py",
    "portfolio recollect": "tests/data/test_recollect.py",
    "portfolio rename": "tests/cli/test_own_data.py",
    "portfolio remove": "tests/cli/test_own_data.py",
}
# Of these the words are checked; the others only read, and are run.
DVC_ACTS = ("dvc repro", "dvc exp run", "dvc push", "dvc pull", "dvc add")
MADE = ("data/", "metrics/", "champions/")
# Of the machine, and nothing of ours.
PLAIN = {
    "uvx",
    "copier",
    "git",
    "cd",
    "curl",
    "export",
    "docker",
    "docker-compose",
    "pip",
    "source",
    "promtool",
    "prometheus",
}


def commands(text: str) -> list[str]:
    """The commands in a text's bash blocks: no comments, continued lines joined, pipes and && taken apart."""
    found = []
    for block in re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            parts: list[list[str]] = [[]]
            for word in words:
                if word in ("&&", "|", ";", "&", ">", "<"):
                    parts.append([])
                else:
                    parts[-1].append(word)
            found += [shlex.join(part) for part in parts if part]
    return found


AGENTS = ROOT / "AGENTS.md"
# In a project that was made from the template they are its owner's, who may write there what they like.
READMES = [] if (ROOT / ANSWERS).exists() else sorted(ROOT.glob("README*.md"))
DOCUMENTS = [*READMES, *sorted((ROOT / "docs").rglob("*.md"))]


# What the documents' figures are about. Its owner may have deleted it; then they still show how a command is written.
EXAMPLES = {
    about
    for path in DOCUMENTS
    for block, about in re.findall(r"<!-- figures: (\S+) (\S+) -->", path.read_text(encoding="utf-8"))
    if block in OF_A_USE_CASE
}


def readme_commands(*documents: Path) -> list[str]:
    listed = [command for path in documents or DOCUMENTS for command in commands(path.read_text())]
    return list(dict.fromkeys(listed))


def check(command: str) -> None:
    """Raises if there is no such command. What has no lasting effect is run."""
    words = shlex.split(command)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[0] == "make":
        for use_case in re.findall(r"USE_CASE=(\S+)", command):
            assert use_case in known(), f"{command}: there is no use case '{use_case}'"
        if words[1:] == ["help"]:
            subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
        else:
            subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
    elif words[0] == "portfolio":
        parse(words[1:])
    elif words[0] == "dvc":
        acts = next((name for name in DVC_ACTS if shlex.join(words).startswith(name)), None)
        if acts:
            check_dvc(words)
            words = [*acts.split(), "--help"]
        subprocess.run(words, check=True, capture_output=True, text=True)
    elif words[0] == "pytest":
        assert all((ROOT / word).exists() for word in words[1:] if "/" in word), command
    elif words[:2] == ["python", "-m"]:
        assert find_spec(words[2]), command
    else:
        assert words[0] in PLAIN, f"{command}: what is '{words[0]}'?"


def known() -> set[str]:
    """The use cases that a command may name."""
    return {*use_case_names(), *EXAMPLES}


def check_dvc(words: list[str]) -> None:
    """The stages and the parameters that are named exist."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for word in words:
        if match := re.fullmatch(r"(\w+)@(\w+)", word):
            assert match[1] in stages, word
            assert match[2] in known(), word
        if match := re.fullmatch(r"(\S+\.yaml):([\w.]+)=(\S+)", word):
            if not (ROOT / match[1]).exists() and Path(match[1]).stem in EXAMPLES:
                continue
            assert (ROOT / match[1]).exists(), word
            value = yaml.safe_load((ROOT / match[1]).read_text())
            for key in match[2].split("."):
                assert key in value, word
                value = value[key]


def parse(arguments: list[str]) -> None:
    """Let the command line read these arguments, and not act on them: help comes before all else."""
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with collected data, which dvc needs to say what it would do."""
    folder = checkout(tmp_path_factory.mktemp("readme"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        collect(TOY)
    return folder


@pytest.fixture
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a command is checked: `dvc` in a checkout with data."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if "dvc" in str(request.node.callspec.params):
        monkeypatch.chdir(request.getfixturevalue("collected"))


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_readme_has_commands(readme: Path) -> None:
    assert {"make demo", "make test"} <= set(readme_commands(readme))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", readme_commands(*DOCUMENTS, AGENTS))
def test_every_command_exists(command: str) -> None:
    check(command)


@pytest.mark.parametrize("command", readme_commands())
def test_every_command_that_acts_is_run_somewhere(command: str) -> None:
    """Read-only ones are run above."""
    words = shlex.split(command)
    if words[0] == "dvc":
        name = next((name for name in DVC_ACTS if command.startswith(name)), "")
    elif words[0] in ("make", "portfolio") and words[1:2] not in ([], ["help"], ["--help"]):
        name = " ".join(words[:2])
    else:
        name = ""
    if not name:
        return
    assert name in RUN_ELSEWHERE, f"say in RUN_ELSEWHERE where '{name}' is run"
    place = ROOT / RUN_ELSEWHERE[name]
    if (ROOT / ANSWERS).exists() and not place.exists():
        # The template's own, or a workflow that this project was made without.
        return
    text = place.read_text()
    # One line may make several targets.
    lines = [line.split() for line in text.splitlines() if line.startswith(words[0])]
    assert (
        name in text or any(words[1] in line for line in lines) or all(f'"{word}"' in text for word in name.split()[1:])
    ), f"{RUN_ELSEWHERE[name]} lacks '{name}'"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "command",
    [
        "make nonsense",
        "make run USE_CASE=nonsense",
        "portfolio nonsense",
        "portfolio run --nonsense",
        "dvc nonsense",
        f"dvc repro nonsense@{USE_CASES[0]}",
        f"dvc exp run -S configs/{USE_CASES[0]}.yaml:train.nonsense=1",
        "dvc exp run -S configs/nonsense.yaml:train.seed=1",
        "nonsense",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        check(command)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "command",
    [
        f"make run USE_CASE={USE_CASES[-1]}",
        "portfolio serve --port 9000",
        f"USE_CASE={USE_CASES[0]} make serve",
        f"dvc repro train@{USE_CASES[-1]}",
    ],
)
def test_a_command_that_exists_is_let_through(command: str) -> None:
    check(command)


def test_commands_are_read_as_a_shell_reads_them() -> None:
    text = "```bash\n$ make a  # why\nmake b && \\\n  portfolio c 'd e'\n\n# only a comment\n```\n```\nmake f\n```\n"
    assert commands(text) == ["make a", "make b", "portfolio c 'd e'"]


def test_every_make_target_has_a_line_of_help() -> None:
    phony = (ROOT / "Makefile").read_text().partition(".PHONY:")[2].split()
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert phony
    for target in phony:
        assert f"{target} " in shown, target


def test_every_command_of_the_command_line_has_help() -> None:
    commands = typer.main.get_command(app).commands
    assert commands
    assert [name for name, command in commands.items() if not command.help] == []


def tree(readme: Path) -> str:
    """The README's annotated tree: the plain block that names the engine."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = (text for language, text in blocks if not language and "src/portfolio/" in text)
    return found


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_tree_names_files_that_exist(readme: Path) -> None:
    """But for what the loop makes: git keeps no empty folder, and so a clone has none before something is in it."""
    folder = ROOT
    for line in tree(readme).splitlines():
        indent, name = re.findall(r"^( *)(\S+?)(?:<name>\S*)?\s", line)[0]
        if not indent:
            folder = ROOT / name
        assert (folder / name if indent else folder).exists() or line.startswith(MADE), line


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_tree_names_every_room(readme: Path) -> None:
    named = set(re.findall(r"^ *(\S+?)/(?:<name>\S*)?\s", tree(readme), re.MULTILINE))
    engine = {path.parent.name for path in (ROOT / "src" / "portfolio").glob("*/__init__.py")}
    server = {path.name for path in (ROOT / "serving").iterdir() if path.is_dir() and path.name != "__pycache__"}
    top = {path for path in tracked() if (ROOT / path).is_dir() and not path.startswith(".")} - {"src"}
    assert (engine | server | top) - {name.removeprefix("src/") for name in named} == set()


def tracked() -> set[str]:
    """The names at the top of the repository."""
    listed = subprocess.run(
        ["git", "ls-tree", "--name-only", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(listed.stdout.split())


@pytest.mark.parametrize("document", [*DOCUMENTS, AGENTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_workflows_run_only_make_targets_that_exist() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.y*ml"):
        jobs = yaml.safe_load(path.read_text())["jobs"].values()
        for step in (step for job in jobs for step in job.get("steps", [])):
            for target in re.findall(r"^\s*make ([\w-]+)", step.get("run", ""), re.MULTILINE):
                subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
