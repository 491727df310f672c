"""A change of champion: in the registry, for git and in the store. All of it happens, or nothing."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from portfolio.core import files
from portfolio.core.errors import BundleError, RegistryError
from portfolio.evaluation.gate import Verdict
from portfolio.monitoring.events import note_event
from portfolio.monitoring.looks import Event
from portfolio.registry.bundles import Bundles
from portfolio.registry.decisions import Decision, Decisions
from portfolio.registry.record import Record
from portfolio.registry.versions import ROLLED_BACK_TAG, Versions


@dataclass(frozen=True)
class Change:
    """Changes the champion of one use case."""

    use_case: str
    path: Path
    """What is being changed: written before anything is, and deleted after."""
    versions: Versions
    bundles: Bundles
    decisions: Decisions
    record: Record

    def make_champion(
        self,
        number: int,
        decision: Decision | None = None,
        event: Event | None = None,
        *,
        rolled_back: int | None = None,
        champions: list[int] | None = None,
    ) -> None:
        """Make a version champion, and note that by `event`.

        `rolled_back` is the version that it replaces for a reason that no metric shows. `champions` are those up to and
        with this one; without them, this one is a new one.
        """
        # What can fail because a file is missing or damaged fails here, before anything has changed.
        digest = self.bundles.add_to_store(number)
        before = self.versions.champion
        if champions is None:
            champions = self.versions.champions()
            champions = champions if champions[-1:] == [number] else [*champions, number]
        # What git names already was chosen when git says, by whoever did.
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        since = self.record.since if self.record.champion == digest else now
        change = {
            "number": number,
            "before": before,
            "rolled_back": rolled_back,
            "history": champions,
            "verdict": decision and decision.verdict.as_dict(),
            "asked": decision and decision.asked,
            "event": event and {**asdict(event), "at": event.at.isoformat()},
        }
        with ExitStack() as undo:
            undo.callback(self.path.unlink, missing_ok=True)
            files.write_text(self.path, json.dumps(change))
            if rolled_back is not None:
                # Or the next run would promote it again.
                difference = self.versions.difference(rolled_back, number)
                self.versions.tag(rolled_back, ROLLED_BACK_TAG, difference, undo)
            for version in self.versions.all():
                if version.tags.get(ROLLED_BACK_TAG) in self.versions.identities(number):
                    self.versions.tag(int(version.version), ROLLED_BACK_TAG, None, undo)
            self.versions.name_champion(number, champions, since, undo)
            if before is not None:
                undo.callback(self._keep, before)
            self._keep(number)
            if decision is not None:
                self.decisions.write(number, decision, undo)
            # What is served changes last.
            self.bundles.store.name_champion(digest, number)
            undo.pop_all()
        if event is not None:
            note_event(self.use_case, event)
        self.path.unlink()

    def finish(self) -> None:
        """Do again what a kill cut off: it had been decided, and any part of it may have been done."""
        try:
            change = json.loads(self.path.read_text())
        except FileNotFoundError:
            return
        # Unless another machine has made another version champion since.
        if self.versions.champion in (change["before"], change["number"]):
            decision = change["verdict"] and Decision(Verdict.from_dict(change["verdict"]), change["asked"])
            # The same event: if it is noted already, it is written anew.
            event = change.get("event")
            event = event and Event(**{**event, "at": datetime.fromisoformat(event["at"])})
            with suppress(BundleError, RegistryError):
                self.make_champion(
                    change["number"], decision, event, rolled_back=change["rolled_back"], champions=change["history"]
                )
        self.path.unlink(missing_ok=True)

    def _keep(self, number: int) -> None:
        with self.bundles.folder(number) as folder:
            self.record.keep(folder)
