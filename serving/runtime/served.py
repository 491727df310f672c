"""The served model: one bundle with all that answers from it need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from typing_extensions import TypedDict

from portfolio.bundle.bundle import Bundle
from serving.protocols.schema import RequestSchema
from serving.runtime.runner import Plan, Runner


class ModelName(TypedDict):
    """How an answer names the model that made it."""

    use_case: str
    version: int
    digest: str


@dataclass(frozen=True)
class ServedModel:
    """A request holds on to the one it began with, whatever is swapped in meanwhile."""

    bundle: Bundle
    version: int
    schema: RequestSchema
    runner: Runner

    @classmethod
    def of(cls, bundle: Bundle, version: int, max_rows: int) -> ServedModel:
        """Measures the bundle to decide how it is run, which takes up to a second for a slow one."""
        return cls(bundle, version, RequestSchema(bundle.manifest, max_rows), Runner(bundle, Plan.measured(bundle)))

    @cached_property
    def name(self) -> ModelName:
        return ModelName(use_case=self.bundle.manifest.use_case, version=self.version, digest=self.bundle.digest)
