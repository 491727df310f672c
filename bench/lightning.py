"""Lightning against a raw PyTorch loop: the same networks, data, order, seeds and schedule.

Both train for the same number of epochs, and after each both write what a killed run is resumed from.
Run it where the stages up to `prepare` have run: `python -m bench.lightning`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn import functional

from portfolio.contract.loading import load_use_case
from portfolio.core.paths import default_use_case
from portfolio.core.types import Array
from portfolio.data.dataset import Split, load_split, sklearn_input
from portfolio.training.ensemble import Ensemble
from portfolio.training.lightning import Batches, fit, limit_threads
from portfolio.training.network import TargetScale

ROUNDS = 5


def main() -> None:
    limit_threads()
    use_case = load_use_case(default_use_case())
    config, task = use_case.config(), use_case.output.task
    params = config.train.model_copy(update={"patience": config.train.max_epochs, "accelerator": "cpu"})
    splits = load_split(use_case, "train"), load_split(use_case, "val")
    preprocessor, scale = use_case.preprocessor(), TargetScale.of(use_case, splits[0].targets)
    if preprocessor is not None:
        preprocessor.fit(sklearn_input(use_case, splits[0].inputs))

    def tensors(split: Split) -> tuple[Array, Array]:
        rows = sklearn_input(use_case, split.inputs)
        features = np.asarray(rows if preprocessor is None else preprocessor.transform(rows), dtype=np.float32)
        return features, scale.forward(split.targets)

    train, val = tensors(splits[0]), tensors(splits[1])

    def networks() -> list[torch.nn.Module]:
        torch.manual_seed(params.seed)
        network_params = use_case.network_params.read(config.network)
        return [use_case.network(network_params, train[0].shape[1]) for _ in range(params.members)]

    def loss(outputs: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
        if outputs.dim() == 3:
            outputs, expected = outputs.flatten(0, 1), expected.repeat(len(outputs))
        if task == "classification":
            return functional.cross_entropy(outputs, expected)
        return functional.mse_loss(outputs[:, 0], expected)

    def with_lightning() -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            fitted = fit(networks(), task, train, val, params, Path(folder) / "run")
        return [row["val_loss"] for row in fitted.history]

    def raw() -> list[float]:
        features, targets = (torch.from_numpy(array) for array in train)
        val_features, val_targets = (torch.from_numpy(array) for array in val)
        model = Ensemble(networks(), task)
        optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=params.max_epochs)
        losses: list[float] = []
        folder = Path(tempfile.mkdtemp())
        for epoch in range(params.max_epochs):
            torch.manual_seed(params.seed + 1 + epoch)
            model.train()
            for batch, labels in Batches(features, targets, params.batch_size, params.seed + epoch):
                optimizer.zero_grad()
                loss(model(batch), labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            schedule.step()
            model.eval()
            with torch.no_grad():
                losses.append(float(loss(model(val_features), val_targets)))
            if losses[-1] == min(losses):
                best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch, "best": best}
            torch.save(state, folder / "last.ckpt")
        shutil.rmtree(folder)
        return losses

    seconds: dict[str, list[float]] = {"lightning": [], "raw": []}
    difference = 0.0
    with_lightning(), raw()  # so that what happens only once is not timed
    for _ in range(ROUNDS):
        losses = {}
        for name, run in (("lightning", with_lightning), ("raw", raw)):
            started = time.perf_counter()
            losses[name] = run()
            seconds[name].append(time.perf_counter() - started)
        difference = max(difference, *(abs(a - b) for a, b in zip(losses["lightning"], losses["raw"], strict=True)))
    print(
        json.dumps(
            {
                "lightning_seconds": median(seconds["lightning"]),
                "raw_seconds": median(seconds["raw"]),
                "largest_loss_difference": difference,
                "epochs": params.max_epochs,
            }
        )
    )


if __name__ == "__main__":
    main()
