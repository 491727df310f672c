"""What the operator's page shows of the monitor, as JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from portfolio.monitoring.looks import Look
from portfolio.monitoring.timeline import Moment, drifted_fields
from serving.runtime.served import ServedModel

LANGUAGES = ("en", "ja")
ABOUT = {"candidate", "card", "inputs", "output"}
# An example of a picture is long.
LEFT_OUT: Any = {"inputs": {"__all__": {"example"}}}
# Of each look; the newest one has all.
OVER_TIME = ("yen_per_1000", "quality", "machine_share")


class Overview(NamedTuple):
    tag: str
    """The same as long as there is nothing new."""
    body: bytes


def body(looks: list[Look], moments: list[Moment], served: ServedModel | None, use_case: str) -> bytes:
    """`looks` come the newest first, and are shown the oldest first."""
    model = None
    if served is not None:
        model = {**served.name, **served.bundle.manifest.model_dump(include=ABOUT, exclude=LEFT_OUT)}
    of_served = [look for look in looks if served is not None and look.digest == served.bundle.digest]
    latest = next(iter(of_served or looks), None)
    return orjson.dumps(
        {
            "latest": None if latest is None else _whole(latest),
            "looks": [_point(look) for look in reversed(looks)],
            "events": [moment._asdict() for moment in moments],
            "model": model,
            "use_case": use_case,
        }
    )


def _whole(look: Look) -> dict[str, Any]:
    reasons = [
        {
            "finding": reason.finding,
            "figures": reason.figures,
            "told": {language: reason.told(language) for language in LANGUAGES},
        }
        for reason in look.reasons
    ]
    # What only the next look needs is of no use here, and may be long.
    figures = {name: figure for name, figure in look.figures.items() if name != "state"}
    return {**_point(look), "start": look.start, "looked_at": look.looked_at, "reasons": reasons, "figures": figures}


def _point(look: Look) -> dict[str, Any]:
    return {
        "end": look.end,
        "model_version": look.model_version,
        "digest": look.digest,
        "verdict": look.verdict,
        "rows": look.rows,
        "labels": look.labels,
        "drifted": drifted_fields(look),
        **{name: look.figures.get(name) for name in OVER_TIME},
    }
