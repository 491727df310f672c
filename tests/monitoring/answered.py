"""A prediction log of the toy use case, as a server would have written it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from portfolio.bundle.bundle import write_bundle
from portfolio.bundle.manifest import Lineage, Manifest, Reference, read_manifest
from portfolio.bundle.policy import Policy, Prices
from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.core.environment import state_folder
from portfolio.monitoring.prediction_log.log import PredictionLog
from portfolio.monitoring.prediction_log.tables import predictions
from tests.tiny import MADE, ZEROS
from tests.workspace import TOY

PERSON, AUDITED, NOBODY = (False, 1.0), (True, 0.02), (True, 0.0)
"""Whether the machine answered, and the probability with which the label was asked for."""
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def address() -> str:
    return f"sqlite:///{state_folder() / 'log' / f'{TOY}.db'}"


def bundle_in_store(folder: Path) -> str:
    """Put a manifest of the toy's fields into its store, and give back its digest."""
    case = load_use_case(TOY)
    manifest = Manifest(
        use_case=TOY,
        candidate="tiny",
        inputs=tuple(case.inputs),
        output=case.output,
        policy=Policy(prices=Prices(by_hand_yen=10, check_yen=4, error_yen=50), audit_share=0.02),
        reference={
            "weight": Reference(shares=(1.0,), missing_share=0.1, low=0.5, high=3.0),
            "colour": Reference(categories=("green", "yellow"), shares=(0.5, 0.5), missing_share=0),
        },
        golden_inputs={"weight": [[1.0]], "colour": [["green"]]},
        golden_outputs=[[0.5, 0.5]],
        lineage=Lineage(trained=MADE, evaluated=MADE, data_sha256=ZEROS, model_version=1),
        model_sha256=ZEROS,
    )
    write_bundle(folder, b"", manifest)
    digest = read_manifest(folder)[1]
    write_bundle(Store.of(TOY).bundle_folder(digest), b"", manifest)
    return digest


class Answered:
    """Adds answers and labels to the toy's log. An answer is of one melon: its weight, its colour, P(ripe)."""

    def __init__(self, digest: str) -> None:
        self._digest = digest
        self._log = PredictionLog(address())

    def add(
        self,
        melons: Sequence[tuple[float | None, str]],
        labels: Sequence[str],
        *,
        ripe: float = 0.95,
        asked: tuple[bool, float] = AUDITED,
        request_id: str = "",
        at: datetime = START,
    ) -> list[str]:
        """One request for each melon, a minute apart; or one for all, if it has an id. Gives back the ids."""
        if request_id:
            self._request(request_id, melons, labels, ripe, asked, at)
            return [request_id]
        ids = [uuid4().hex for _ in melons]
        for number, (name, melon, label) in enumerate(zip(ids, melons, labels, strict=True)):
            self._request(name, [melon], [label], ripe, asked, at + timedelta(minutes=number))
        return ids

    def correct(self, request_id: str, label: str) -> None:
        self._log.add_labels([self._label(request_id, 0, label, 0.5, START + timedelta(days=1))], corrections=(0,))

    def close(self) -> None:
        self._log.close()

    def _request(
        self,
        name: str,
        melons: Sequence[tuple[float | None, str]],
        labels: Sequence[str],
        ripe: float,
        asked: tuple[bool, float],
        at: datetime,
    ) -> None:
        by_machine, probability = asked
        row = {
            "request_id": name,
            "answered_at": at,
            "protocol": "predict",
            "model_version": 1,
            "digest": self._digest,
            "rows": len(melons),
            "inputs": json.dumps({"weight": [[m[0]] for m in melons], "colour": [[m[1]] for m in melons]}),
            "outputs": json.dumps([[1 - ripe, ripe]] * len(melons)),
            "by_machine": json.dumps([by_machine] * len(melons)),
            "asked": json.dumps([probability] * len(melons)),
            "callers_id": None,
        }
        self._log.append(predictions, [row])
        self._log.add_labels([self._label(name, place, label, ripe, at) for place, label in enumerate(labels)])

    @staticmethod
    def _label(name: str, row: int, label: str, ripe: float, at: datetime) -> dict[str, Any]:
        right = label == ("ripe" if ripe >= 0.5 else "unripe")
        return {"request_id": name, "row": row, "label": json.dumps(label), "right": right, "received_at": at}
