from pathlib import Path

import pytest
from typer.testing import CliRunner

from portfolio.cli.main import app
from portfolio.cli.state import IRREPLACEABLE


@pytest.fixture
def state(workspace: Path) -> Path:
    for name in (*IRREPLACEABLE, "demo", "logs"):
        (workspace / ".state" / name).mkdir(parents=True)
        (workspace / ".state" / name / "file").write_text("content")
    return workspace / ".state"


def names(state: Path) -> set[str]:
    return {path.name for path in state.iterdir()}


@pytest.mark.parametrize("typed", ["\n", "y\n", "yes\n", "Delete\n", ""])
def test_nothing_is_deleted_unless_the_word_is_typed(typed: str, state: Path) -> None:
    result = CliRunner().invoke(app, ["clean-state"], input=typed)
    assert result.exit_code == 1
    assert names(state) == {*IRREPLACEABLE, "demo", "logs"}
    for name, description in IRREPLACEABLE.items():
        assert name in result.output
        assert description.split()[0] in result.output


@pytest.mark.parametrize(("options", "typed"), [([], "delete\n"), (["--yes"], "")])
def test_what_was_shown_is_deleted(options: list[str], typed: str, state: Path) -> None:
    result = CliRunner().invoke(app, ["clean-state", *options], input=typed)
    assert result.exit_code == 0, result.output
    assert names(state) == {"demo", "logs"}


def test_where_there_is_nothing_nothing_is_asked(workspace: Path) -> None:
    result = CliRunner().invoke(app, ["clean-state"])
    assert result.exit_code == 0
    assert "nothing to delete" in result.output
