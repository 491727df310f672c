"""The texts of a use case, in one language or in more."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from portfolio.contract.card import LANGUAGES, REQUIRED, read_card
from portfolio.core.errors import ConfigError


def card(folder: Path, **changes: object) -> dict[str, dict[str, str]]:
    content = {**{key: f"The {key}." for key in REQUIRED}, **changes}
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump({key: text for key, text in content.items() if text}, allow_unicode=True))
    return read_card(path, "bought", ["age", "人口"])


def test_one_language_is_enough(tmp_path: Path) -> None:
    found = card(tmp_path)
    assert set(found) == set(LANGUAGES)
    assert found["en"] == found["ja"]
    assert found["en"]["title"] == "The title."


@pytest.mark.parametrize("given", LANGUAGES)
def test_a_language_that_a_text_lacks_falls_back_on_the_other(tmp_path: Path, given: str) -> None:
    found = card(tmp_path, title={given: "その題"})
    assert {texts["title"] for texts in found.values()} == {"その題"}


def test_each_language_has_its_own_text_where_there_is_one(tmp_path: Path) -> None:
    found = card(tmp_path, title={"en": "Houses", "ja": "住宅"})
    assert (found["en"]["title"], found["ja"]["title"]) == ("Houses", "住宅")


def test_fields_and_the_output_are_named_as_in_the_data_unless_the_card_names_them(tmp_path: Path) -> None:
    found = card(tmp_path, **{"field.age": {"en": "age (years)", "ja": "年齢"}})
    assert (found["en"]["field.age"], found["ja"]["field.age"]) == ("age (years)", "年齢")
    assert (found["en"]["field.人口"], found["ja"]["output"]) == ("人口", "bought")


def test_the_lines_of_a_japanese_text_are_joined_without_a_space(tmp_path: Path) -> None:
    card(tmp_path)
    path = tmp_path / "card.yaml"
    path.write_text(path.read_text() + "output: {ja: 家の\n  値段 (USD)}\n")
    assert read_card(path, "bought", [])["ja"]["output"] == "家の値段 (USD)"


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_text_is_named_with_what_it_should_say(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        card(tmp_path, **{key: None})
    assert f"card.yaml lacks {key} ({REQUIRED[key]})" in str(caught.value)


@pytest.mark.parametrize("key", ["tilte", "field.hieght", "field"])
def test_a_text_of_nothing_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"there is no {key}\. There are: title, .*field\.age"):
        card(tmp_path, **{key: "x"})


@pytest.mark.parametrize("text", [12, ["a"], {"fr": "x"}, {"en": " "}, {"en": 3}, True])
def test_what_is_no_text_is_named(tmp_path: Path, text: object) -> None:
    with pytest.raises(ConfigError, match=r"title must be a text, or a text for some of the languages en, ja"):
        card(tmp_path, title=text)


@pytest.mark.parametrize("content", ["title: [", "- a\n", "", "just text"])
def test_a_file_that_is_no_card_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"card\.yaml (is not valid YAML|must hold texts by key)"):
        read_card(path, "bought", [])
