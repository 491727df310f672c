"""Making a project of one's own from a copy of the template, as GitHub's "Use this template" gives it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer()
PANEL = "Use your own data"
QUESTIONS = Path("copier.yml")


@app.command(rich_help_panel=PANEL)
def init(
    template: Annotated[
        str, typer.Argument(help="Where the template is: its address on GitHub, or a folder.", show_default=False)
    ] = "",
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="An answer, as in title='House prices' or use_cases='[digits]'. Repeatable.", show_default=False
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; what --data leaves out has its default.")] = False,
) -> None:
    """Make this copy of the template your own project: your title, licence and use cases, and no figures but yours."""
    from tempfile import TemporaryDirectory

    from portfolio.core.errors import ConfigError
    from portfolio.core.paths import ANSWERS

    if ANSWERS.exists():
        raise ConfigError(
            "This is a project of your own already. Later versions of the template come by: copier update"
        )
    if not QUESTIONS.exists():
        raise ConfigError(f"There is no {QUESTIONS} here. Run this in the main folder of a copy of the template.")
    if _git("status", "--porcelain"):
        raise ConfigError("There are changes that are not committed, which would be lost. Commit them, or: git stash")
    answers = _answers(data or ())
    ask = sys.stdin.isatty() and not yes
    if not template:
        if not ask:
            raise ConfigError(
                "Where is the template? Later versions come from there. GitHub shows it under the repository's name "
                "('generated from ...'): portfolio init https://github.com/OWNER/NAME"
            )
        template = typer.prompt(
            "Address of the template (on GitHub: 'generated from ...', under the repository's name)"
        )
    if Path(template).exists():
        template = str(Path(template).resolve())
    with TemporaryDirectory() as scratch:
        commit = _same_commit(template, Path(scratch) / "history")
        # The folder's name is the default for that of the repository.
        made = Path(scratch) / Path.cwd().name
        _render(template, made, commit, answers, defaults=not ask)
        _take_over(made)
    print("\nThis is your project now. Look at what changed, commit it, and try it:")
    print('  git add --all && git commit -m "Start from the template"')
    print("  make check test demo")


def _answers(data: list[str] | tuple[()]) -> dict[str, Any]:
    """The answers that were given as name=value; a value is read as YAML where the question is a list."""
    import yaml

    from portfolio.core.errors import ConfigError

    questions = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    names = [name for name in questions if not name.startswith("_") and questions[name].get("when", True)]
    answers: dict[str, Any] = {}
    for item in data:
        name, equals, value = item.partition("=")
        if not equals or name not in names:
            raise ConfigError(f"--data '{item}' is not name=value with one of these names: {', '.join(names)}.")
        answers[name] = yaml.safe_load(value) if questions[name].get("multiselect") else value
    return answers


def _same_commit(template: str, history: Path) -> str:
    """The template's commit that has the very files of this one: the version that this copy was made from."""
    from portfolio.core.errors import ConfigError
    from portfolio.core.passwords import hidden

    if hidden(template) != template:
        raise ConfigError(
            "The template's address has a password or a token in it, and the address is kept in the project. Leave it "
            "out: git asks for it, or has it from its credential helper."
        )
    cloned = subprocess.run(
        ["git", "clone", "--quiet", "--bare", template, str(history)], capture_output=True, text=True, check=False
    )
    if cloned.returncode != 0:
        said = cloned.stderr.strip().splitlines() or ["git clone failed"]
        raise ConfigError(f"The template can't be read from {template} ({said[-1]}). Check the address.")
    tree = _git("rev-parse", "HEAD^{tree}")
    for line in _git("-C", str(history), "log", "--all", "--format=%H %T").splitlines():
        commit, _, its_tree = line.partition(" ")
        if its_tree == tree:
            return commit
    raise ConfigError(
        f"No version of {template} has exactly the files that are committed here, so it can't be said what is yours. "
        "`portfolio init` comes before any other change: go back to the first commit, or start in a new folder with: "
        f"copier copy {template} FOLDER"
    )


def _render(template: str, folder: Path, commit: str, answers: dict[str, Any], *, defaults: bool) -> None:
    from copier import run_copy
    from copier.errors import CopierAnswersInterrupt, CopierError

    from portfolio.core.errors import ConfigError

    try:
        run_copy(template, folder, answers, vcs_ref=commit, defaults=defaults, quiet=True)
    except CopierAnswersInterrupt:
        print("Nothing was changed.")
        raise typer.Exit(1) from None
    except (CopierError, ValueError) as error:
        raise ConfigError(f"{error}. Nothing was changed.") from error


def _take_over(made: Path) -> None:
    """Give this folder the files of the new project, and take away what it does not have."""
    import shutil

    new = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    old = {Path(name) for name in _git("ls-files", "-z").split("\0") if name}
    for path in new:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made / path, path)
    for path in old - new:
        path.unlink(missing_ok=True)
        for folder in path.parents[:-1]:
            if not any(folder.iterdir()):
                folder.rmdir()


def _git(*arguments: str) -> str:
    from portfolio.core.errors import ConfigError

    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = result.stderr.strip().splitlines() or ["git failed"]
        raise ConfigError(
            f"{Path.cwd()} is not in a git repository with a commit ({said[0]}). Make it one: "
            "git init && git add --all && git commit -m start"
        )
    return result.stdout.strip()
