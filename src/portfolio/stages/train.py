"""Train the network, and export it as a bundle."""

from __future__ import annotations

import json

import polars as pl

from portfolio.contract.config import Config
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split
from portfolio.evaluation.metrics import LOSS, score
from portfolio.training.export import write_candidate
from portfolio.training.network import NETWORK, fit_network


def run(use_case: UseCase, config: Config) -> None:
    paths = Paths(use_case.name)
    train, val = load_split(use_case, "train"), load_split(use_case, "val")
    fitted = fit_network(use_case, config, train, val)
    write_candidate(paths.models / NETWORK, use_case, config, fitted, train, val)
    with files.replaced(paths.plots / "training.csv") as partial:
        pl.DataFrame(fitted.history).write_csv(partial)
    best = fitted.history[fitted.best_epoch - 1]
    loss = LOSS[use_case.output.task]
    sides = {"train": train, "val": val}
    metrics = {
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "train_loss": best["train_loss"],
        "val_loss": best["val_loss"],
        "parameters": fitted.parameters,
        # Both sides measured alike: a training loss by epoch has dropout and augmentation in it.
        "fitted": {
            "metric": loss,
            **{
                side: score(use_case.output, split.targets, fitted.predict(split.inputs))[loss]
                for side, split in sides.items()
            },
        },
    }
    files.write_text(paths.metrics("train"), json.dumps(metrics, indent=1) + "\n")
    epochs = f"epoch {fitted.best_epoch} of {len(fitted.history)}"
    print(f"{metrics['parameters']:,} parameters; {epochs} is kept, with a validation loss of {best['val_loss']:.4f}")
