"""Labels that differ for a program only."""

from __future__ import annotations

from pathlib import Path

import pytest

from portfolio.profiling.look_alikes import alike
from tests.profiling.made import PLAIN, ROWS, csv_text, drafted


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["yes", "YES", "Yes", "no"], ["'YES' and 'Yes' look like 'yes'"]),
        (["no", "n\u043e"], ["'n\u043e' (with CYRILLIC SMALL LETTER O) looks like 'no'"]),
        (["да", "ДА", "нет"], ["'ДА' looks like 'да'"]),
        (["はい", "ハイ", "ﾊｲ", "いいえ"], ["'ハイ' and 'ﾊｲ' look like 'はい'"]),
        (["Yes", "\uff39\uff45\uff53"], ["'\uff39\uff45\uff53' looks like 'Yes'"]),
        (["New York", "New  York"], ["'New  York' looks like 'New York'"]),
        (["yes", "yeast", "no", "はい", "ばい", "1", "10", "A+", "A-"], []),
    ],
)
def test_what_looks_like_another_label_is_named_beside_it(labels: list[str], said: list[str]) -> None:
    found = alike({label: 100 - place for place, label in enumerate(labels)})
    assert [each.split(" written otherwise")[0] for each in found] == said


def test_a_draft_names_them_for_the_target_and_for_inputs(tmp_path: Path) -> None:
    answers = ["yes" if row % 2 else "no" for row in range(ROWS - 1)]
    towns = ["Osaka" if row % 3 else "Nara" for row in range(ROWS - 2)]
    found = drafted(tmp_path, csv_text({**PLAIN, "town": [*towns, "OSAKA", "OSAKA"], "bought": [*answers, "YES"]}))
    assert "'bought': 'YES' looks like 'yes' written otherwise: make them one in the file." in found.notes
    assert "'town': 'OSAKA' looks like 'Osaka' written otherwise: make them one in the file." in found.notes
