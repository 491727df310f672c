"""The champion that the registry, the store and git agree on, and how they come to where they do not."""

from __future__ import annotations

from dataclasses import dataclass

from portfolio.core.errors import BundleError, RegistryError
from portfolio.registry.bundles import Bundles
from portfolio.registry.change import Change
from portfolio.registry.judgement import incomparable
from portfolio.registry.record import Record
from portfolio.registry.versions import Versions


@dataclass(frozen=True)
class Settled:
    """The champion that the registry, the store and git agree on. `finding` says how they came to."""

    version: int | None
    finding: str


@dataclass(frozen=True)
class Agreement:
    """Sees to it that what is served is never replaced by something worse because a record is missing or old."""

    use_case: str
    versions: Versions
    bundles: Bundles
    record: Record
    change: Change

    def find(self) -> str:
        """Say which champion there is to challenge, which can be told before anything is trained.

        Raises RegistryError if git names one whose bundle could be fetched and was not.
        """
        number = self.versions.champion
        if not self._git_is_ahead(number) and (number is not None or self.bundles.store.champion_path.exists()):
            return "there is one"
        recorded = self.record.champion
        if recorded is None:
            return "none yet"
        return f"bundle {recorded[:12]} of git" if self._has(recorded) else _nowhere(recorded)

    def settle(self, challenger: int) -> Settled:
        """Make the three agree. Raises BundleError if the champion can't be opened, to compare `challenger` with."""
        number = self.versions.champion
        if number is None:
            return self._adopt()
        try:
            return self._keep(number)
        except BundleError as error:
            raise incomparable(error, self.use_case, number, challenger) from error

    def _keep(self, number: int) -> Settled:
        """Publish the registry's champion where the store lacks it, unless git names a later one."""
        digest, served = self.versions.digest(number), self.bundles.served()
        if served is not None and served.digest != digest and not self.versions.with_digest(served.digest):
            raise RegistryError(
                f"What is served, bundle {served.digest[:12]}, is unknown to the registry, whose champion is version "
                f"{number}, bundle {digest[:12]}: an older copy of the registry, or another one. Choose which to "
                f"serve: portfolio promote {self.use_case} {served.digest[:12]} --force, or the same with {digest[:12]}"
            )
        recorded = self.record.champion
        if recorded is not None and self._git_is_ahead(number) and self._has(recorded):
            return self._make_champion(recorded, f"of git, which was chosen after version {number}")
        if served is not None and (served.digest, served.model_version) == (digest, number):
            finding = f"version {number}"
        else:
            self.bundles.store.name_champion(self.bundles.add_to_store(number), number)
            finding = f"version {number}, published: the store did not have it"
        if recorded in (None, digest):
            self.record.keep(self.bundles.store.bundle_folder(digest))
        return Settled(number, finding)

    def _adopt(self) -> Settled:
        """Make a champion of what is served, or else of what git names. Without either there is none yet."""
        if self.bundles.store.champion_path.exists():
            served = self.bundles.served()
            if served is None:
                raise RegistryError(
                    f"The registry names no champion of '{self.use_case}', and the store's is damaged: "
                    "there is nothing to compare with. Bring either back from a copy, or choose by hand: portfolio "
                    f"promote {self.use_case} VERSION --force"
                )
            return self._make_champion(served.digest, "of the store: the registry named none")
        recorded = self.record.champion
        if recorded is None:
            return Settled(None, "none yet")
        if not self._has(recorded):
            return Settled(None, _nowhere(recorded))
        return self._make_champion(recorded, "of git: the registry named none")

    def _make_champion(self, digest: str, why: str) -> Settled:
        number = self.bundles.registered(digest)
        self.change.make_champion(number)
        return Settled(number, f"version {number}, bundle {digest[:12]} {why}")

    def _git_is_ahead(self, number: int | None) -> bool:
        """Whether git names another champion, chosen after the registry's: by a colleague, who may have rolled back."""
        if number is None or self.record.champion in (None, self.versions.digest(number)):
            return False
        return self.record.since > self.versions.champion_since

    def _has(self, recorded: str) -> bool:
        """Whether the bundle that git names is here, or could be fetched."""
        return bool(self.versions.with_digest(recorded)) or self.record.bundle() is not None


def _nowhere(digest: str) -> str:
    return f"none: that of git, bundle {digest[:12]}, is neither here nor in a DVC remote, as in every new clone"
