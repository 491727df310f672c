"""What `make pictures` needs is said before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import pictures
from portfolio.core.errors import RegistryError


@pytest.mark.usefixtures("workspace")
def test_without_a_champion_it_says_what_to_run() -> None:
    with pytest.raises(RegistryError, match=r"No champion of 'toy' .* make run USE_CASE=toy$"):
        pictures.main("toy")
    assert not Path("docs").exists()
