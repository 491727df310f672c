"""What git keeps of the champion: which bundle it is, and the gate's last verdict with its reasons.

    metrics/<use_case>/verdict.json   in git
    champions/<use_case>/             the champion's bundle, under DVC; its pointer champions/<use_case>.dvc is in git

A registry is one machine's, or one server's. With these two, whoever has the repository and its DVC remote has the same
champion.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portfolio.bundle.bundle import Bundle, copy_bundle
from portfolio.bundle.manifest import Lineage, read_manifest
from portfolio.core import files
from portfolio.core.errors import BundleError, DataError, RegistryError
from portfolio.core.paths import Paths

# Brings a folder from DVC's remote; says whether that has it.
Fetch = Callable[[Path], bool]


class Record:
    """The record of one use case, in the current folder."""

    def __init__(self, use_case: str, fetch: Fetch | None = None) -> None:
        self._fetch = fetch
        self._use_case = use_case
        self._path = Paths(use_case).verdict
        self.folder = Paths(use_case).champion

    def read(self) -> dict[str, Any]:
        """The last verdict, or nothing before the first. Raises DataError, with the remedy, if the file is damaged."""
        try:
            return dict(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise DataError(
                f"{self._path} is damaged ({error}). Take one side of a merge whole (git checkout --ours dvc.lock "
                "metrics champions, or --theirs), or bring the last commit's back (git checkout metrics); then run "
                "again."
            ) from error

    def write(self, content: dict[str, Any]) -> None:
        """Write what was decided, unless it stands there already. Nothing decided is no file."""
        if not content:
            self._path.unlink(missing_ok=True)
            return
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        if not self._path.exists() or self._path.read_text(encoding="utf-8") != text:
            files.write_text(self._path, text)

    @property
    def champion(self) -> str | None:
        """The digest of the champion."""
        named: dict[str, str] | None = self.read().get("champion")
        return named["digest"] if named else None

    @property
    def since(self) -> str:
        """When the champion was chosen, in ISO 8601; empty if that is unknown."""
        return str((self.read().get("champion") or {}).get("since", ""))

    def lineage(self, digest: str) -> Lineage | None:
        """Where the bundle comes from, as far as it is the same everywhere; None if it is not the one recorded.

        The first to register a bundle has made it. Whoever has it by git and DVC does not make it anew.
        """
        record = self.read()
        for named in (record.get("champion"), record):
            if named and named.get("digest") == digest:
                lineage = Lineage.model_validate(named["lineage"])
                return lineage.model_copy(update={"mlflow_run_id": None, "model_version": None})
        return None

    def keep(self, bundle_folder: Path) -> None:
        """Copy the champion's bundle to where DVC takes it from, unless it is there.

        Without its lineage, which has the numbers of one registry in it: DVC is to see the same bundle everywhere.
        """
        manifest, digest = read_manifest(bundle_folder)
        if self._digest() != digest:
            copy_bundle(
                bundle_folder, self.folder, manifest.model_copy(update={"created_at": None, "lineage": Lineage()})
            )

    def bundle(self) -> Bundle | None:
        """The champion's bundle; None if it is neither here nor in DVC's remote.

        Raises RegistryError if it could be fetched and was not.
        """
        try:
            return Bundle.open(self.folder)
        except BundleError:
            pointer = self.folder.with_name(f"{self.folder.name}.dvc")
            if pointer.exists() and _has_remote():
                if self._fetch is not None:
                    return Bundle.open(self.folder) if self._fetch(self.folder) else None
                raise RegistryError(
                    f"{pointer} names the champion, and its bundle is not here to compare with. Fetch it: dvc pull "
                    f"{pointer}. If the remote does not have it either, choose by hand: portfolio promote "
                    f"{self._use_case} VERSION --force"
                ) from None
            return None

    def _digest(self) -> str | None:
        try:
            return read_manifest(self.folder)[1]
        except BundleError:
            return None


def _has_remote() -> bool:
    """Whether DVC has a default remote here."""
    settings = configparser.ConfigParser()
    settings.read([Path(".dvc/config"), Path(".dvc/config.local")])
    return settings.has_option("core", "remote")
