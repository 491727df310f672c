"""The loop without Prefect, DVC and MLflow: the same work, one step after the other, in one process.

Run it in a clone's root: `python -m bench.bare USE_CASE`.
"""

from __future__ import annotations

import json
import sys

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.contract.loading import load_use_case
from portfolio.core import files
from portfolio.core.paths import Paths
from portfolio.data.collect import collect as collect_new


def main(name: str) -> None:
    use_case, paths = load_use_case(name), Paths(name)
    config = use_case.config()
    collect_new(use_case.source, paths.batches, config.collect.until)
    # Imported when they are needed, as in the stages' own processes.
    from portfolio.stages import check

    check.run(use_case, config)
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
    from portfolio.evaluation.gate import judge

    bundle = Bundle.open(paths.best_folder())
    verdict = judge(use_case, config, None, bundle)
    if verdict.promoted:
        lineage = bundle.manifest.lineage.model_copy(update={"model_version": 1})
        Store.of(name).publish(paths.best_folder(), bundle.manifest.model_copy(update={"lineage": lineage}))
    files.write_text(paths.verdict, json.dumps({"version": 1, **verdict.as_dict()}))
    from portfolio.stages import report

    report.run(use_case, config)


if __name__ == "__main__":
    main(sys.argv[1])
