"""Keeps what is served up to date with the bundle store."""

from __future__ import annotations

import gc
import logging
import threading
from pathlib import Path

import anyio
import anyio.to_thread

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Champion, Shadow, Store
from portfolio.core.errors import BundleError, PortfolioError
from serving.errors import RequestError
from serving.runtime.served import ServedModel
from serving.settings import Settings

logger = logging.getLogger("serving")
NO_CHAMPION = "No champion has been published yet. Train and publish one: make run"
RETRY_SECONDS = 2


class StoreWatcher:
    """`current` is what is served, or None; `refusal` says why what the store names now is not served."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings.store)
        self._settings = settings
        self._seen: list[tuple[int, int, int] | None] | None = None
        self.current: ServedModel | None = None
        self.shadow: tuple[ServedModel, float] | None = None
        self.refusal: str | None = None
        self.refusals = 0
        # The watcher and an administrator may ask at once: what the store named last must be what is served.
        self._refreshing = threading.Lock()

    def served(self) -> ServedModel:
        """What is served now. Raises RequestError before the first champion."""
        if self.current is None:
            raise RequestError(503, "not_ready", self.refusal or NO_CHAMPION, retry_after_seconds=RETRY_SECONDS)
        return self.current

    def refresh(self, *, force: bool = False) -> None:
        """Load what the store names, if that has changed. If a bundle is refused, the old one stays."""
        with self._refreshing:
            self._refresh(force)

    def _refresh(self, force: bool) -> None:
        seen = [_stamp(path) for path in self.store.watched]
        if seen == self._seen and not force:
            return
        if seen[0] is None and seen[1] is None and self.current is not None:
            # The store is out of reach: what is loaded stays, and the store is checked again.
            return
        self._seen = seen
        try:
            named = self.store.served()
            # Loaded again even if it is the one being served: its files may have been damaged since.
            if named is not None:
                self.current = self._load(named)
                logger.info("serving version %d", named.model_version)
                # The old model's schema is full of reference cycles. Requests leave none, so Python would not look
                # for any until much later.
                gc.collect()
            self.refusal = None
        except (PortfolioError, OSError) as error:
            self._refuse(error)
        try:
            shadow = self.store.shadow()
            self.shadow = None if shadow is None else (self._load(shadow), shadow.share)
        except (PortfolioError, OSError) as error:
            self.shadow = None
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        self.refusal = str(error)
        self.refusals += 1
        logger.error("%s", error)

    def _load(self, named: Champion | Shadow) -> ServedModel:
        bundle = Bundle.open(self.store.bundle_folder(named.digest))
        if bundle.digest != named.digest:
            raise BundleError(f"Bundle {bundle.folder} is refused: its manifest was changed. Publish it again.")
        if bundle.manifest.use_case != self._settings.use_case:
            raise BundleError(
                f"Bundle {bundle.folder} is refused: it is for '{bundle.manifest.use_case}', and this server serves "
                f"'{self._settings.use_case}'. Publish a bundle of that use case."
            )
        return ServedModel.of(bundle, named.model_version, self._settings.max_rows)

    async def watch(self) -> None:
        """Check for changes until cancelled. Loading happens in a thread, so that requests go on."""
        while True:
            await anyio.sleep(self._settings.poll_seconds)
            try:
                await anyio.to_thread.run_sync(self.refresh)
            except Exception:
                # Whatever it was, what is loaded stays, and the next check may succeed.
                logger.exception("the store could not be read")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
