import json
import re
from pathlib import Path

import pytest

from bench.rows import Row, machine, show, write


@pytest.mark.parametrize(
    ("row", "verdict", "aim"),
    [
        (Row("a", 1, "ms"), "", ""),
        (Row("a", 1, "ms", at_most=1), "held", "≤ 1 ms"),
        (Row("a", 1.1, "ms", at_most=1), "missed", "≤ 1 ms"),
        (Row("a", 3.5, "x", at_least=3.5), "held", "≥ 3.5 x"),
        (Row("a", 3.4, "x", at_least=3.5), "missed", "≥ 3.5 x"),
        (Row("a", float("nan"), "x", at_least=3.5), "missed", "≥ 3.5 x"),
    ],
)
def test_a_row_is_judged_by_its_aim(row: Row, verdict: str, aim: str) -> None:
    assert (row.verdict, row.aim) == (verdict, aim)


def test_the_figures_name_their_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("swaps", 200, ""), Row("memory", 3.25, "%", at_most=10)]
    show("title", rows)
    write(tmp_path / "metrics" / "found.json", {"machine": machine(), "rows": [row.as_dict() for row in rows]})
    found = json.loads((tmp_path / "metrics" / "found.json").read_text())
    assert re.match(r"\d+ cores.*, \d+ GiB, .+, Python 3", found["machine"])
    assert found["rows"][1]["verdict"] == "held"
    assert "≤ 10 %" in capsys.readouterr().out
