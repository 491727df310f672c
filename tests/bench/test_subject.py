"""What the benches measure: whatever use case comes first in params.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.subject import champion, image_champion, image_of, one_message
from portfolio.bundle.store import Store
from portfolio.contract import Classes, Image, Number, Quantity
from portfolio.core.errors import ConfigError, RegistryError
from tests.tiny import tiny_bundle

IMAGE = Image("ink", 4, 4, maximum=1)
CLASSES = Classes("shape", ["round", "square"]).output


@pytest.fixture
def first_use_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the tiny bundle's use case, which params.yaml names first."""
    name = tiny_bundle(tmp_path / "tiny").manifest.use_case
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / "state"))
    (tmp_path / "params.yaml").write_text(f"use_cases: [{name}, another]\n")
    return name


def test_the_champion_of_the_first_use_case_is_measured(first_use_case: str, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "one", version=1)
    digest = Store.of(first_use_case).publish(bundle.folder, bundle.manifest).digest
    assert image_champion().digest == digest


def test_without_a_champion_the_remedy_is_said(first_use_case: str) -> None:
    with pytest.raises(RegistryError, match=f"Train one: make run USE_CASE={first_use_case}"):
        champion(first_use_case)


def test_an_image_classifier_is_told_from_other_use_cases() -> None:
    assert image_of("shapes", [IMAGE], CLASSES) == IMAGE
    others = [
        ([Number("weight", 0, 1)], CLASSES),
        ([IMAGE, Number("weight", 0, 1)], CLASSES),
        ([IMAGE], Quantity("area").output),
    ]
    for inputs, output in others:
        with pytest.raises(ConfigError, match=r"one image as its input .* 'melons', .* Put an image classifier first"):
            image_of("melons", inputs, output)


def test_a_mistake_ends_with_its_message_alone() -> None:
    with pytest.raises(SystemExit) as ended, one_message():
        raise ConfigError("what and why")
    assert ended.value.code == "what and why"
