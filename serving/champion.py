"""What is served, kept up to date with the bundle store."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import anyio
import anyio.to_thread

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Champion as Named
from portfolio.bundle.store import Shadow, Store
from portfolio.core.errors import BundleError, PortfolioError
from serving.exchange import RequestError
from serving.runner import Plan, Runner
from serving.schema import Requests
from serving.settings import Settings

logger = logging.getLogger("serving")
NO_CHAMPION = "No champion has been published yet. Train and publish one: make run"
RETRY_SECONDS = 2


@dataclass(frozen=True)
class Serving:
    """One bundle with all that answers from it need. A request holds on to one, whatever is swapped in meanwhile."""

    bundle: Bundle
    version: int
    requests: Requests
    runner: Runner

    @cached_property
    def name(self) -> dict[str, Any]:
        """How an answer names it."""
        return {"use_case": self.bundle.manifest.use_case, "version": self.version, "digest": self.bundle.digest}


class Champion:
    """`current` is what is served, or None; `refusal` says why what the store names now is not."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings.store)
        self._settings = settings
        self._seen: list[tuple[int, int, int] | None] | None = None
        self.current: Serving | None = None
        self.shadow: tuple[Serving, float] | None = None
        self.refusal: str | None = None
        self.refusals = 0
        # The watcher and an administrator's wish may come at once: what was named last must be what is served.
        self._refreshing = threading.Lock()

    def serving(self) -> Serving:
        """What is served now. Raises RequestError before the first champion."""
        if self.current is None:
            raise RequestError(503, "not_ready", self.refusal or NO_CHAMPION, retry_after_seconds=RETRY_SECONDS)
        return self.current

    def refresh(self, *, force: bool = False) -> None:
        """Load what the store names, if that has changed. A bundle that is refused leaves the old one serving."""
        with self._refreshing:
            self._refresh(force)

    def _refresh(self, force: bool) -> None:
        seen = [_stamp(path.stat) for path in self.store.watched]
        if seen == self._seen and not force:
            return
        if seen[0] is None and seen[1] is None and self.current is not None:
            # The store is out of reach: what is loaded goes on, and the store is looked at again.
            return
        self._seen = seen
        try:
            named = self.store.served()
            # Also the one that is loaded, where it is named anew: its files may have been damaged since.
            if named is not None:
                self.current = self._load(named)
                logger.info("serving version %d", named.model_version)
                # The checks of the one before refer to each other, and requests leave nothing of the kind: otherwise it
                # would be long before Python looks for such.
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

    def _load(self, named: Named | Shadow) -> Serving:
        bundle = Bundle.open(self.store.bundle_folder(named.digest))
        if bundle.digest != named.digest:
            raise BundleError(f"Bundle {bundle.folder} is refused: its manifest was changed. Publish it again.")
        if bundle.manifest.use_case != self._settings.use_case:
            raise BundleError(f"Bundle {bundle.folder} is refused: it is of '{bundle.manifest.use_case}'.")
        requests = Requests(bundle.manifest, self._settings.max_rows)
        return Serving(bundle, named.model_version, requests, Runner(bundle, Plan.measured(bundle)))

    async def watch(self) -> None:
        """Look for a change for ever. Loading happens in a thread, so that requests go on."""
        while True:
            await anyio.sleep(self._settings.poll_seconds)
            try:
                await anyio.to_thread.run_sync(self.refresh)
            except Exception:
                # Whatever it is, what is loaded goes on, and the next look may succeed.
                logger.exception("the store could not be read")


def _stamp(stat: Callable[[], Any]) -> tuple[int, int, int] | None:
    try:
        found = stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
