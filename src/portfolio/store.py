"""The bundle store: bundles by digest, and one small champion.json that is replaced in one step.

    .state/store/<use_case>/bundles/<digest>/{model.onnx, manifest.json}
    .state/store/<use_case>/champion.json

Training publishes here; serving watches it. Neither needs the other, nor the registry, to be up.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from portfolio import files
from portfolio.bundle import Bundle, Digest, Manifest, Strict, copy_bundle
from portfolio.environment import state_folder
from portfolio.errors import BundleError, RegistryError

CHAMPION_NAME = "champion.json"


class Champion(Strict):
    """What champion.json says: which bundle is served."""

    digest: Digest
    model_version: int
    published_at: str


class Store:
    """The store of one use case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, use_case: str) -> Store:
        return cls(state_folder() / "store" / use_case)

    @property
    def champion_path(self) -> Path:
        return self.folder / CHAMPION_NAME

    def bundle_folder(self, digest: str) -> Path:
        return self.folder / "bundles" / digest

    def champion(self) -> Champion | None:
        """The published champion, or None before the first. Raises RegistryError if champion.json is damaged."""
        try:
            return Champion.model_validate_json(self.champion_path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise RegistryError(
                f"{self.champion_path} is damaged ({error.errors()[0]['msg']}). Publish again: portfolio promote."
            ) from error

    def publish(self, bundle_folder: Path, manifest: Manifest) -> Champion:
        """Put a bundle into the store, check it there, then make it the champion."""
        staged = self.folder / "bundles" / f".{os.getpid()}.staged"
        try:
            copy_bundle(bundle_folder, staged, manifest)
            digest = Bundle.open(staged).digest
            # One that was damaged in the store is replaced: to publish again is the remedy its refusal names.
            if not self.holds(digest):
                files.remove_folder(self.bundle_folder(digest))
                staged.rename(self.bundle_folder(digest))
        finally:
            files.remove_folder(staged)
        assert manifest.lineage.model_version is not None
        champion = Champion(
            digest=digest,
            model_version=manifest.lineage.model_version,
            published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        files.write_text(self.champion_path, champion.model_dump_json(indent=1) + "\n")
        return champion

    def export(self, folder: Path) -> Champion:
        """Copy the champion alone into a store of its own. Raises RegistryError if there is none."""
        champion = self.champion()
        if champion is None:
            raise RegistryError(
                f"No champion of '{self.folder.name}' has been published. Train one: portfolio run {self.folder.name}"
            )
        bundle = Bundle.open(self.bundle_folder(champion.digest))
        with files.replaced_folder(folder) as partial:
            target = Store(partial)
            shutil.copytree(bundle.folder, target.bundle_folder(champion.digest))
            target.champion_path.write_text(champion.model_dump_json(indent=1) + "\n")
        return champion

    def holds(self, digest: str) -> bool:
        """Whether that bundle is there and whole."""
        try:
            return Bundle.open(self.bundle_folder(digest)).digest == digest
        except BundleError:
            return False
