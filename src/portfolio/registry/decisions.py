"""What was decided of each version, by the gate or by a person: in MLflow, and in the record that git keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from portfolio.contract.use_case import UseCase
from portfolio.core.errors import RegistryError
from portfolio.data.dataset import data_sha256
from portfolio.evaluation.gate import Verdict
from portfolio.registry.bundles import Bundles
from portfolio.registry.record import Record
from portfolio.registry.runs import BUNDLE_DIGEST_TAG
from portfolio.registry.versions import ROLLED_BACK_TAG, VERDICT_TAG, Versions

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# On a version that was judged: by the model of the champion that it challenged, each time.
TRIES_TAG = "tries"
# In the run of a version that was judged.
VERDICT_ARTIFACT = "gate/verdict.json"


class Try(NamedTuple):
    """One comparison with a champion: which it is of all with that champion, and on how many test rows."""

    number: int
    rows: int

    @classmethod
    def read(cls, written: int | list[int]) -> Try:
        """Of the oldest records, which have only the rows, the order is not known: they come first."""
        return cls(0, written) if isinstance(written, int) else cls(*written)


@dataclass(frozen=True)
class Decision:
    """`asked` is what the gate was asked; None if a person decided, or if there was nothing to compare."""

    verdict: Verdict
    asked: dict[str, Any] | None = None


@dataclass(frozen=True)
class Decisions:
    """The decisions of one use case."""

    use_case: UseCase
    mlflow: MlflowClient
    versions: Versions
    bundles: Bundles
    record: Record

    def asked(self, number: int) -> dict[str, Any]:
        """What the gate's verdict on a version depends on: as long as it is the same, the verdict stands."""
        champion, config = self.versions.champion, self.use_case.config()
        return {
            "challenger": self.versions.digest(number),
            "champion": None if champion is None else self.versions.behavior(champion),
            "data_sha256": data_sha256(self.use_case),
            "gate": config.gate.model_dump(mode="json"),
            "value": config.value.model_dump(mode="json"),
        }

    def on(self, number: int, verdict: Verdict) -> Decision:
        return Decision(verdict, self.asked(number) if _is_judged(verdict) else None)

    def last(self, number: int) -> Decision | None:
        """What was decided of a version last, here or by whoever committed it."""
        found = self.record.read()
        if found.get("digest") != self.versions.digest(number):
            found = {}
            if VERDICT_TAG in self.versions.get(number).tags:
                with suppress(RegistryError), self.bundles.copied(number, VERDICT_ARTIFACT) as path:
                    found = dict(json.loads(path.read_text()))
        if not found:
            return None
        verdict = Verdict.from_dict(found)
        return Decision(verdict, found["asked"] if _is_judged(verdict) else None)

    def write(
        self,
        number: int,
        decision: Decision,
        undo: ExitStack | None = None,
        before_news: Callable[[], None] = lambda: None,
    ) -> None:
        """Record what was decided of a version: in MLflow, and where git and the report find it.

        What is no news stays as git has it. `before_news` is called before what is news is recorded.
        """
        before, champion = self.record.read(), self.versions.champion
        now = {
            **decision.verdict.as_dict(),
            "digest": self.versions.digest(number),
            "champion": None if champion is None else self._named(champion),
            "rolled_back": self.rolled_back(),
            "tries_by_challenger": self.tries(),
        }
        if all(before.get(key) == value for key, value in json.loads(json.dumps(now)).items()):
            # Also if another registry gave it another number: what git has of it stands.
            return
        before_news()
        lineage = self.bundles.manifest(number).lineage
        run_id = str(lineage.mlflow_run_id)
        record = {
            "version": number,
            **now,
            "asked": decision.asked,
            "lineage": lineage.model_dump(mode="json"),
            "run_id": run_id,
            "experiment_id": self.mlflow.get_run(run_id).info.experiment_id,
        }
        self.mlflow.log_dict(run_id, record, VERDICT_ARTIFACT)
        self.versions.tag(number, VERDICT_TAG, decision.verdict.reason, undo)
        if undo is not None:
            undo.callback(self.record.write, before)
        self.record.write(record)

    def count_try(self, number: int, against: str, rows: int) -> None:
        """Note that a version was compared with the champion that has this model, on so many test rows."""
        own = self.tries().get(against, {}).get(self.versions.digest(number), [])
        last = max((tried.number for tried in self._tries_of(against)), default=0)
        counted = json.loads(self.versions.get(number).tags.get(TRIES_TAG, "{}"))
        self.versions.tag(number, TRIES_TAG, json.dumps({**counted, against: [*own, Try(last + 1, rows)]}))

    def earlier(self, against: str) -> list[int]:
        """The test rows of each comparison with the champion that has this model, in the order in which they were made.

        In another order, the gate would give two of them the same share of its error rate.
        """
        return [tried.rows for tried in sorted(self._tries_of(against), key=lambda tried: tried.number)]

    def _tries_of(self, against: str) -> list[Try]:
        return [Try.read(written) for times in self.tries().get(against, {}).values() for written in times]

    def tries(self) -> dict[str, dict[str, list[int | list[int]]]]:
        """By the model of the champion that was challenged, by the challenger's digest: each try, as it was written.

        Whoever shares the registry, or the repository, has tried the same rows; what both have seen counts once.
        """
        tries: dict[str, dict[str, list[int | list[int]]]] = self.record.read().get("tries_by_challenger", {})
        for version in reversed(self.versions.all()):
            for against, here in json.loads(version.tags.get(TRIES_TAG, "{}")).items():
                challengers, digest = tries.setdefault(against, {}), version.tags[BUNDLE_DIGEST_TAG]
                challengers[digest] = max(challengers.get(digest, []), here, key=len)
        return tries

    def rolled_back(self) -> list[str]:
        """What was rolled back, here or by whoever committed it: it does not come back without a person."""
        here = {version.tags[ROLLED_BACK_TAG] for version in self.versions.all() if ROLLED_BACK_TAG in version.tags}
        elsewhere = set(self.record.read().get("rolled_back", []))
        champion = self.versions.champion
        # Whoever promotes one by hand takes that back.
        return sorted((here | elsewhere) - (set() if champion is None else self.versions.identities(champion)))

    def _named(self, number: int) -> dict[str, Any]:
        """What git says of the champion, the same in every registry."""
        digest, since = self.versions.digest(number), self.versions.champion_since
        lineage = self.record.lineage(digest) or self.bundles.manifest(number).lineage
        lineage = lineage.model_copy(update={"mlflow_run_id": None, "model_version": None})
        # Of one that an earlier version of this project chose, the time is not known.
        return {"digest": digest, "lineage": lineage.model_dump(mode="json"), **({"since": since} if since else {})}


def _is_judged(verdict: Verdict) -> bool:
    """Whether the gate compared something: only such a verdict may stand."""
    return verdict.checks[0].name != "decision"
