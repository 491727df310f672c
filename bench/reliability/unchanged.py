"""Retrainings that change nothing but the seed: none may be promoted. In the project it is `python -m` this module."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.reliability import toy
from bench.reliability.flows import trained
from bench.rows import Row
from tests.workspace import TOY


def unchanged(work: Path, *, count: int = 50) -> list[Row]:
    """The same network is trained again and again on the same rows, each time with another seed."""
    project = toy.copy(trained(), work / "project")
    found = toy.inside(project, "unchanged", str(count))
    return [
        Row("retrainings that change nothing but the seed", found["retrainings"], "", at_least=count),
        Row("different challengers among them", found["challengers"], "", at_least=2),
        Row("promoted", found["promoted"], "", at_most=0),
        Row("champions since the first", len(toy.champions(project)) - 2, "", at_most=0),
    ]


def main(count: int) -> None:
    from portfolio.contract.loading import load_use_case
    from portfolio.core import files
    from portfolio.core.environment import local_environment
    from portfolio.core.paths import Paths
    from portfolio.registry.registry import Registry
    from portfolio.stages import evaluate, train

    local_environment()
    case, paths = load_use_case(TOY), Paths(TOY)
    registry = Registry(case)

    def retrained(seed: int) -> int:
        """The number of the network's version, whichever candidate is the best: the others know no seed."""
        config = case.config()
        config = config.model_copy(update={"train": config.train.model_copy(update={"seed": seed})})
        train.run(case, config)
        evaluate.run(case, config)
        files.write_text(paths.best, json.dumps({"folder": str(paths.bundles / "network")}))
        return registry.register(config)

    registry.promote(retrained(0), force=True)
    numbers = [retrained(seed) for seed in range(1, count + 1)]
    promoted = [number for number in numbers if registry.promote(number).promoted]
    print(json.dumps({"retrainings": count, "challengers": len(set(numbers)), "promoted": len(promoted)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
