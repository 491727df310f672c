"""The manifests of bundles that have given answers, by digest: another may be served by now."""

from __future__ import annotations

from collections import OrderedDict

from portfolio.bundle.manifest import Manifest, read_manifest
from portfolio.bundle.store import Store
from portfolio.core.errors import BundleError

KNOWN_MANIFESTS = 8


class Manifests:
    """Those of a store. For one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, Manifest] = OrderedDict()

    def get(self, digest: str) -> Manifest | None:
        """None if the store no longer has that bundle."""
        found = self._known.get(digest)
        if found is None:
            try:
                found, known = read_manifest(self._store.bundle_folder(digest))
            except BundleError:
                return None
            if known != digest:
                return None
            self._known[digest] = found
            if len(self._known) > KNOWN_MANIFESTS:
                self._known.popitem(last=False)
        return found
