"""The two roads to a project of one's own, `copier copy` and `portfolio init`, and the way of an update to it."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy, run_update
from jinja2 import Environment
from typer.testing import CliRunner

from portfolio.cli.main import app
from portfolio.core.errors import ConfigError
from portfolio.core.paths import ANSWERS
from portfolio.profiling import project
from portfolio.report.blocks.documents import documents, filled
from tests.checkouts import committed, copy_tree, run_in
from tests.workspace import ROOT, USE_CASES

QUESTIONS = yaml.safe_load((ROOT / "copier.yml").read_text())
KEPT = USE_CASES[0]
# A name of each kind that scripts trip over: spaces, Japanese, a word of Python's, quotes, what templates read, length.
TITLE = f'class 家計の "予測" {{{{ x }}}} \\1 {"long " * 16}'.strip()
AUTHOR = "O'Neill & 山田 太郎"
ANSWERED = {
    "title": TITLE,
    "author": AUTHOR,
    "license": "Apache-2.0",
    "github_owner": "yamada-taro",
    "use_cases": [KEPT],
    "language": "ja",
    "deploy": "none",
}
# What a project must not have of its template.
MEASURED = ("metrics", "docs/pictures", "dvc.lock", "studies/dvc.lock", f"champions/{KEPT}.dvc")
CHANGED_DOCS = ("docker", "glossary", "new")
ENGINE = ["src", "tests", "docs", "bench", "serving", "pipelines"]


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def tagged(folder: Path, version: str) -> Path:
    git(committed(folder), "tag", version)
    return folder


def start(folder: Path) -> Path:
    git(folder, "init", "-q", "-b", "main")
    return committed(folder)


def files(folder: Path) -> dict[str, bytes]:
    """What git would take of a folder, by name."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not {".git", ".state"} & {*path.parts})
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if "__pycache__" not in path.parts}


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """Copier has the names of all folders above a file compiled for every file: thousands of times the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", lru_cache(Environment.compile))
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files of this one, as version 1.0.0."""
    folder = copy_tree(tmp_path_factory.mktemp("template") / "template")
    git(folder, "init", "-q", "-b", "main")
    return tagged(folder, "v1.0.0")


@pytest.fixture(scope="module")
def by_default(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("default") / "made"
    run_copy(str(template), folder, defaults=True, quiet=True)
    return folder


@pytest.fixture(scope="module")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project by `copier copy`, with answers of its own."""
    folder = tmp_path_factory.mktemp("made") / "私の class"
    run_copy(str(template), folder, ANSWERED, defaults=True, quiet=True)
    return folder


def test_nothing_of_it_asks_to_be_trusted() -> None:
    assert [name for name in QUESTIONS if name in ("_tasks", "_migrations", "_jinja_extensions")] == []


def test_every_template_stands_beside_the_file_that_it_makes() -> None:
    made_of_nothing = {"{{ _copier_conf.answers_file }}", "LICENSE.engine"}
    assert {path.stem for path in ROOT.glob("*.jinja") if not (ROOT / path.stem).exists()} == made_of_nothing


def test_the_default_answers_give_the_plain_files(
    template: Path, by_default: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte; what is measured is as `portfolio readme` writes it where nothing has been measured."""
    monkeypatch.chdir(by_default)
    new, old = files(by_default), files(template)
    assert ".copier-answers.yml" in new
    for name in set(new) - {".copier-answers.yml"}:
        if name.startswith("README"):
            (by_default / "plain").mkdir(exist_ok=True)
            plain = by_default / "plain" / name
            plain.write_bytes(old[name])
            assert filled(plain).encode() == new[name], name
        else:
            assert new[name] == old[name], name
    dropped = {name for name in set(old) - set(new) if not name.startswith((".copier/", "metrics/", "docs/pictures/"))}
    assert {name for name in dropped if not name.endswith((".jinja", ".dvc"))} == {
        *("copier.yml", "dvc.lock", "studies/dvc.lock", "champions/.gitignore"),
        *("tests/test_template.py", "tests/test_new_project.py"),
    }


def test_a_new_project_has_no_figures_but_its_own(made: Path) -> None:
    assert [name for name in MEASURED if (made / name).exists()] == []
    blocks = re.findall(r"<!-- figures: .*? -->\n(.*?)<!-- /figures -->", (made / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == (ROOT / "README.ja.md").read_text().count("<!-- figures: ")
    assert [block for block in blocks if re.search(r"\d", block)] == []
    assert "docs/pictures" not in (made / "README.md").read_text()


def test_what_was_answered_is_there(made: Path) -> None:
    readme = (made / "README.md").read_text()
    assert f"# {TITLE}\n" in readme
    assert AUTHOR in readme
    assert "https://github.com/yamada-taro/-class/actions/workflows/ci.yml/badge.svg" in readme
    assert "向いている人" not in readme
    assert not (made / "README.ja.md").exists()
    assert "Copyright 2" in (made / "LICENSE").read_text()
    assert AUTHOR in (made / "LICENSE").read_text()
    assert (made / "LICENSE.engine").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert not (made / ".github" / "workflows" / "train-and-deploy.yml").exists()
    assert yaml.safe_load((made / "params.yaml").read_text()) == {"use_cases": [KEPT]}
    for folder in ("use_cases", "configs"):
        assert [path.stem for path in (made / folder).iterdir()] == [KEPT]
    # There are no data here of one whose source makes them up.
    assert {path.name for path in (made / "data").glob("*")} <= {KEPT}


@pytest.mark.parametrize(
    ("answers", "there", "not_there"),
    [
        ({"language": "en", "license": "none"}, "All rights reserved", "README.ja.md"),
        ({"author": "Jane Doe"}, "Copyright (c) 2026 the portfolio authors\nCopyright (c) 2", "LICENSE.engine"),
    ],
)
def test_licences_and_languages(
    template: Path, tmp_path: Path, answers: dict[str, Any], there: str, not_there: str
) -> None:
    run_copy(str(template), tmp_path / "made", answers, defaults=True, quiet=True, exclude=ENGINE)
    made = tmp_path / "made"
    assert there in (made / "LICENSE").read_text()
    assert not (made / not_there).exists()
    assert ("README.ja.md" in (made / "README.md").read_text()) == (made / "README.ja.md").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"title": " "}, "must not be empty"),
        ({"title": "two\nlines"}, "on one line"),
        ({"title": "x" * 201}, "up to 200"),
        ({"author": "two\nlines"}, "on one line"),
        ({"github_owner": "not a name"}, "not the name of an account"),
        ({"github_owner": "me", "repository": "a/b"}, "not the name of a repository"),
        ({"use_cases": []}, "at least one"),
        ({"use_cases": [KEPT, "nonsense"]}, "[Ii]nvalid choice"),
        ({"license": "GPL"}, "[Ii]nvalid choice"),
    ],
)
def test_what_can_not_be_is_said_before_anything_is_written(
    template: Path, tmp_path: Path, answer: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_copy(str(template), tmp_path / "made", answer, defaults=True, quiet=True)
    assert not (tmp_path / "made").exists()


def init(*arguments: str) -> None:
    CliRunner().invoke(app, ["init", *arguments], catch_exceptions=False, standalone_mode=False)


@pytest.fixture
def used(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What "Use this template" gives: the same files, in one commit of another history. The current folder."""
    folder = tmp_path / "私の class"
    folder.mkdir()
    for name, content in files(template).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    monkeypatch.chdir(start(folder))
    return folder


def test_both_roads_lead_to_the_same_project(template: Path, made: Path, used: Path) -> None:
    given = [f"--data={name}={value}" for name, value in ANSWERED.items() if name != "use_cases"]
    init(str(template), "--yes", *given, f"--data=use_cases=[{KEPT}]")
    assert files(used) == files(made)
    committed(used)
    with pytest.raises(ConfigError, match="copier update"):
        init(str(template), "--yes")


def test_init_says_what_is_in_its_way(template: Path, used: Path, tmp_path: Path) -> None:
    before = files(used)
    for arguments, message in (
        ([], "Where is the template"),
        ([str(tmp_path / "nowhere")], "can't be read"),
        ([str(template), "--data=titel=x"], "titel=x.*title, author"),
        ([str(template), "--data=title="], "must not be empty.*Nothing was changed"),
    ):
        with pytest.raises(ConfigError, match=message):
            init(*arguments, "--yes")
    assert files(used) == before
    (used / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match="not committed"):
        init(str(template), "--yes")
    committed(used)
    with pytest.raises(ConfigError, match="comes before any other change"):
        init(str(template), "--yes")
    (used / "copier.yml").unlink()
    with pytest.raises(ConfigError, match=r"no copier\.yml"):
        init(str(template), "--yes")


@pytest.fixture(scope="module")
def moved_on(template: Path, made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A project with files of its owner's changed and a use case added, updated to a next version of the template.

    Gives the project, and what its owner had written, by name.
    """
    start(made)
    rows = random.Random(0)
    table = "\n".join(f"{rows.randrange(20, 70)},{rows.choice('AB')},{rows.choice(['no', 'yes'])}" for _ in range(300))
    csv = tmp_path_factory.mktemp("own") / "shops.csv"
    csv.write_text(f"age,town,bought\n{table}\n")
    run_in(made, "portfolio", "new", "shops", str(csv), "--target", "bought", "--yes")
    own = {
        "README.md": "# Mine\n",
        "LICENSE": "Mine alone\n",
        f"use_cases/{KEPT}/card.yaml": (made / f"use_cases/{KEPT}/card.yaml").read_text() + "# mine\n",
        f"configs/{KEPT}.yaml": (made / f"configs/{KEPT}.yaml").read_text().replace("\n", "  # mine\n", 1),
        ".dvc/config": (made / ".dvc/config").read_text() + "# mine\n",
    }
    for name, text in own.items():
        (made / name).write_text(text)
    # One of the engine's, where the next version changes another place.
    makefile = (made / "Makefile").read_text() + "\nmine:\n\t@echo mine\n"
    (made / "Makefile").write_text(makefile)
    own |= {name: (made / name).read_text() for name in ("params.yaml", "use_cases/shops/use_case.py")}
    committed(made)
    for name in (*own, "docs/glossary.md", "Makefile"):
        if (template / name).exists():
            (template / name).write_text(f"# Version 2.\n{(template / name).read_text()}")
    (template / "docs" / "new.md").write_text("# New\n")
    (template / "docs" / "docker.md").unlink()
    tagged(template, "v2.0.0")
    run_in(made, "copier", "update", "--defaults", "--quiet")
    return made, own


def test_an_update_brings_what_is_the_engines_and_leaves_what_is_yours(moved_on: tuple[Path, dict[str, str]]) -> None:
    project, own = moved_on
    assert {name: (project / name).read_text() for name in own} == own
    assert (project / "docs" / "glossary.md").read_text().startswith("# Version 2.\n")
    assert (project / "docs" / "new.md").exists()
    assert not (project / "docs" / "docker.md").exists()
    makefile = (project / "Makefile").read_text()
    assert makefile.startswith("# Version 2.\n")
    assert makefile.endswith("mine:\n\t@echo mine\n")
    changed = git(project, "status", "--porcelain").splitlines()
    brought = {".copier-answers.yml", "LICENSE.engine", "Makefile", *(f"docs/{name}.md" for name in CHANGED_DOCS)}
    assert {line[3:] for line in changed} == brought
    assert not [line for line in changed if line[:2] in ("UU", "AA", "DU", "UD")]
    assert yaml.safe_load((project / ANSWERS).read_text())["_commit"] == "v2.0.0"


def test_an_update_brings_back_nothing_of_yours_that_you_deleted(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    run_copy(str(template), folder, defaults=True, quiet=True, exclude=ENGINE)
    monkeypatch.chdir(start(folder))
    project.remove(KEPT)
    for name in ("README.ja.md", "LICENSE"):
        Path(name).unlink()
    committed(folder)
    run_update(folder, defaults=True, quiet=True, overwrite=True, exclude=ENGINE)
    assert git(folder, "status", "--porcelain").splitlines() == []


def test_the_updated_project_passes_its_checks(moved_on: tuple[Path, dict[str, str]]) -> None:
    """But for mypy, which looks at the engine alone, and so at what it has looked at here."""
    project, _ = moved_on
    for command in ("ruff check .", "ruff format --check .", "lint-imports --no-cache", "portfolio readme --check"):
        run_in(project, *command.split())
    told = run_in(project, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_contract.py", "-k", "shops")
    assert " passed" in told


def test_its_documents_are_its_readmes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures in docs/ are the template's own records, and come with its updates. A README may have none."""
    monkeypatch.chdir(tmp_path)
    for name in ("README.md", "docs/page.md"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("<!-- figures: use-cases -->\n<!-- /figures -->\n")
    assert documents() == [Path("README.md"), Path("docs/page.md")]
    ANSWERS.write_text("title: mine\n")
    assert documents() == [Path("README.md")]
    Path("README.md").write_text("# Mine\n")
    CliRunner().invoke(app, ["readme", "--check"], catch_exceptions=False, standalone_mode=False)
