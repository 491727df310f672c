"""A project that was made from this repository, with answers of its own, works as this one does."""

from __future__ import annotations

from pathlib import Path

import pytest
from copier import run_copy

from tests.checkouts import MADE, copy_tree, make_in, repository
from tests.test_template import ANSWERED


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By `copier copy`, and the commit that Copier then names."""
    folder = tmp_path_factory.mktemp("new") / "私の class"
    template = repository(copy_tree(tmp_path_factory.mktemp("template")))
    run_copy(str(template), folder, ANSWERED, defaults=True, quiet=True, vcs_ref="HEAD")
    return repository(folder)


@pytest.mark.copy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", MADE)
def test_make_target_works(project: Path, first_shell: dict[str, str], target: str) -> None:
    """For as long as it takes. What the target prints is seen as it comes."""
    make_in(project, target, first_shell)
