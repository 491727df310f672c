"""The versions of a use case's model in MLflow's registry: their numbers, tags and aliases."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from portfolio.bundle.manifest import behavior_sha256, read_manifest
from portfolio.core.errors import RegistryError
from portfolio.registry.runs import BUNDLE_DIGEST_TAG, MODEL_SHA256_TAG

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel
    from mlflow.tracking import MlflowClient

Answer = TypeVar("Answer")
CHAMPION = "champion"
CHALLENGER = "challenger"
# On a version: what it does, whatever its card says; what was decided of it; what of it was rolled back.
BEHAVIOR_TAG = "behavior_sha256"
VERDICT_TAG = "verdict"
ROLLED_BACK_TAG = "rolled_back"
# On the model: the versions that were champion, the oldest first; the last one is champion now, since that time.
CHAMPIONS_TAG = "champions"
CHAMPION_SINCE_TAG = "champion_since"
MAX_CHAMPIONS = 100


@dataclass(frozen=True)
class Version:
    """One registered version, as `portfolio models` shows it."""

    number: int
    aliases: tuple[str, ...]
    candidate: str
    digest: str
    metrics: dict[str, float]
    verdict: str


class Versions:
    """The versions of one use case. What changes them takes an `undo`, which then has what reverses the change."""

    def __init__(self, use_case: str, mlflow: MlflowClient) -> None:
        self._name = use_case
        self._mlflow = mlflow

    def all(self) -> list[ModelVersion]:
        """Every version, newest first."""
        found = self._mlflow.search_model_versions(f"name = '{self._name}'")
        return sorted(found, key=lambda version: -int(version.version))

    def shown(self) -> list[Version]:
        """Every version, newest first, with its aliases and metrics."""
        model = self._model()
        if model is None:
            return []
        return [
            Version(
                number=int(version.version),
                aliases=tuple(sorted(alias for alias, number in model.aliases.items() if number == version.version)),
                candidate=version.tags.get("candidate", ""),
                digest=version.tags.get(BUNDLE_DIGEST_TAG, ""),
                metrics=self._mlflow.get_run(str(version.run_id)).data.metrics,
                verdict=version.tags.get(VERDICT_TAG, ""),
            )
            for version in self.all()
        ]

    def get(self, number: int) -> ModelVersion:
        """Raises RegistryError, naming those there are, if there is no such version."""
        version = _found(lambda: self._mlflow.get_model_version(self._name, str(number)))
        if version is None:
            known = ", ".join(str(version.version) for version in self.all()) or "none"
            raise RegistryError(f"'{self._name}' has no version {number}. There are: {known}.")
        return version

    def digest(self, number: int) -> str:
        return str(self.get(number).tags[BUNDLE_DIGEST_TAG])

    def behavior(self, number: int) -> str:
        return str(self.get(number).tags[BEHAVIOR_TAG])

    def identities(self, number: int) -> set[str]:
        """The digests of a version's model, and of what it does with it."""
        tags = self.get(number).tags
        return {tags[MODEL_SHA256_TAG], tags[BEHAVIOR_TAG]}

    def difference(self, number: int, other: int) -> str:
        """What tells a version from another: its model's digest, or that of what it does with the same model."""
        tags, others = self.get(number).tags, self.get(other).tags
        key = BEHAVIOR_TAG if tags[MODEL_SHA256_TAG] == others[MODEL_SHA256_TAG] else MODEL_SHA256_TAG
        return str(tags[key])

    def with_digest(self, digest: str) -> list[int]:
        """The versions that have this bundle, the oldest first."""
        return sorted(int(version.version) for version in self.all() if version.tags.get(BUNDLE_DIGEST_TAG) == digest)

    def add(self, bundle_folder: Path, run_id: str) -> int:
        """The number of the version that has this bundle: a new one, the challenger, if none has."""
        manifest, digest = read_manifest(bundle_folder)
        if self._model() is None:
            self._mlflow.create_registered_model(self._name)
        known = self.with_digest(digest)
        if known:
            return known[0]
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
        number = self.with_digest(digest)[0]
        if number != int(version.version):
            # Somebody else, on the same server, registered it in the same moment: the first one counts for both.
            self._mlflow.delete_model_version(self._name, version.version)
            return number
        self._mlflow.set_registered_model_alias(self._name, CHALLENGER, version.version)
        return number

    def tag(self, number: int, key: str, value: str | None, undo: ExitStack | None = None) -> None:
        """Give a version this tag, or remove it if the value is None."""
        before = self.get(number).tags.get(key)
        if before == value:
            return
        if undo is not None:
            undo.callback(self.tag, number, key, before)
        if value is None:
            self._mlflow.delete_model_version_tag(self._name, str(number), key)
        else:
            self._mlflow.set_model_version_tag(self._name, str(number), key, value)

    @property
    def champion(self) -> int | None:
        # By the model's aliases: MLflow answers a question for a missing alias with "wrong parameter", not "not found".
        model = self._model()
        return None if model is None or CHAMPION not in model.aliases else int(model.aliases[CHAMPION])

    @property
    def champion_since(self) -> str:
        """When the champion was chosen, in ISO 8601, here or by whoever committed it; empty if that is unknown."""
        return self._model_tag(CHAMPION_SINCE_TAG)

    def champions(self) -> list[int]:
        """The versions that were champion and are still there, the oldest first; the last one is champion now."""
        champion, there = self.champion, {int(version.version) for version in self.all()}
        champions = [number for number in json.loads(self._model_tag(CHAMPIONS_TAG) or "[]") if number in there]
        return champions if champion is None or champions[-1:] == [champion] else [*champions, champion]

    def name_champion(self, number: int, champions: list[int], since: str, undo: ExitStack) -> None:
        """Point the alias to a version. `champions` are those up to and with it."""
        undo.callback(self._tag_model, CHAMPIONS_TAG, self._model_tag(CHAMPIONS_TAG))
        self._tag_model(CHAMPIONS_TAG, json.dumps(champions[-MAX_CHAMPIONS:]))
        undo.callback(self._tag_model, CHAMPION_SINCE_TAG, self.champion_since)
        self._tag_model(CHAMPION_SINCE_TAG, since)
        undo.callback(self._point_to, self.champion)
        self._point_to(number)

    def _point_to(self, number: int | None) -> None:
        """Set the champion's alias, or remove it."""
        if number is not None:
            self._mlflow.set_registered_model_alias(self._name, CHAMPION, str(number))
        elif self.champion is not None:
            self._mlflow.delete_registered_model_alias(self._name, CHAMPION)

    def _model_tag(self, key: str) -> str:
        model = self._model()
        return "" if model is None else str(model.tags.get(key, ""))

    def _tag_model(self, key: str, value: str) -> None:
        if value != self._model_tag(key):
            self._mlflow.set_registered_model_tag(self._name, key, value)

    def _model(self) -> RegisteredModel | None:
        return _found(lambda: self._mlflow.get_registered_model(self._name))


def _found(ask: Callable[[], Answer]) -> Answer | None:
    """What MLflow has, or None if it says that there is no such thing. No answer at all is still an error."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
