"""The bundles of registered versions: their files, which are in the store or in MLflow, and their full manifests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import Lineage, Manifest, read_manifest
from portfolio.bundle.store import Champion, Store
from portfolio.core.errors import BundleError, RegistryError
from portfolio.registry.record import Record
from portfolio.registry.runs import lineage_of, log_bundle
from portfolio.registry.versions import Versions

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True)
class Bundles:
    """The bundles of one use case."""

    use_case: str
    mlflow: MlflowClient
    versions: Versions
    store: Store
    record: Record

    @contextmanager
    def folder(self, number: int) -> Iterator[Path]:
        """Where a version's bundle is: in the store, if it was ever there, or else in a copy from MLflow.

        Raises BundleError if MLflow's is not the one that was registered, and RegistryError if there is none.
        """
        digest = self.versions.digest(number)
        if self.store.holds(digest):
            yield self.store.bundle_folder(digest)
            return
        with self.copied(number, "bundle") as folder:
            if Bundle.open(folder).digest != digest:
                raise BundleError(
                    f"The bundle of version {number} of '{self.use_case}' in MLflow is not the one that was "
                    "registered: its manifest was changed. Bring it back from a copy."
                )
            yield folder

    @contextmanager
    def copied(self, number: int, artifact: str) -> Iterator[Path]:
        """A copy, for the time being, of what MLflow keeps of a version's run.

        Raises RegistryError if it has no such artifact.
        """
        from mlflow.exceptions import MlflowException

        run_id = str(self.versions.get(number).run_id)
        # MLflow's own choice of a folder would stay behind.
        with TemporaryDirectory(prefix="portfolio-") as scratch:
            try:
                path = Path(self.mlflow.download_artifacts(run_id, artifact, scratch))
            except (MlflowException, OSError) as error:
                raise RegistryError(
                    f"MLflow has no '{artifact}' of version {number} of '{self.use_case}' ({error}). Its files belong "
                    f"to run {run_id}; bring them back from a copy."
                ) from error
            yield path

    def open(self, number: int) -> Bundle:
        """A version's bundle. Raises BundleError and RegistryError as `folder` does."""
        with self.folder(number) as folder:
            return Bundle.open(folder)

    def manifest(self, number: int) -> Manifest:
        """A version's manifest with its lineage, which includes the version."""
        with self.folder(number) as folder:
            manifest, _ = read_manifest(folder)
        version = self.versions.get(number)
        created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")
        lineage = lineage_of(self.mlflow.get_run(str(version.run_id)))
        lineage = lineage.model_copy(update={"model_version": number})
        return manifest.model_copy(update={"lineage": lineage, "created_at": created})

    def add_to_store(self, number: int) -> str:
        """Put a version's bundle into the store without naming it there. Gives back its digest."""
        with self.folder(number) as folder:
            return self.store.add(folder, self.manifest(number))

    def served(self) -> Champion | None:
        """The store's champion, if it is whole."""
        try:
            champion = self.store.champion()
        except RegistryError:
            return None
        return champion if champion is not None and self.store.holds(champion.digest) else None

    def registered(self, digest: str) -> int:
        """The version that has this bundle. If none has, the bundle is registered from the store or from git."""
        known = self.versions.with_digest(digest)
        if known:
            return known[0]
        folder = self.store.bundle_folder(digest) if self.store.holds(digest) else self.record.folder
        manifest, _ = read_manifest(folder)
        lineage = manifest.lineage if manifest.lineage.evaluated else self.record.lineage(digest) or Lineage()
        return self.versions.add(folder, log_bundle(self.mlflow, self.use_case, folder, lineage))
