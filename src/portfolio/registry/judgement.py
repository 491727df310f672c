"""What is to be said of a challenger: what stands from before, what needs no comparison, or what the gate finds."""

from __future__ import annotations

from dataclasses import dataclass

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import NOT_IDENTITY, Manifest, behavior_sha256
from portfolio.contract.config import Value
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import BundleError
from portfolio.evaluation.gate import Verdict, judge
from portfolio.registry.bundles import Bundles
from portfolio.registry.decisions import Decisions


@dataclass(frozen=True)
class Judgement:
    """Compares a use case's challengers with its champion."""

    use_case: UseCase
    bundles: Bundles
    decisions: Decisions

    def of(self, number: int, champion: int | None) -> Verdict:
        """Raises BundleError if the champion can't be opened."""
        challenger = self.bundles.open(number)
        manifest = challenger.manifest
        if {manifest.model_sha256, behavior_sha256(manifest)} & set(self.decisions.rolled_back()):
            return Verdict.decided(False, "rolled_back")
        last = self.decisions.last(number)
        if last and last.asked == self.decisions.asked(number):
            return last.verdict
        if champion is None:
            return self._ask(None, challenger, number)
        try:
            old = self.bundles.open(champion)
        except BundleError as error:
            raise incomparable(error, self.use_case.name, champion, number) from error
        verdict = of_same_model(old.manifest, manifest, self.use_case.config().value)
        return verdict or self._ask(old, challenger, number)

    def _ask(self, champion: Bundle | None, challenger: Bundle, number: int) -> Verdict:
        """Ask the gate, and count it: the more often the same champion is challenged, the surer one has to be."""
        against = "" if champion is None else champion.manifest.model_sha256
        earlier = self.decisions.earlier(against)
        verdict = judge(self.use_case, self.use_case.config(), champion, challenger, earlier)
        for check in verdict.checks:
            if check.name == "value":
                self.decisions.count_try(number, against, check.figures["rows"])
        return verdict


def incomparable(error: BundleError, use_case: str, champion: int | None, number: int) -> BundleError:
    """The error, and the way past a champion that can't be opened."""
    return BundleError(
        f"{error} It is the champion, version {champion}, so there is nothing to compare version {number} with. To "
        f"promote that by hand: portfolio promote {use_case} {number} --force"
    )


def of_same_model(champion: Manifest, challenger: Manifest, value: Value) -> Verdict | None:
    """What is to be said of the champion's own model in another bundle.

    None if it is another model, or decides by other prices than the config has now: that is for the gate.
    """
    if _learned(champion) != _learned(challenger):
        return None
    same = behavior_sha256(champion) == behavior_sha256(challenger)
    if not same and challenger.policy != value.policy:
        return None
    old, new = (manifest.model_dump(exclude=set(NOT_IDENTITY)) for manifest in (champion, challenger))
    names = {"inputs": "fields", "policy": "prices"}
    changed = ", ".join(names.get(key, key) for key in new if old[key] != new[key])
    return Verdict.decided(True, "same_behavior" if same else "new_prices", changed=changed)


def _learned(manifest: Manifest) -> tuple[object, ...]:
    """What only the gate lets through: the model, what it learned of its own errors, and what clients rely on."""
    fields = [(field.name, field.kind, field.width) for field in manifest.inputs]
    # A label's bounds, like its unit, change no answer.
    output = manifest.output.model_copy(update={"unit": "", "minimum": None, "maximum": None})
    return manifest.model_sha256, manifest.error_ratios, output, fields
