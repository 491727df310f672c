"""The documentation as a site: what it lists is there, what is there is listed, and links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workspace import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]


def listed(items: list[Any]) -> Iterator[str]:
    for item in items:
        for value in item.values():
            if isinstance(value, str):
                yield value
            else:
                yield from listed(value)


def anchors(page: Path) -> set[str]:
    """The names by which its headings are linked to, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_site_lists_every_page_once() -> None:
    names = list(listed(SITE["nav"]))
    assert len(names) == len(set(names))
    assert set(names) == {path.relative_to(DOCS).as_posix() for path in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_links_to_headings_lead_there(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
        assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_no_page_needs_what_the_site_has_not(page: Path) -> None:
    """A link out of docs/ would lead nowhere on the site."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).resolve().is_relative_to(DOCS)] == []
