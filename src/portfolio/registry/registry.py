"""The registry of a use case: what may be done with the versions of its model.

A bundle is known by its digest, in the registry, in the store and in git; a version's number is the registry's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from portfolio.bundle.manifest import read_manifest
from portfolio.bundle.store import Store
from portfolio.contract.card import LANGUAGES
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.environment import state_folder
from portfolio.core.errors import DataError, RegistryError
from portfolio.core.paths import Paths
from portfolio.evaluation.gate import Approval, Verdict
from portfolio.monitoring.events import note_event
from portfolio.monitoring.looks import Event
from portfolio.registry.agreement import Agreement, Settled
from portfolio.registry.bundles import Bundles
from portfolio.registry.change import Change
from portfolio.registry.decisions import Decision, Decisions
from portfolio.registry.judgement import Judgement
from portfolio.registry.record import Fetch, Record
from portfolio.registry.runs import BUNDLE_DIGEST_TAG, end_lost_runs, log_candidate
from portfolio.registry.tracking import answering, client
from portfolio.registry.versions import Version, Versions

ALREADY_CHAMPION = Verdict.decided(False, "already_champion")


class Registry:
    """The registry of one use case. What changes something holds a lock, so that on one machine it happens alone."""

    def __init__(self, use_case: UseCase, fetch: Fetch | None = None) -> None:
        """`fetch` brings a folder from DVC's remote, and says whether that has it."""
        self._use_case = use_case
        self._name = use_case.name
        self._mlflow = client()
        record = self._record = Record(self._name, fetch)
        versions = self._versions = Versions(self._name, self._mlflow)
        bundles = self._bundles = Bundles(self._name, self._mlflow, versions, Store.of(self._name), record)
        decisions = self._decisions = Decisions(use_case, self._mlflow, versions, bundles, record)
        under_way = state_folder() / "registry" / f"{self._name}.json"
        self._change = Change(self._name, under_way, versions, bundles, decisions, record)
        self._judgement = Judgement(use_case, bundles, decisions)
        self._agreement = Agreement(self._name, versions, bundles, record, self._change)

    def register(self, config: Config) -> int:
        """Log every candidate as a run, and register the best as the challenger. Gives back its version's number.

        The same bundle is registered once. Raises DataError if nothing has been evaluated.
        """
        paths = Paths(self._name)
        try:
            best_folder = paths.best_folder()
        except FileNotFoundError as error:
            raise DataError(
                f"{paths.best} is missing: no model has been evaluated. Run: dvc repro evaluate@{self._name}"
            ) from error
        with self._alone():
            end_lost_runs(self._mlflow, self._name)
            for name, folder in paths.candidates().items():
                recorded = self._record.lineage(read_manifest(folder)[1])
                run_id = log_candidate(self._mlflow, self._use_case, config, name, folder, recorded)
                if folder == best_folder:
                    best_run = run_id
            return self._versions.add(best_folder, best_run)

    def find_champion(self) -> str:
        """Say which champion there is to challenge, which can be told before anything is trained.

        Raises RegistryError if git names one whose bundle could be fetched and was not.
        """
        with self._alone():
            return self._agreement.find()

    def settle(self, number: int) -> Settled:
        """See to it that the store has the registry's champion, and that the registry knows the one that is served.

        A later champion that came with git takes over. Where the registry has lost its champion, the store's stands in,
        or else the one that git names. Raises BundleError if the champion can't be opened, so that version `number`
        can't be compared with it.
        """
        with self._alone():
            return self._agreement.settle(number)

    def promote(self, number: int, *, force: bool = False, approval: Approval = "given") -> Verdict:
        """Make a version champion and publish its bundle, if the gate lets it. The verdict is recorded either way.

        A version is judged once: unless the champion, the data or the limits have changed since, its verdict stands.
        Without an approval, one that the gate lets through is not promoted.
        """
        with self._alone():
            while True:
                self._versions.get(number)
                champion = self._versions.champion if force else self._agreement.settle(number).version
                if force:
                    verdict = Verdict.decided(True, "by_hand")
                elif champion == number:
                    verdict = ALREADY_CHAMPION
                else:
                    verdict = self._judgement.of(number, champion).approved(approval)
                # On a server that others use too, it may have become another one meanwhile.
                if champion == self._versions.champion:
                    break
            last = self._decisions.last(number) if champion == number else None
            if verdict is ALREADY_CHAMPION:
                if last:
                    self._decisions.write(number, last)
            elif verdict.promoted:
                # The champion is published anew. Why it became champion is still what was decided then.
                event = Event("promoted", number, {"before": champion, **_reasons(verdict)})
                decision = last or self._decisions.on(number, verdict)
                self._change.make_champion(number, decision, None if champion == number else event)
            else:
                decision = self._decisions.on(number, verdict)
                if verdict.awaits_approval:
                    self._decisions.write(number, decision)
                else:
                    note = partial(self._note_refused, number, champion, verdict)
                    self._decisions.write(number, decision, before_news=note)
            return verdict

    def rollback(self) -> int:
        """Publish the champion's predecessor again. Gives back its number. Raises RegistryError if there is none."""
        with self._alone():
            champion = self._versions.champion
            if champion is None:
                raise RegistryError(
                    f"'{self._name}' has no champion to roll back from. Train one: portfolio run {self._name}"
                )
            champions = self._versions.champions()
            if set(champions) == {champion}:
                raise RegistryError(
                    f"Version {champion} of '{self._name}' is the first champion: there is none before it."
                )
            rolled_back = set(self._decisions.rolled_back())
            while champions and (champions[-1] == champion or self._versions.identities(champions[-1]) & rolled_back):
                champions.pop()
            if not champions:
                raise RegistryError(
                    f"Every champion of '{self._name}' before version {champion} was rolled back itself. To choose one "
                    f"by hand: portfolio promote {self._name} VERSION --force"
                )
            decision = Decision(Verdict.decided(True, "rollback", version=champion))
            event = Event("rolled_back", champions[-1], {"before": champion})
            self._change.make_champion(champions[-1], decision, event, rolled_back=champion, champions=champions)
            return champions[-1]

    def add_to_store(self, number: int) -> str:
        """Put a version's bundle into the store without naming it there: to pin it, or as a shadow. Its digest."""
        with self._alone():
            return self._bundles.add_to_store(number)

    def number_of(self, digest: str) -> int:
        """The version whose bundle's digest begins so; a bundle that only the store has is registered.

        Raises RegistryError if there is none, or more than one.
        """
        with self._alone():
            found = {version.tags[BUNDLE_DIGEST_TAG] for version in self._versions.all()}
            found = {known for known in found if known.startswith(digest)} or {self._bundles.store.find(digest)[0]}
            if len(found) > 1:
                raise RegistryError(f"More than one bundle of '{self._name}' begins with {digest}: {', '.join(found)}.")
            return self._bundles.registered(*found)

    @answering()
    def versions(self) -> list[Version]:
        """Every registered version, newest first."""
        return self._versions.shown()

    def _note_refused(self, number: int, champion: int | None, verdict: Verdict) -> None:
        """Before that is recorded, and is no news any more. After a kill between, the same event is written anew."""
        same = json.dumps([number, champion, verdict.as_dict()], sort_keys=True)
        event_id = hashlib.sha256(same.encode()).hexdigest()[:32]
        note_event(self._name, Event("refused", number, {"before": champion, **_reasons(verdict)}, event_id=event_id))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = Paths(self._name).lock("registry")
        with files.alone(lock, f"another change of the registry of '{self._name}'"), answering():
            self._change.finish()
            yield


def _reasons(verdict: Verdict) -> dict[str, str]:
    return {f"reason_{language}": verdict.told(language) for language in LANGUAGES}
