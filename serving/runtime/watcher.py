"""Keeps what is served up to date with the bundle store."""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
from collections.abc import Callable
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
RETRY_SECONDS = 2
# After a refusal, until it is tried again. The right bundle must be served within seconds of its last file.
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.5, 2.0
Stamp = tuple[int, int, int]
"""When a file was changed last, its number, and its size."""


class Followed:
    """Files of the store that name a bundle: as they were when it was loaded, or refused and why.

    A refusal is not final: a bundle's files may still be arriving, in any order, and faults of the machine pass.
    """

    def __init__(self, *paths: Path) -> None:
        self.refusal: str | None = None
        self._paths = paths
        self._stamps: list[Stamp | None] | None = None
        self._pause_seconds = 0.0
        self._again_at_seconds = math.inf

    def follow(self, load: Callable[[], None], *, force: bool) -> bool:
        """Load what the files name, if they have changed or it was refused a while ago. False if refused again."""
        # As they are before they are read: what changes meanwhile is read again.
        stamps = [_stamp(path) for path in self._paths]
        changed = stamps != self._stamps
        if not (force or changed or time.monotonic() >= self._again_at_seconds):
            return True
        self._stamps = stamps
        try:
            load()
        except Exception as error:
            before, self.refusal = self.refusal, str(error) or type(error).__name__
            is_new = changed or self.refusal != before
            self._pause_seconds = FIRST_RETRY_SECONDS if is_new else min(2 * self._pause_seconds, LAST_RETRY_SECONDS)
            self._again_at_seconds = time.monotonic() + self._pause_seconds
            if is_new:
                logger.error("%s", self.refusal, exc_info=not isinstance(error, (PortfolioError, OSError)))
            return not is_new
        self.refusal, self._again_at_seconds = None, math.inf
        return True


class StoreWatcher:
    """`current` is what is served, or None; `refusal` says why what the store names now is not served."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings.store)
        self._settings = settings
        self._champion = Followed(*self.store.naming_served)
        self._shadow = Followed(self.store.shadow_path)
        self.current: ServedModel | None = None
        self.shadow: tuple[ServedModel, float] | None = None
        self.refusals = 0
        # The watcher and an administrator may ask at once: what the store named last must be what is served.
        self._refreshing = threading.Lock()

    @property
    def refusal(self) -> str | None:
        return self._champion.refusal or self._shadow.refusal

    def served(self) -> ServedModel:
        """What is served now. Raises RequestError before the first champion."""
        if self.current is None:
            raise RequestError(503, "not_ready", self.refusal or self._no_champion, retry_after_seconds=RETRY_SECONDS)
        return self.current

    @property
    def _no_champion(self) -> str:
        name = self._settings.use_case
        return f"No champion of '{name}' has been published yet. Train and publish one: portfolio run {name}"

    def refresh(self, *, force: bool = False) -> None:
        """Load what the store names, if that has changed. If a bundle is refused, the old one stays."""
        with self._refreshing:
            if self.current is not None and not any(_stamp(path) for path in self.store.naming_served):
                # The store is out of reach: what is loaded stays, and the store is checked again.
                return
            self.refusals += not self._champion.follow(self._load_champion, force=force)
            self.refusals += not self._shadow.follow(self._load_shadow, force=force)

    def _load_champion(self) -> None:
        named = self.store.served()
        if named is None:
            logger.warning("%s", self._no_champion)
            return
        replaces = self.current is not None
        # Loaded again even if it is the one being served: its files may have been damaged since.
        self.current = self._load(named)
        logger.info("serving version %d", named.model_version)
        if replaces:
            # The old model's schema is full of reference cycles. Requests leave none, so Python would not look for any
            # until much later.
            gc.collect()

    def _load_shadow(self) -> None:
        self.shadow = None
        shadow = self.store.shadow()
        if shadow is not None:
            self.shadow = self._load(shadow), shadow.share

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
            await anyio.to_thread.run_sync(self.refresh)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
