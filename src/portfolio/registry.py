"""MLflow's registry: versions of a use case's model, with the aliases `champion` and `challenger`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio import files
from portfolio.bundle import Bundle, Manifest, content_sha256, read_manifest
from portfolio.config import Config, load_config
from portfolio.errors import BundleError, DataError, RegistryError
from portfolio.gate import Verdict, judge
from portfolio.paths import Paths
from portfolio.store import Store
from portfolio.tracking import CONTENT_SHA256_TAG, MODEL_SHA256_TAG, client, log_candidate
from portfolio.use_case import UseCase

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
CHALLENGER = "challenger"
# On a version that became champion: the version whose place it took, which is what a rollback goes back to.
REPLACED_TAG = "replaced_version"
ROLLED_BACK_TAG = "rolled_back"
VERDICT_TAG = "verdict"


@dataclass(frozen=True)
class Version:
    """One registered version, as `portfolio models` shows it."""

    number: int
    aliases: tuple[str, ...]
    candidate: str
    model_sha256: str
    metrics: dict[str, float]
    verdict: str


class Registry:
    """The registry of one use case."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._name = use_case.name
        self._mlflow = client()
        self._store = Store.of(use_case.name)

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
        self._mlflow_model()
        content = content_sha256(manifest)
        known = [v for v in self._versions() if v.tags.get(CONTENT_SHA256_TAG) == content]
        if known:
            return int(known[0].version)
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
        return int(version.version)

    def promote(self, number: int, *, force: bool = False) -> Verdict:
        """Make a version champion and publish its bundle, if the gate lets it. The verdict is recorded either way."""
        champion = self._champion_number()
        if champion == number and self._is_published(number):
            return Verdict(False, "it is the champion already")
        folder = self._bundle_folder(number)
        if champion == number:
            verdict = Verdict(True, "it is the champion in the registry, but the store lacks it or holds it damaged")
        elif force:
            verdict = Verdict(True, "by hand")
        elif ROLLED_BACK_TAG in self._mlflow.get_model_version(self._name, str(number)).tags:
            verdict = Verdict(False, "it was rolled back, so only a person brings it back")
        else:
            old = None if champion is None else self._open_champion(champion, number)
            verdict = judge(self._use_case, load_config(self._name), old, Bundle.open(folder))
        self._mlflow.set_model_version_tag(self._name, str(number), VERDICT_TAG, verdict.reason)
        run_id = self._mlflow.get_model_version(self._name, str(number)).run_id
        record = {"version": number, **verdict.as_dict()}
        self._mlflow.log_dict(str(run_id), record, "gate/verdict.json")
        files.write_text(Paths(self._name).verdict, json.dumps(record, indent=1) + "\n")
        if verdict.promoted:
            if champion not in (None, number):
                self._mlflow.set_model_version_tag(self._name, str(number), REPLACED_TAG, str(champion))
            self._make_champion(number)
        return verdict

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
        return int(replaced)

    def versions(self) -> list[Version]:
        """Every registered version, newest first."""
        from mlflow.exceptions import MlflowException

        try:
            by_alias = self._mlflow.get_registered_model(self._name).aliases
        except MlflowException:
            return []
        return [
            Version(
                number=int(version.version),
                aliases=tuple(sorted(alias for alias, number in by_alias.items() if number == version.version)),
                candidate=version.tags.get("candidate", ""),
                model_sha256=version.tags.get(MODEL_SHA256_TAG, ""),
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
        from mlflow.exceptions import MlflowException

        try:
            version = self._mlflow.get_model_version(self._name, str(number))
        except MlflowException as error:
            known = ", ".join(str(version.number) for version in self.versions()) or "none"
            raise RegistryError(f"'{self._name}' has no version {number}. There are: {known}.") from error
        return Path(self._mlflow.download_artifacts(str(version.run_id), "bundle"))

    def _champion_number(self) -> int | None:
        from mlflow.exceptions import MlflowException

        try:
            return int(self._mlflow.get_model_version_by_alias(self._name, CHAMPION).version)
        except MlflowException:
            return None

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

    def _mlflow_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._mlflow.get_registered_model(self._name)
        except MlflowException:
            self._mlflow.create_registered_model(self._name)
