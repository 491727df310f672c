"""The champion that is served, kept up to date with the bundle store."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio
import anyio.to_thread
from pydantic import BaseModel

from portfolio.bundle import Bundle
from portfolio.errors import BundleError, PortfolioError
from portfolio.store import Store
from serving.schema import request_model
from serving.settings import Settings

logger = logging.getLogger("serving")


@dataclass(frozen=True)
class Serving:
    """One bundle with all that answers from it need. A request holds on to one, whatever is swapped in meanwhile."""

    bundle: Bundle
    version: int
    request: type[BaseModel]


class Champion:
    """`current` is what is served, or None; `refusal` says why the newest publication is not."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.store)
        self._seen: tuple[int, int, int] | None = None
        self.current: Serving | None = None
        self.refusal: str | None = None

    def refresh(self) -> None:
        """Load the published champion if it has changed. A bundle that is refused leaves the old one serving."""
        try:
            status = self._store.champion_path.stat()
        except OSError:
            # No champion yet, or the store is out of reach: what is loaded goes on.
            return
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.current = self._load()
            self.refusal = None
            logger.info("serving version %d", self.current.version)
        except (PortfolioError, OSError) as error:
            self.refusal = str(error)
            logger.error("%s", error)

    def _load(self) -> Serving:
        champion = self._store.champion()
        if champion is None:
            raise BundleError("The champion was withdrawn while it was read. Publish it again.")
        bundle = Bundle.open(self._store.bundle_folder(champion.digest))
        if bundle.digest != champion.digest:
            raise BundleError(f"Bundle {bundle.folder} is refused: its manifest was changed. Publish it again.")
        if bundle.manifest.use_case != self._settings.use_case:
            raise BundleError(f"Bundle {bundle.folder} is refused: it is of '{bundle.manifest.use_case}'.")
        return Serving(bundle, champion.model_version, request_model(bundle.manifest, self._settings.max_rows))

    async def watch(self) -> None:
        """Look for a new champion for ever. Loading it happens in a thread, so that requests go on."""
        while True:
            await anyio.sleep(self._settings.poll_seconds)
            await anyio.to_thread.run_sync(self.refresh)
