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
from portfolio.bundle.manifest import NOT_IDENTITY, Manifest, behavior_sha256, read_manifest
from portfolio.bundle.store import Champion, Store
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import BundleError, DataError, RegistryError
from portfolio.core.paths import Paths
from portfolio.data.dataset import data_sha256
from portfolio.evaluation.gate import Verdict, judge
from portfolio.registry.record import Record
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
# On a version that became champion: the version whose place it took, which is what a rollback goes back to.
REPLACED_TAG = "replaced_version"
ROLLED_BACK_TAG = "rolled_back"
VERDICT_TAG = "verdict"
BEHAVIOR_TAG = "behavior_sha256"
# On the model: how often each champion was challenged.
TRIES_TAG = "tries"
# In the run of a version that was judged.
VERDICT_ARTIFACT = "gate/verdict.json"
ALREADY_CHAMPION = Verdict.decided(False, "already_champion")


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

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._name = use_case.name
        self._mlflow = client()
        self._store = Store.of(use_case.name)
        self._record = Record(use_case.name)

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
                run_id = log_candidate(self._mlflow, self._use_case, config, name, folder)
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
                self._make_champion(number)
            self._write_record(number, *decision)
            return verdict

    def rollback(self) -> int:
        """Publish the champion's predecessor again. Gives back its number. Raises RegistryError if there is none."""
        with self._alone():
            champion = self._champion_number()
            if champion is None:
                raise RegistryError(
                    f"'{self._name}' has no champion to roll back from. Train one: portfolio run {self._name}"
                )
            replaced = self._version(champion).tags.get(REPLACED_TAG)
            if replaced is None:
                raise RegistryError(
                    f"Version {champion} of '{self._name}' is the first champion: there is none before it."
                )
            self._make_champion(int(replaced), rolled_back=champion)
            self._write_record(int(replaced), Verdict.decided(True, "rollback", version=champion), None)
            return int(replaced)

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
                    return Settled(None, f"none here: git names bundle {recorded[:12]}, which no DVC remote has")
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
        lineage = manifest.lineage if manifest.lineage.evaluated else self._record.lineage(digest)
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
                self._write_record(number, *decided)
            return ALREADY_CHAMPION, champion
        challenger = Bundle.open(self._bundle_folder(number))
        if {challenger.manifest.model_sha256, behavior_sha256(challenger.manifest)} & set(self._rolled_back()):
            return Verdict.decided(False, "rolled_back"), champion
        decided = self._decided(number)
        if decided and decided[1] == self._asked(number):
            return decided[0], champion
        if champion is None:
            return self._judge(None, challenger), None
        try:
            old = Bundle.open(self._bundle_folder(champion))
        except BundleError as error:
            raise self._incomparable(error, number) from error
        verdict = _same_model(old.manifest, challenger.manifest)
        return verdict or self._judge(old, challenger), champion

    def _judge(self, champion: Bundle | None, challenger: Bundle) -> Verdict:
        """Ask the gate, and count it: the more often the same champion is challenged, the surer one has to be."""
        against, tries = "" if champion is None else champion.manifest.model_sha256, self._tries()
        verdict = judge(self._use_case, self._use_case.config(), champion, challenger, tries.get(against, []))
        rows = [check.figures["rows"] for check in verdict.checks if check.name == "value"]
        tries[against] = [*tries.get(against, []), *rows]
        self._mlflow.set_registered_model_tag(self._name, TRIES_TAG, json.dumps(tries))
        return verdict

    def _tries(self) -> dict[str, list[int]]:
        """By the model of the champion that was challenged: the number of test rows of each time, the oldest first.

        Whoever shares the registry, or the repository, has tried the same rows.
        """
        model = self._model()
        here: dict[str, list[int]] = json.loads(model.tags.get(TRIES_TAG, "{}")) if model is not None else {}
        elsewhere: dict[str, list[int]] = self._record.read().get("tries", {})
        return {key: max(here.get(key, []), elsewhere.get(key, []), key=len) for key in sorted({*here, *elsewhere})}

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

    def _decided(self, number: int) -> tuple[Verdict, dict[str, Any] | None] | None:
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

    def _write_record(self, number: int, verdict: Verdict, asked: dict[str, Any] | None) -> None:
        """Record what was decided of a version: in MLflow, and where git and the report find it."""
        before, digest = self._record.read(), self._digest(number)
        champion = self._champion_number()
        now = {
            **verdict.as_dict(),
            "digest": digest,
            "champion": None if champion is None else self._named(champion),
            "rolled_back": self._rolled_back(),
            "tries": self._tries(),
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
        self._tag(number, VERDICT_TAG, verdict.reason)
        self._record.write(record)

    def _named(self, number: int) -> dict[str, Any]:
        """What git says of the champion, the same in every registry."""
        lineage = self._complete(number).lineage.model_copy(update={"mlflow_run_id": None, "model_version": None})
        return {"digest": self._digest(number), "lineage": lineage.model_dump(mode="json")}

    def _make_champion(self, number: int, *, rolled_back: int | None = None) -> None:
        """Make a version champion in the registry, for git and in the store: all of it, or nothing.

        `rolled_back` is the version that it replaces for a reason that no metric shows.
        """
        # What can fail because a file is missing or damaged fails here, before anything has changed.
        digest = self._add_to_store(number)
        before = self._champion_number()
        with ExitStack() as undo:
            if rolled_back is not None:
                # Or the next run would promote it again.
                self._tag(rolled_back, ROLLED_BACK_TAG, self._what_differs(rolled_back, number), undo)
            elif before not in (None, number):
                self._tag(number, REPLACED_TAG, str(before), undo)
            for version in self._versions():
                if version.tags.get(ROLLED_BACK_TAG) in self._does(number):
                    self._tag(int(version.version), ROLLED_BACK_TAG, None, undo)
            undo.callback(self._point_to, before)
            self._point_to(number)
            if before is not None:
                undo.callback(self._keep, before)
            self._record.keep(self._store.bundle_folder(digest))
            self._store.name_champion(digest, number)
            undo.pop_all()

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


def _is_judged(verdict: Verdict) -> bool:
    """Whether the gate compared something: only such a verdict may stand."""
    return verdict.checks[0].name != "decision"


def _same_model(champion: Manifest, challenger: Manifest) -> Verdict | None:
    """What is to be said of the champion's own model in another bundle; nothing if it is another model."""
    if _learned(champion) != _learned(challenger):
        return None
    old, new = (manifest.model_dump(exclude=set(NOT_IDENTITY)) for manifest in (champion, challenger))
    names = {"inputs": "fields", "policy": "prices"}
    changed = ", ".join(names.get(key, key) for key in new if old[key] != new[key])
    same = behavior_sha256(champion) == behavior_sha256(challenger)
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
