"""MLflow's registry: versions of a use case's model, with the aliases `champion` and `challenger`.

A bundle is known by its digest, in the registry, in the store and in git; a version's number is the registry's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import NOT_IDENTITY, Lineage, Manifest, behavior_sha256, read_manifest
from portfolio.bundle.policy import Policy
from portfolio.bundle.store import Champion, Store
from portfolio.contract.config import Config, Value
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.environment import state_folder
from portfolio.core.errors import BundleError, DataError, RegistryError
from portfolio.core.paths import Paths
from portfolio.data.dataset import data_sha256
from portfolio.evaluation.gate import Verdict, judge
from portfolio.registry.record import Fetch, Record
from portfolio.registry.tracking import (
    BUNDLE_DIGEST_TAG,
    MODEL_SHA256_TAG,
    answering,
    client,
    lineage_of,
    log_bundle,
    log_candidate,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

Answer = TypeVar("Answer")
CHAMPION = "champion"
CHALLENGER = "challenger"
ROLLED_BACK_TAG = "rolled_back"
VERDICT_TAG = "verdict"
BEHAVIOR_TAG = "behavior_sha256"
# On a version that was judged: by the model of the champion that it challenged, the test rows of each time.
TRIES_TAG = "tries"
# On the model: the versions that were champion, the oldest first; the last one is champion now.
CHAMPIONS_TAG = "champions"
MAX_CHAMPIONS = 100
# In the run of a version that was judged.
VERDICT_ARTIFACT = "gate/verdict.json"
ALREADY_CHAMPION = Verdict.decided(False, "already_champion")
# What was decided of a version, and what the gate was asked, if it was.
Decision = tuple[Verdict, dict[str, Any] | None]


@dataclass(frozen=True)
class Version:
    """One registered version, as `portfolio models` shows it."""

    number: int
    aliases: tuple[str, ...]
    candidate: str
    digest: str
    metrics: dict[str, float]
    verdict: str


@dataclass(frozen=True)
class Settled:
    """The champion that the registry, the store and git agree on. `finding` says how they came to."""

    version: int | None
    finding: str


class Registry:
    """The registry of one use case. What changes something holds a lock, so that on one machine it happens alone."""

    def __init__(self, use_case: UseCase, fetch: Fetch | None = None) -> None:
        """`fetch` brings a folder from DVC's remote, and says whether that has it."""
        self._use_case = use_case
        self._name = use_case.name
        self._mlflow = client()
        self._store = Store.of(use_case.name)
        self._record = Record(use_case.name, fetch)
        # What is being changed: written before anything is, and deleted after.
        self._change_path = state_folder() / "registry" / f"{use_case.name}.json"

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
            for name, folder in paths.candidates().items():
                recorded = self._record.lineage(read_manifest(folder)[1])
                run_id = log_candidate(self._mlflow, self._use_case, config, name, folder, recorded)
                if folder == best_folder:
                    best_run = run_id
            return self._version_of(best_folder, best_run)

    def settle(self, number: int) -> Settled:
        """See to it that the store has the registry's champion, and that the registry knows the one that is served.

        Where the registry has lost its champion, the store's stands in, or else the one that git names: what is served
        is never replaced by something worse because a record is missing. Raises BundleError if the champion can't be
        opened, so that version `number` can't be compared with it.
        """
        with self._alone():
            return self._settle(number)

    def find_champion(self) -> str:
        """Say which champion there is to challenge, which can be told before anything is trained.

        Raises RegistryError if git names one whose bundle could be fetched and was not.
        """
        with self._alone():
            if self._champion_number() is not None or self._store.champion_path.exists():
                return "there is one"
            recorded = self._record.champion
            if recorded is None:
                return "none yet"
            if self._known(recorded) or self._record.bundle() is not None:
                return f"bundle {recorded[:12]} of git"
            return _nowhere(recorded)

    def promote(self, number: int, *, force: bool = False) -> Verdict:
        """Make a version champion and publish its bundle, if the gate lets it. The verdict is recorded either way.

        A version is judged once: unless the champion, the data or the limits have changed since, its verdict stands.
        """
        with self._alone():
            while True:
                verdict, champion = self._forced(number) if force else self._judged(number)
                # On a server that others use too, it may have become another one meanwhile.
                if champion == self._champion_number():
                    break
            if verdict is ALREADY_CHAMPION:
                return verdict
            decision = verdict, self._asked(number) if _is_judged(verdict) else None
            if verdict.promoted:
                if champion == number:
                    # It is published anew. Why it became champion is still what was decided then.
                    decision = self._decided(number) or decision
                self._make_champion(number, decision)
            else:
                self._write_record(number, decision)
            return verdict

    def rollback(self) -> int:
        """Publish the champion's predecessor again. Gives back its number. Raises RegistryError if there is none."""
        with self._alone():
            champion = self._champion_number()
            if champion is None:
                raise RegistryError(
                    f"'{self._name}' has no champion to roll back from. Train one: portfolio run {self._name}"
                )
            history = self._history()
            earlier = [number for number in history if number != champion]
            if not earlier:
                raise RegistryError(
                    f"Version {champion} of '{self._name}' is the first champion: there is none before it."
                )
            rolled_back = set(self._rolled_back())
            while history and (history[-1] == champion or self._does(history[-1]) & rolled_back):
                history.pop()
            if not history:
                raise RegistryError(
                    f"Every champion of '{self._name}' before version {champion} was rolled back itself. To choose one "
                    f"by hand: portfolio promote {self._name} VERSION --force"
                )
            decision = Verdict.decided(True, "rollback", version=champion), None
            self._make_champion(history[-1], decision, rolled_back=champion, history=history)
            return history[-1]

    def add_to_store(self, number: int) -> str:
        """Put a version's bundle into the store without naming it there: to pin it, or as a shadow. Its digest."""
        with self._alone():
            return self._add_to_store(number)

    def number_of(self, digest: str) -> int:
        """The version whose bundle's digest begins so; a bundle that only the store has is registered.

        Raises RegistryError if there is none, or more than one.
        """
        with self._alone():
            found = {version.tags[BUNDLE_DIGEST_TAG] for version in self._versions()}
            found = {known for known in found if known.startswith(digest)} or {self._store.find(digest)[0]}
            if len(found) > 1:
                raise RegistryError(f"More than one bundle of '{self._name}' begins with {digest}: {', '.join(found)}.")
            return self._registered(*found)

    @answering()
    def versions(self) -> list[Version]:
        """Every registered version, newest first."""
        model = self._model()
        if model is None:
            return []
        by_alias = model.aliases
        return [
            Version(
                number=int(version.version),
                aliases=tuple(sorted(alias for alias, number in by_alias.items() if number == version.version)),
                candidate=version.tags.get("candidate", ""),
                digest=version.tags.get(BUNDLE_DIGEST_TAG, ""),
                metrics=self._mlflow.get_run(str(version.run_id)).data.metrics,
                verdict=version.tags.get(VERDICT_TAG, ""),
            )
            for version in self._versions()
        ]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = Paths(self._name).lock("registry")
        with files.alone(lock, f"another change of the registry of '{self._name}'"), answering():
            self._finish_change()
            yield

    def _version_of(self, bundle_folder: Path, run_id: str) -> int:
        """The number of the version that has this bundle: a new one, with the alias of the challenger, if none has."""
        manifest, digest = read_manifest(bundle_folder)
        if self._model() is None:
            self._mlflow.create_registered_model(self._name)
        if self._known(digest):
            return self._known(digest)[0]
        version = self._mlflow.create_model_version(
            self._name,
            source=f"{self._mlflow.get_run(run_id).info.artifact_uri}/bundle",
            run_id=run_id,
            tags={
                BUNDLE_DIGEST_TAG: digest,
                MODEL_SHA256_TAG: manifest.model_sha256,
                BEHAVIOR_TAG: behavior_sha256(manifest),
                "candidate": manifest.candidate,
            },
        )
        number = self._known(digest)[0]
        if number != int(version.version):
            # Somebody else, on the same server, registered it in the same moment: the first one counts for both.
            self._mlflow.delete_model_version(self._name, version.version)
            return number
        self._mlflow.set_registered_model_alias(self._name, CHALLENGER, version.version)
        return number

    def _settle(self, challenger: int) -> Settled:
        number = self._champion_number()
        if number is None:
            return self._adopt()
        try:
            return self._settled(number)
        except BundleError as error:
            raise self._incomparable(error, challenger) from error

    def _settled(self, number: int) -> Settled:
        digest = self._digest(number)
        served = self._served()
        if served is not None and served.digest != digest and not self._known(served.digest):
            raise RegistryError(
                f"What is served, bundle {served.digest[:12]}, is unknown to the registry, whose champion is version "
                f"{number}, bundle {digest[:12]}: an older copy of the registry, or another one. Choose which to "
                f"serve: portfolio promote {self._name} {served.digest[:12]} --force, or the same with {digest[:12]}"
            )
        if served is not None and (served.digest, served.model_version) == (digest, number):
            finding = f"version {number}"
        else:
            self._publish(number)
            finding = f"version {number}, published: the store did not have it"
        if self._record.champion in (None, digest):
            self._record.keep(self._store.bundle_folder(digest))
        return Settled(number, finding)

    def _adopt(self) -> Settled:
        """Make a champion of what is served, or else of what git names. Without either there is none yet."""
        if self._store.champion_path.exists():
            served = self._served()
            if served is None:
                raise RegistryError(
                    f"The registry names no champion of '{self._name}', and the one that the store names is damaged, "
                    "so there is nothing to compare with. Bring either back from a copy, or choose by hand: portfolio "
                    f"promote {self._name} VERSION --force"
                )
            digest, where = served.digest, "the store"
        else:
            recorded = self._record.champion
            if recorded is None:
                return Settled(None, "none yet")
            where = "git"
            if not self._known(recorded):
                bundle = self._record.bundle()
                if bundle is None:
                    return Settled(None, _nowhere(recorded))
                recorded = bundle.digest
            digest = recorded
        number = self._registered(digest)
        self._make_champion(number)
        return Settled(number, f"version {number}, bundle {digest[:12]} of {where}: the registry named none")

    def _registered(self, digest: str) -> int:
        """The version that has this bundle; a bundle of the store, or of git, is registered if none has."""
        known = self._known(digest)
        if known:
            return known[0]
        folder = self._store.bundle_folder(digest) if self._store.holds(digest) else self._record.folder
        manifest, _ = read_manifest(folder)
        lineage = manifest.lineage if manifest.lineage.evaluated else self._record.lineage(digest) or Lineage()
        return self._version_of(folder, log_bundle(self._mlflow, self._name, folder, lineage))

    def _forced(self, number: int) -> tuple[Verdict, int | None]:
        self._version(number)
        return Verdict.decided(True, "by_hand"), self._champion_number()

    def _judged(self, number: int) -> tuple[Verdict, int | None]:
        """What is to be said of a version, and the champion with which it was compared."""
        self._version(number)
        champion = self._settle(number).version
        if champion == number:
            decided = self._decided(number)
            if decided:
                self._write_record(number, decided)
            return ALREADY_CHAMPION, champion
        challenger = Bundle.open(self._bundle_folder(number))
        if {challenger.manifest.model_sha256, behavior_sha256(challenger.manifest)} & set(self._rolled_back()):
            return Verdict.decided(False, "rolled_back"), champion
        decided = self._decided(number)
        if decided and decided[1] == self._asked(number):
            return decided[0], champion
        if champion is None:
            return self._judge(None, challenger, number), None
        try:
            old = Bundle.open(self._bundle_folder(champion))
        except BundleError as error:
            raise self._incomparable(error, number) from error
        verdict = _same_model(old.manifest, challenger.manifest, self._use_case.config().value)
        return verdict or self._judge(old, challenger, number), champion

    def _judge(self, champion: Bundle | None, challenger: Bundle, number: int) -> Verdict:
        """Ask the gate, and count it: the more often the same champion is challenged, the surer one has to be."""
        against = "" if champion is None else champion.manifest.model_sha256
        tries = self._tries().get(against, {})
        earlier = [rows for counts in tries.values() for rows in counts]
        verdict = judge(self._use_case, self._use_case.config(), champion, challenger, earlier)
        rows = [check.figures["rows"] for check in verdict.checks if check.name == "value"]
        counted = json.loads(self._version(number).tags.get(TRIES_TAG, "{}"))
        self._tag(number, TRIES_TAG, json.dumps({**counted, against: [*tries.get(self._digest(number), []), *rows]}))
        return verdict

    def _tries(self) -> dict[str, dict[str, list[int]]]:
        """By the model of the champion that was challenged, by the challenger's digest: the test rows of each time.

        Whoever shares the registry, or the repository, has tried the same rows; what both have seen counts once.
        """
        tries: dict[str, dict[str, list[int]]] = self._record.read().get("tries_by_challenger", {})
        for version in reversed(self._versions()):
            for against, here in json.loads(version.tags.get(TRIES_TAG, "{}")).items():
                challengers, digest = tries.setdefault(against, {}), version.tags[BUNDLE_DIGEST_TAG]
                challengers[digest] = max(challengers.get(digest, []), here, key=len)
        return tries

    def _incomparable(self, error: BundleError, number: int) -> BundleError:
        return BundleError(
            f"{error} It is the champion, version {self._champion_number()}, so there is nothing to compare version "
            f"{number} with. To promote that by hand: portfolio promote {self._name} {number} --force"
        )

    def _asked(self, number: int) -> dict[str, Any]:
        """What the gate's verdict depends on: as long as it is the same, the verdict stands."""
        champion, config = self._champion_number(), self._use_case.config()
        return {
            "challenger": self._digest(number),
            "champion": None if champion is None else self._version(champion).tags[BEHAVIOR_TAG],
            "data_sha256": data_sha256(self._use_case),
            "gate": config.gate.model_dump(mode="json"),
            "value": config.value.model_dump(mode="json"),
        }

    def _decided(self, number: int) -> Decision | None:
        """What was decided of a version last, here or by whoever committed it, and what the gate was asked then.

        The gate was asked nothing if a person decided, or if there was nothing to compare.
        """
        found = self._record.read()
        if found.get("digest") != self._digest(number):
            found = {}
            if VERDICT_TAG in self._version(number).tags:
                with suppress(RegistryError):
                    found = dict(json.loads(self._downloaded(number, VERDICT_ARTIFACT).read_text()))
        if not found:
            return None
        verdict = Verdict.from_dict(found)
        return verdict, found["asked"] if _is_judged(verdict) else None

    def _write_record(self, number: int, decision: Decision, undo: ExitStack | None = None) -> None:
        """Record what was decided of a version: in MLflow, and where git and the report find it."""
        (verdict, asked), before, digest = decision, self._record.read(), self._digest(number)
        champion = self._champion_number()
        now = {
            **verdict.as_dict(),
            "digest": digest,
            "champion": None if champion is None else self._named(champion),
            "rolled_back": self._rolled_back(),
            "tries_by_challenger": self._tries(),
        }
        if all(before.get(key) == value for key, value in json.loads(json.dumps(now)).items()):
            # Also if another registry gave it another number: what git has of it stands.
            return
        lineage = self._complete(number).lineage
        run_id = str(lineage.mlflow_run_id)
        record = {
            "version": number,
            **now,
            "asked": asked,
            "lineage": lineage.model_dump(mode="json"),
            "run_id": run_id,
            "experiment_id": self._mlflow.get_run(run_id).info.experiment_id,
        }
        self._mlflow.log_dict(run_id, record, VERDICT_ARTIFACT)
        self._tag(number, VERDICT_TAG, verdict.reason, undo)
        if undo is not None:
            undo.callback(self._record.write, before)
        self._record.write(record)

    def _named(self, number: int) -> dict[str, Any]:
        """What git says of the champion, the same in every registry."""
        digest = self._digest(number)
        lineage = self._record.lineage(digest) or self._complete(number).lineage
        lineage = lineage.model_copy(update={"mlflow_run_id": None, "model_version": None})
        return {"digest": digest, "lineage": lineage.model_dump(mode="json")}

    def _make_champion(
        self,
        number: int,
        decision: Decision | None = None,
        *,
        rolled_back: int | None = None,
        history: list[int] | None = None,
    ) -> None:
        """Make a version champion in the registry, for git and in the store: all of it, or nothing.

        `rolled_back` is the version that it replaces for a reason that no metric shows. `history` has the champions up
        to this one; without it, this one is a new one.
        """
        # What can fail because a file is missing or damaged fails here, before anything has changed.
        digest = self._add_to_store(number)
        before = self._champion_number()
        if history is None:
            history = self._history()
            history = history if history[-1:] == [number] else [*history, number]
        change = {
            "number": number,
            "before": before,
            "rolled_back": rolled_back,
            "history": history,
            "verdict": decision and decision[0].as_dict(),
            "asked": decision and decision[1],
        }
        with ExitStack() as undo:
            undo.callback(self._change_path.unlink, missing_ok=True)
            files.write_text(self._change_path, json.dumps(change))
            if rolled_back is not None:
                # Or the next run would promote it again.
                self._tag(rolled_back, ROLLED_BACK_TAG, self._what_differs(rolled_back, number), undo)
            for version in self._versions():
                if version.tags.get(ROLLED_BACK_TAG) in self._does(number):
                    self._tag(int(version.version), ROLLED_BACK_TAG, None, undo)
            undo.callback(self._set_history, self._history())
            self._set_history(history)
            undo.callback(self._point_to, before)
            self._point_to(number)
            if before is not None:
                undo.callback(self._keep, before)
            self._record.keep(self._store.bundle_folder(digest))
            if decision is not None:
                self._write_record(number, decision, undo)
            # What is served changes last.
            self._store.name_champion(digest, number)
            undo.pop_all()
        self._change_path.unlink()

    def _finish_change(self) -> None:
        """Do again what a kill cut off: it had been decided, and what was done of it may be any part."""
        try:
            change = json.loads(self._change_path.read_text())
        except FileNotFoundError:
            return
        # Unless another machine has made another version champion since.
        if self._champion_number() in (change["before"], change["number"]):
            decision = change["verdict"] and (Verdict.from_dict(change["verdict"]), change["asked"])
            with suppress(BundleError, RegistryError):
                self._make_champion(
                    change["number"], decision, rolled_back=change["rolled_back"], history=change["history"]
                )
        self._change_path.unlink(missing_ok=True)

    def _history(self) -> list[int]:
        """The versions that were champion and are still there, the oldest first; the last one is champion now."""
        model, champion = self._model(), self._champion_number()
        there = {int(version.version) for version in self._versions()}
        recorded = json.loads(model.tags.get(CHAMPIONS_TAG, "[]")) if model is not None else []
        history = [number for number in recorded if number in there]
        return history if champion is None or history[-1:] == [champion] else [*history, champion]

    def _set_history(self, history: list[int]) -> None:
        self._mlflow.set_registered_model_tag(self._name, CHAMPIONS_TAG, json.dumps(history[-MAX_CHAMPIONS:]))

    def _point_to(self, number: int | None) -> None:
        """Set the champion's alias, or take it away."""
        if number is not None:
            self._mlflow.set_registered_model_alias(self._name, CHAMPION, str(number))
        elif self._champion_number() is not None:
            self._mlflow.delete_registered_model_alias(self._name, CHAMPION)

    def _keep(self, number: int) -> None:
        self._record.keep(self._bundle_folder(number))

    def _publish(self, number: int) -> None:
        self._store.name_champion(self._add_to_store(number), number)

    def _add_to_store(self, number: int) -> str:
        return self._store.add(self._bundle_folder(number), self._complete(number))

    def _tag(self, number: int, key: str, value: str | None, undo: ExitStack | None = None) -> None:
        """Give a version this tag, or take it away."""
        before = self._version(number).tags.get(key)
        if before == value:
            return
        if undo is not None:
            undo.callback(self._tag, number, key, before)
        if value is None:
            self._mlflow.delete_model_version_tag(self._name, str(number), key)
        else:
            self._mlflow.set_model_version_tag(self._name, str(number), key, value)

    def _rolled_back(self) -> list[str]:
        """What was rolled back, here or by whoever committed it: it does not come back without a person."""
        here = {version.tags[ROLLED_BACK_TAG] for version in self._versions() if ROLLED_BACK_TAG in version.tags}
        elsewhere = set(self._record.read().get("rolled_back", []))
        champion = self._champion_number()
        # Whoever promotes one by hand takes that back.
        return sorted((here | elsewhere) - (set() if champion is None else self._does(champion)))

    def _does(self, number: int) -> set[str]:
        """The names of a version's model and of what it does with it."""
        tags = self._version(number).tags
        return {tags[MODEL_SHA256_TAG], tags[BEHAVIOR_TAG]}

    def _what_differs(self, number: int, other: int) -> str:
        """What names a version in distinction from another: its model, or what it does with the same model."""
        tags, others = self._version(number).tags, self._version(other).tags
        key = BEHAVIOR_TAG if tags[MODEL_SHA256_TAG] == others[MODEL_SHA256_TAG] else MODEL_SHA256_TAG
        return str(tags[key])

    def _complete(self, number: int) -> Manifest:
        """The bundle's manifest with its lineage, the registered version too."""
        manifest, _ = read_manifest(self._bundle_folder(number))
        version = self._version(number)
        created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")
        lineage = lineage_of(self._mlflow.get_run(str(version.run_id)))
        lineage = lineage.model_copy(update={"model_version": number})
        return manifest.model_copy(update={"lineage": lineage, "created_at": created})

    def _bundle_folder(self, number: int) -> Path:
        """Where a version's bundle is: in the store, if it was ever there, or else a copy from MLflow."""
        digest = self._digest(number)
        if self._store.holds(digest):
            return self._store.bundle_folder(digest)
        folder = self._downloaded(number, "bundle")
        if Bundle.open(folder).digest != digest:
            raise BundleError(
                f"The bundle of version {number} of '{self._name}' in MLflow is not the one that was registered: its "
                "manifest was changed. Bring it back from a copy."
            )
        return folder

    def _downloaded(self, number: int, artifact: str) -> Path:
        from mlflow.exceptions import MlflowException

        run_id = str(self._version(number).run_id)
        try:
            return Path(self._mlflow.download_artifacts(run_id, artifact))
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"MLflow has no '{artifact}' of version {number} of '{self._name}' ({error}). Its files belong to run "
                f"{run_id}; bring them back from a copy."
            ) from error

    def _champion_number(self) -> int | None:
        # By the model's aliases: to ask for one that is missing is no "not found" to MLflow, but a wrong parameter.
        model = self._model()
        return None if model is None or CHAMPION not in model.aliases else int(model.aliases[CHAMPION])

    def _served(self) -> Champion | None:
        """The store's champion, if it is whole."""
        try:
            champion = self._store.champion()
        except RegistryError:
            return None
        return champion if champion is not None and self._store.holds(champion.digest) else None

    def _digest(self, number: int) -> str:
        return str(self._version(number).tags[BUNDLE_DIGEST_TAG])

    def _known(self, digest: str) -> list[int]:
        """The versions that have this bundle, the oldest first."""
        return sorted(
            int(version.version) for version in self._versions() if version.tags.get(BUNDLE_DIGEST_TAG) == digest
        )

    def _version(self, number: int) -> ModelVersion:
        version = _found(lambda: self._mlflow.get_model_version(self._name, str(number)))
        if version is None:
            known = ", ".join(str(version.version) for version in self._versions()) or "none"
            raise RegistryError(f"'{self._name}' has no version {number}. There are: {known}.")
        return version

    def _versions(self) -> list[ModelVersion]:
        found = self._mlflow.search_model_versions(f"name = '{self._name}'")
        return sorted(found, key=lambda version: -int(version.version))

    def _model(self) -> RegisteredModel | None:
        return _found(lambda: self._mlflow.get_registered_model(self._name))


def _nowhere(digest: str) -> str:
    return f"none: git names bundle {digest[:12]}, which is neither here nor in a DVC remote"


def _is_judged(verdict: Verdict) -> bool:
    """Whether the gate compared something: only such a verdict may stand."""
    return verdict.checks[0].name != "decision"


def _same_model(champion: Manifest, challenger: Manifest, value: Value) -> Verdict | None:
    """What is to be said of the champion's own model in another bundle.

    Nothing if it is another model, or decides by other prices than the config has now: that is for the gate.
    """
    if _learned(champion) != _learned(challenger):
        return None
    same = behavior_sha256(champion) == behavior_sha256(challenger)
    if not same and challenger.policy != Policy(prices=value.prices, tolerance=value.tolerance):
        return None
    old, new = (manifest.model_dump(exclude=set(NOT_IDENTITY)) for manifest in (champion, challenger))
    names = {"inputs": "fields", "policy": "prices"}
    changed = ", ".join(names.get(key, key) for key in new if old[key] != new[key])
    return Verdict.decided(True, "same_behavior" if same else "new_prices", changed=changed)


def _learned(manifest: Manifest) -> tuple[object, ...]:
    """What only the gate lets through: the model, what it learned of its own errors, and what clients rely on."""
    fields = [(field.name, field.kind, field.width) for field in manifest.inputs]
    return manifest.model_sha256, manifest.error_ratios, manifest.output.model_copy(update={"unit": ""}), fields


def _found(ask: Callable[[], Answer]) -> Answer | None:
    """What MLflow has, or None if it says that there is no such thing. That it does not answer is no such answer."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
