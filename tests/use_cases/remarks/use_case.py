"""Was the guest content? A use case for tests alone: texts in two languages, some missing, and two classes.

remark   "the Bath was good 2泊", or missing
mood     "content"
"""

from datetime import date, timedelta
from typing import Any

from portfolio.contract import Classes, FreeText, Source, Text

FIRST_DAY = date(2026, 1, 5)
DAYS = 3
ROWS_PER_DAY = 250
GOOD = ("good", "Ｇｏｏｄ", "最高", "素晴らしい", "great")
BAD = ("bad", "BAD", "最悪", "ひどい", "awful")
REST = ("the bath", "朝食", "ﾍﾞｯﾄﾞ", "staff", "was", "でした", "2泊", "#1", "\n", "😀")
MAX_LENGTH = 40


class Remarks(Source):
    """The same remarks every time: each day has its own seed."""

    def dates(self) -> list[date]:
        return [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]

    def read(self, days: list[date]) -> dict[date, Any]:
        return {day: remarks(day) for day in days}


def remarks(day: date) -> Any:
    import numpy as np
    import polars as pl

    random = np.random.default_rng(day.day)
    moods, texts = [], []
    for number in range(ROWS_PER_DAY):
        content = bool(random.integers(0, 2))
        words = [str(random.choice(GOOD if content else BAD)), *map(str, random.choice(REST, random.integers(0, 5)))]
        random.shuffle(words)
        moods.append("content" if content else "cross")
        texts.append(None if number % 40 == 0 else " ".join(words)[:MAX_LENGTH])
    return pl.DataFrame({"remark": texts, "mood": moods})


class RemarksUseCase(Text):
    source = Remarks()
    target = Classes("mood", ["content", "cross"])
    inputs = [FreeText("remark", MAX_LENGTH, missing=True)]

    def candidates(self) -> dict[str, Any]:
        return {"logistic_regression": super().candidates()["logistic_regression"]}
