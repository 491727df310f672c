"""The loop without Prefect, DVC and MLflow: the same work, one step after the other, in one process.

Run it in a clone's root: `python -m bench.bare USE_CASE`.
"""

from __future__ import annotations

import sys

from portfolio import source
from portfolio.bundle import read_manifest
from portfolio.config import load_config
from portfolio.paths import Paths
from portfolio.store import Store
from portfolio.use_case import load_use_case


def main(name: str) -> None:
    use_case, config, paths = load_use_case(name), load_config(name), Paths(name)
    source.collect(use_case.source(config), paths.batches)
    # Imported when they are needed, as in the stages' own processes.
    from portfolio.stages import validate

    validate.run(use_case, config)
    from portfolio.stages import prepare

    prepare.run(use_case, config)
    from portfolio.stages import baselines

    baselines.run(use_case, config)
    from portfolio.stages import train

    train.run(use_case, config)
    from portfolio.stages import evaluate

    evaluate.run(use_case, config)
    best = paths.best_folder()
    manifest, _ = read_manifest(best)
    lineage = manifest.lineage.model_copy(update={"model_version": 1})
    Store.of(name).publish(best, manifest.model_copy(update={"lineage": lineage}))


if __name__ == "__main__":
    main(sys.argv[1])
