"""The bundle store: bundles by digest, and one small champion.json that is replaced in one step.

    .state/store/<use_case>/bundles/<digest>/{model.onnx, manifest.json}
    .state/store/<use_case>/champion.json   what was promoted
    .state/store/<use_case>/pinned.json     what is served instead, while it is there
    .state/store/<use_case>/shadow.json     what a share of the requests is also run through, for the log alone

Training publishes here; serving watches it. Neither needs the other, nor the registry, to be up.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from portfolio.bundle.bundle import Bundle, copy_bundle
from portfolio.bundle.manifest import Manifest, read_manifest, write_manifest
from portfolio.core import files
from portfolio.core.environment import state_folder
from portfolio.core.errors import BundleError, RegistryError
from portfolio.core.types import Digest, Strict

CHAMPION_NAME = "champion.json"
PINNED_NAME = "pinned.json"
SHADOW_NAME = "shadow.json"


class Champion(Strict):
    """What champion.json or pinned.json says: which bundle is served."""

    digest: Digest
    model_version: int
    published_at: str


class Shadow(Strict):
    """What shadow.json says: which bundle runs beside the one that is served, and on which share of the requests."""

    digest: Digest
    model_version: int
    share: float = Field(gt=0, le=1)


Named = TypeVar("Named", Champion, Shadow)


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

    @property
    def naming_served(self) -> tuple[Path, Path]:
        """The files that say what is to be served."""
        return self.champion_path, self.folder / PINNED_NAME

    @property
    def shadow_path(self) -> Path:
        return self.folder / SHADOW_NAME

    def bundle_folder(self, digest: str) -> Path:
        return self.folder / "bundles" / digest

    def champion(self) -> Champion | None:
        """The published champion, or None before the first. Raises RegistryError if champion.json is damaged."""
        return self._read(CHAMPION_NAME, Champion)

    def served(self) -> Champion | None:
        """What is to be served: the pinned bundle, or else the champion."""
        return self._read(PINNED_NAME, Champion) or self.champion()

    def shadow(self) -> Shadow | None:
        return self._read(SHADOW_NAME, Shadow)

    def pin(self, reference: int | str) -> Champion:
        """Serve this bundle, whatever is published, until `unpin`. Raises RegistryError as `find` does."""
        pinned = self._named(*self.find(reference))
        files.write_text(self.folder / PINNED_NAME, pinned.model_dump_json(indent=1) + "\n")
        return pinned

    def unpin(self) -> None:
        """Serve the champion again."""
        (self.folder / PINNED_NAME).unlink(missing_ok=True)

    def set_shadow(self, reference: int | str, share: float) -> None:
        """Run a share of the requests through this bundle too. A share of 0 ends that."""
        if share == 0:
            self.shadow_path.unlink(missing_ok=True)
            return
        digest, version = self.find(reference)
        shadow = Shadow(digest=digest, model_version=version, share=share)
        files.write_text(self.shadow_path, shadow.model_dump_json(indent=1) + "\n")

    def find(self, reference: int | str) -> tuple[str, int]:
        """The digest and the version of the bundle with that version, or whose digest begins so.

        Raises RegistryError if there is none, or more than one: a registry that was begun anew counts from 1 again.
        """
        known = [(digest, manifest.lineage.model_version or 0) for digest, manifest in self.manifests().items()]
        if isinstance(reference, int):
            what, found = f"version {reference}", [entry for entry in known if entry[1] == reference]
        else:
            what, found = f"bundle {reference}", [entry for entry in known if entry[0].startswith(reference)]
        if len(found) == 1:
            return found[0]
        there = ", ".join(f"{digest[:12]} (version {version})" for digest, version in found or known) or "none"
        if found:
            raise RegistryError(
                f"The store of '{self.folder.name}' has more than one {what}: {there}. Name the one by its digest."
            )
        raise RegistryError(f"The store of '{self.folder.name}' has no {what}. There are: {there}.")

    def manifests(self) -> dict[str, Manifest]:
        """The manifests of all bundles in the store, by digest, the newest version first. Damaged ones are left out."""
        found = {}
        for folder in (self.folder / "bundles").glob("[0-9a-f]*"):
            try:
                manifest, digest = read_manifest(folder)
            except BundleError:
                continue
            if digest == folder.name:
                found[digest] = manifest
        return dict(sorted(found.items(), key=lambda item: -(item[1].lineage.model_version or 0)))

    def add(self, bundle_folder: Path, manifest: Manifest) -> str:
        """Put a bundle into the store and check it there. Gives back its digest."""
        staged = self.folder / "bundles" / f".{os.getpid()}.staged"
        try:
            copy_bundle(bundle_folder, staged, manifest)
            digest = Bundle.open(staged).digest
            # One that was damaged in the store is replaced: to publish again is the remedy its refusal names.
            if not self.holds(digest):
                files.remove_folder(self.bundle_folder(digest))
                staged.rename(self.bundle_folder(digest))
            elif read_manifest(self.bundle_folder(digest))[0] != manifest:
                # The same bundle in another registry: its version there.
                write_manifest(self.bundle_folder(digest), manifest)
        finally:
            files.remove_folder(staged)
        return digest

    def publish(self, bundle_folder: Path, manifest: Manifest) -> Champion:
        """Put a bundle into the store, check it there, then make it the champion."""
        assert manifest.lineage.model_version is not None
        return self.name_champion(self.add(bundle_folder, manifest), manifest.lineage.model_version)

    def name_champion(self, digest: str, version: int) -> Champion:
        """Make a bundle of the store the champion, in one step."""
        champion = self._named(digest, version)
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

    def _named(self, digest: str, version: int) -> Champion:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Champion(digest=digest, model_version=version, published_at=now)

    def _read(self, name: str, model: type[Named]) -> Named | None:
        path = self.folder / name
        try:
            return model.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise RegistryError(
                f"{path} is damaged ({error.errors()[0]['msg']}). Write it again with `portfolio promote`, `pin` or "
                "`shadow`."
            ) from error
