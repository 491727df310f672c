"""MLflow's registry: versions of a use case's model, with the aliases `champion` and `challenger`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import Manifest, bundle_digest, content_sha256, read_manifest
from portfolio.bundle.store import Store
from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.errors import BundleError, DataError, RegistryError
from portfolio.core.paths import Paths
from portfolio.evaluation.gate import Verdict, judge
from portfolio.registry.tracking import CONTENT_SHA256_TAG, MODEL_SHA256_TAG, answering, client, log_candidate

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

Answer = TypeVar("Answer")
CHAMPION = "champion"
CHALLENGER = "challenger"
# On a version that became champion: the version whose place it took, which is what a rollback goes back to.
REPLACED_TAG = "replaced_version"
ROLLED_BACK_TAG = "rolled_back"
VERDICT_TAG = "verdict"
ALREADY_CHAMPION = Verdict.decided(False, "already_champion")
# What names its bundle in the store, at the server's /model and in the report.
BUNDLE_DIGEST_TAG = "bundle_digest"


@dataclass(frozen=True)
class Version:
    """One registered version, as `portfolio models` shows it."""

    number: int
    aliases: tuple[str, ...]
    candidate: str
    digest: str
    metrics: dict[str, float]
    verdict: str


class Registry:
    """The registry of one use case."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._name = use_case.name
        self._mlflow = client()
        self._store = Store.of(use_case.name)

    @answering()
    def register(self, config: Config) -> int:
        """Log every candidate as a run, and register the best as the challenger. Gives back its version's number.

        The same model with the same policy is registered once. Raises DataError if nothing has been evaluated.
        """
        paths = Paths(self._name)
        try:
            best_folder = paths.best_folder()
        except FileNotFoundError as error:
            raise DataError(
                f"{paths.best} is missing: no model has been evaluated. Run: dvc repro evaluate@{self._name}"
            ) from error
        for name, folder in paths.candidates().items():
            run_id = log_candidate(self._mlflow, self._use_case, config, name, folder)
            if folder == best_folder:
                best_run = run_id
        manifest, _ = read_manifest(best_folder)
        if self._model() is None:
            self._mlflow.create_registered_model(self._name)
        content = content_sha256(manifest)
        known = [v for v in self._versions() if v.tags.get(CONTENT_SHA256_TAG) == content]
        if known:
            return self._with_digest(known[0])
        run = self._mlflow.get_run(best_run)
        version = self._mlflow.create_model_version(
            self._name,
            source=f"{run.info.artifact_uri}/bundle",
            run_id=best_run,
            tags={
                MODEL_SHA256_TAG: manifest.model_sha256,
                CONTENT_SHA256_TAG: content,
                "candidate": best_folder.name,
            },
        )
        self._mlflow.set_registered_model_alias(self._name, CHALLENGER, version.version)
        return self._with_digest(version)

    @answering()
    def promote(self, number: int, *, force: bool = False) -> Verdict:
        """Make a version champion and publish its bundle, if the gate lets it. The verdict is recorded either way."""
        champion = self._champion_number()
        if champion == number and self._is_published(number):
            return ALREADY_CHAMPION
        folder = self._bundle_folder(number)
        if champion == number:
            verdict = Verdict.decided(True, "published_anew")
        elif force:
            verdict = Verdict.decided(True, "by_hand")
        elif ROLLED_BACK_TAG in self._mlflow.get_model_version(self._name, str(number)).tags:
            verdict = Verdict.decided(False, "rolled_back")
        else:
            old = None if champion is None else self._open_champion(champion, number)
            verdict = judge(self._use_case, self._use_case.config(), old, Bundle.open(folder))
        self._mlflow.set_model_version_tag(self._name, str(number), VERDICT_TAG, verdict.reason)
        record = self._record(number, folder, verdict)
        self._mlflow.log_dict(record["run_id"], record, "gate/verdict.json")
        if verdict.promoted:
            if champion not in (None, number):
                self._mlflow.set_model_version_tag(self._name, str(number), REPLACED_TAG, str(champion))
            self._make_champion(number)
        return verdict

    @answering()
    def rollback(self) -> int:
        """Publish the champion's predecessor again. Gives back its number. Raises RegistryError if there is none."""
        champion = self._champion_number()
        if champion is None:
            raise RegistryError(
                f"'{self._name}' has no champion to roll back from. Train one: portfolio run {self._name}"
            )
        replaced = self._mlflow.get_model_version(self._name, str(champion)).tags.get(REPLACED_TAG)
        if replaced is None:
            raise RegistryError(f"Version {champion} of '{self._name}' is the first champion: there is none before it.")
        # Or the next run, whose metrics do not know why, would promote it again.
        self._mlflow.set_model_version_tag(self._name, str(champion), ROLLED_BACK_TAG, "true")
        self._make_champion(int(replaced))
        verdict = Verdict.decided(True, "rollback", version=champion)
        self._record(int(replaced), self._bundle_folder(int(replaced)), verdict)
        return int(replaced)

    @answering()
    def add_to_store(self, number: int) -> str:
        """Put a version's bundle into the store without naming it there: to pin it, or as a shadow. Its digest."""
        folder = self._bundle_folder(number)
        return self._store.add(folder, self._complete(folder, number))

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

    def _open_champion(self, champion: int, challenger: int) -> Bundle:
        try:
            return Bundle.open(self._bundle_folder(champion))
        except BundleError as error:
            raise BundleError(
                f"{error} It is the champion, version {champion}, so there is nothing to compare version {challenger} "
                f"with. To promote that by hand: portfolio promote {self._name} {challenger} --force"
            ) from error

    def _with_digest(self, version: ModelVersion) -> int:
        """Tag a version with its bundle's digest, if it has none yet. Gives back its number."""
        number = int(version.version)
        if BUNDLE_DIGEST_TAG not in version.tags:
            digest = bundle_digest(self._complete(self._bundle_folder(number), number))
            self._mlflow.set_model_version_tag(self._name, str(number), BUNDLE_DIGEST_TAG, digest)
        return number

    def _record(self, number: int, folder: Path, verdict: Verdict) -> dict[str, Any]:
        """Write what was decided of a version to where the report looks, with what leads from there to MLflow."""
        manifest = self._complete(folder, number)
        run_id = str(manifest.lineage.mlflow_run_id)
        record = {
            "version": number,
            **verdict.as_dict(),
            "digest": bundle_digest(manifest),
            "content_sha256": content_sha256(manifest),
            "run_id": run_id,
            "experiment_id": self._mlflow.get_run(run_id).info.experiment_id,
        }
        files.write_text(Paths(self._name).verdict, json.dumps(record, indent=1) + "\n")
        return record

    def _make_champion(self, number: int) -> None:
        self._mlflow.set_registered_model_alias(self._name, CHAMPION, str(number))
        if ROLLED_BACK_TAG in self._mlflow.get_model_version(self._name, str(number)).tags:
            self._mlflow.delete_model_version_tag(self._name, str(number), ROLLED_BACK_TAG)
        folder = self._bundle_folder(number)
        self._store.publish(folder, self._complete(folder, number))

    def _complete(self, folder: Path, number: int) -> Manifest:
        """The bundle's manifest, with the registered version in its lineage."""
        manifest, _ = read_manifest(folder)
        version = self._mlflow.get_model_version(self._name, str(number))
        created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")
        lineage = manifest.lineage.model_copy(update={"mlflow_run_id": version.run_id, "model_version": number})
        return manifest.model_copy(update={"lineage": lineage, "created_at": created})

    def _bundle_folder(self, number: int) -> Path:
        version = _found(lambda: self._mlflow.get_model_version(self._name, str(number)))
        if version is None:
            known = ", ".join(str(version.number) for version in self.versions()) or "none"
            raise RegistryError(f"'{self._name}' has no version {number}. There are: {known}.")
        return Path(self._mlflow.download_artifacts(str(version.run_id), "bundle"))

    def _champion_number(self) -> int | None:
        # By the model's aliases: to ask for one that is missing is no "not found" to MLflow, but a wrong parameter.
        model = self._model()
        return None if model is None or CHAMPION not in model.aliases else int(model.aliases[CHAMPION])

    def _is_published(self, number: int) -> bool:
        """Whether the store's champion is that version, and whole."""
        try:
            champion = self._store.champion()
        except RegistryError:
            return False
        return champion is not None and champion.model_version == number and self._store.holds(champion.digest)

    def _versions(self) -> list[ModelVersion]:
        found = self._mlflow.search_model_versions(f"name = '{self._name}'")
        return sorted(found, key=lambda version: -int(version.version))

    def _model(self) -> RegisteredModel | None:
        return _found(lambda: self._mlflow.get_registered_model(self._name))


def _found(ask: Callable[[], Answer]) -> Answer | None:
    """What MLflow has, or None if it says that there is no such thing. That it does not answer is no such answer."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
