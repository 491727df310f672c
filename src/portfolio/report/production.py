"""What the monitor found in production, for the report: the newest looks, and what happened meanwhile."""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from portfolio.bundle.store import Store
from portfolio.monitoring.events import looks_of
from portfolio.monitoring.inflow import OUTPUT
from portfolio.monitoring.looks import Look
from portfolio.monitoring.timeline import Moment, timeline

# In the chart, and in each of the tables.
CHARTED, SHOWN = 500, 10
Production = dict[str, Any]


def production(use_case: str) -> Production | None:
    """The looks, the oldest first; the latest at what is served; and the moments.

    None where there is no log with looks, or it can't be read.
    """
    served = Store.of(use_case).served()
    try:
        with looks_of(use_case) as found:
            looks = [] if found is None else found.last(CHARTED + 1)
            events = [] if found is None else found.events(CHARTED)
            latest = None if found is None else found.current(served)
    except SQLAlchemyError as error:
        print(
            f"warning: the report lacks what the monitor found, because the prediction log can't be read: {error}",
            file=sys.stderr,
        )
        return None
    if not looks:
        return None
    moments = timeline(looks[:CHARTED], events, has_earlier=len(looks) > CHARTED)
    return {"looks": looks[CHARTED - 1 :: -1], "latest": latest, "moments": moments}


def told(production: Production, words: dict[str, Any], language: str) -> dict[str, Any]:
    """The same in the words of one language, the newest first."""
    latest: Look = production["latest"]
    return {
        "verdict": words["verdicts"][latest.verdict],
        "is_harmful": latest.verdict == "harmful",
        "reasons": [reason.told(language) for reason in latest.reasons],
        "latest": latest,
        "looks": [
            {
                "end": f"{look.end:%Y-%m-%d %H:%M}",
                "look": look,
                "verdict": words["verdicts"][look.verdict],
                **{kind: _with_interval(look, kind) for kind in ("promised", "estimated", "seen")},
            }
            for look in production["looks"][: -SHOWN - 1 : -1]
        ],
        "moments": [
            {"at": f"{moment.at:%Y-%m-%d %H:%M}", "text": _moment(moment, words)}
            for moment in production["moments"][: -SHOWN - 1 : -1]
        ],
    }


def _with_interval(look: Look, kind: str) -> dict[str, float] | None:
    """The value of 1,000 rows, and the ends of its interval."""
    found = (look.figures.get("yen_per_1000") or {}).get(kind)
    return {"value": found} if isinstance(found, (int, float)) else found


def _moment(moment: Moment, words: dict[str, Any]) -> str:
    text: str = words["moments"].get(moment.kind, moment.kind.replace("_", " "))
    version = "\N{EN DASH}" if moment.model_version is None else moment.model_version
    fields = [words["outputs"] if name == OUTPUT else name for name in moment.figures.get("fields", ())]
    return text.format(version=version, fields=", ".join(fields), batch=moment.figures.get("batch", ""))
