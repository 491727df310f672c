"""Tables in Markdown."""

from __future__ import annotations

from typing import Any

from portfolio.report.words import number, read_words


def table(heads: list[str]) -> list[str]:
    return [table_row(*heads), f"| --- |{' ---: |' * (len(heads) - 1)}"]


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def measured(items: dict[str, list[dict[str, Any]]], command: str, machine: str, language: str) -> str:
    """Rows with their aims, of one item or of several that have names."""
    words = read_words(language)
    lines = table([words["what"], words["measured"], words["aim"]])
    for item, rows in items.items():
        for row in rows:
            bounds = (("\N{LESS-THAN OR EQUAL TO}", row["at_most"]), ("\N{GREATER-THAN OR EQUAL TO}", row["at_least"]))
            aims = " ".join(f"{sign} {number(bound)}" for sign, bound in bounds if bound is not None)
            name = f"{item}: {row['name']}" if item else row["name"].strip()
            aim = f"{aims}: {words[row['verdict']]}" if aims else ""
            lines.append(table_row(name, f"{number(row['value'])} {row['unit']}".strip(), aim))
    return "\n".join([*lines, "", words["bench_text"].format(command=f"`{command}`", machine=machine)])
