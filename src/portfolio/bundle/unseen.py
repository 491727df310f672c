"""What of a model's inputs its training never saw: nobody has measured how good the model is there."""

from __future__ import annotations

from portfolio.bundle.manifest import Manifest
from portfolio.core.types import Array

MAX_SHOWN_LENGTH = 100
# Of a text's characters: with a larger share that training never saw, the model can't read it.
MAX_UNSEEN_SHARE = 0.2


class Unseen:
    """Finds categories, and characters of texts, that are not in the manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self.categories = {
            field.name: frozenset(field.categories)
            for field in manifest.inputs
            if field.kind == "category" and field.categories
        }
        self._characters = {
            field.name: frozenset(manifest.reference[field.name].characters)
            for field in manifest.inputs
            if field.normalization and manifest.reference[field.name].characters
        }

    def __call__(self, inputs: dict[str, Array]) -> dict[int, dict[str, str]]:
        """By row, what training never saw, by field: a category, or the characters of a text that has many of them.

        `inputs` are [rows, width] by name. What is missing is neither.
        """
        found: dict[int, dict[str, str]] = {}
        for name, seen in self.categories.items():
            for row, label in enumerate(inputs[name][:, 0].tolist()):
                if label and label not in seen:
                    found.setdefault(row, {})[name] = label[:MAX_SHOWN_LENGTH]
        for name, known in self._characters.items():
            for row, text in enumerate(inputs[name][:, 0].tolist()):
                if not known.issuperset(text):
                    strange = [character for character in text if character not in known]
                    if len(strange) > MAX_UNSEEN_SHARE * len(text):
                        shown = "".join(dict.fromkeys(strange))
                        found.setdefault(row, {})[name] = shown[:MAX_SHOWN_LENGTH]
        return found
