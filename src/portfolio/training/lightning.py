"""Training of a network with Lightning: the module, the loader and `fit`."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch import nn
from torch.nn import functional

from portfolio.contract.config import Train
from portfolio.core.errors import ConfigError
from portfolio.core.types import Array
from portfolio.training.ensemble import Ensemble

CHECKPOINT = "last.ckpt"

Augmentation = Callable[[torch.Tensor], torch.Tensor]
OnEpoch = Callable[[int, float], bool]


class Batches:
    """Whole batches sliced from tensors in memory: no worker processes, no row-by-row collation."""

    def __init__(self, features: torch.Tensor, targets: torch.Tensor, batch_size: int, seed: int | None) -> None:
        self._features = features
        self._targets = targets
        self._batch_size = batch_size
        self._seed = seed

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Pairs of features [batch, width] and targets [batch]; shuffled if there is a seed."""
        order = None
        if self._seed is not None:
            order = torch.randperm(len(self._targets), generator=torch.Generator().manual_seed(self._seed))
        for start in range(0, len(self._targets), self._batch_size):
            part = slice(start, start + self._batch_size)
            rows = part if order is None else order[part]
            yield self._features[rows], self._targets[rows]


class NetworkModule(pl.LightningModule):
    """An ensemble of a use case's networks with its loss, optimizer and schedule."""

    def __init__(self, network: Ensemble, task: str, train: Train, augment: Augmentation | None = None) -> None:
        super().__init__()
        # Lightning's automatic optimization calls a dozen hooks per batch, none of which are used here.
        self.automatic_optimization = False
        self.network = network
        self._task = task
        self._train = train
        self._augment = augment

    def _loss(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        features, targets = batch
        outputs = self.network(features)
        if outputs.dim() == 3:
            # The mean of the members' losses. AdamW's steps do not depend on the scale of a loss, so each member takes
            # the steps that it would take alone.
            outputs, targets = outputs.flatten(0, 1), targets.repeat(len(outputs))
        if self._task == "classification":
            return functional.cross_entropy(outputs, targets)
        return functional.mse_loss(outputs[:, 0], targets)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        features, targets = batch
        loss = self._loss((features if self._augment is None else self._augment(features), targets))
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        # Kept here, because calling self.log() in each step takes a sixth of a small network's training time.
        self._losses.append(loss.detach())
        self._rows.append(len(targets))

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        self.log("val_loss", self._loss(batch), on_step=False, on_epoch=True, batch_size=len(batch[1]))

    def on_train_start(self) -> None:
        # A training that stopped early, and was killed before its checkpoint was deleted, does not continue.
        stopping = self.trainer.early_stopping_callback
        assert stopping is not None
        self.trainer.should_stop = stopping.wait_count >= stopping.patience

    def on_train_epoch_start(self) -> None:
        self._losses: list[torch.Tensor] = []
        self._rows: list[int] = []
        # In each epoch, dropout and augmentation draw the same numbers whether or not training was resumed.
        torch.manual_seed(self._train.seed + 1 + self.current_epoch)

    def on_train_epoch_end(self) -> None:
        schedule: Any = self.lr_schedulers()
        schedule.step()

    @property
    def train_loss(self) -> float:
        """The mean over the rows of this epoch so far."""
        losses = torch.stack(self._losses).cpu()
        return float(losses @ torch.tensor(self._rows, dtype=losses.dtype)) / sum(self._rows)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self._train.learning_rate, weight_decay=self._train.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self._train.max_epochs)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


class Data(pl.LightningDataModule):
    """The training and validation tensors. The order of an epoch follows from the seed and the epoch's number."""

    def __init__(self, train: tuple[Array, Array], val: tuple[Array, Array], params: Train) -> None:
        super().__init__()
        self._tensors = [tuple(torch.from_numpy(array) for array in split) for split in (train, val)]
        self._params = params

    def train_dataloader(self) -> Batches:
        features, targets = self._tensors[0]
        epoch = self.trainer.current_epoch if self.trainer else 0
        return Batches(features, targets, self._params.batch_size, self._params.seed + epoch)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        # Lightning's own version looks for tensors at any depth, and takes ten times as long.
        features, targets = batch
        return features.to(device), targets.to(device)

    def val_dataloader(self) -> Batches:
        features, targets = self._tensors[1]
        return Batches(features, targets, 4096, None)


class History(Callback):
    """The losses by epoch, and the best epoch's weights. Part of each checkpoint, so that a resumed run has them."""

    def __init__(self, on_epoch: OnEpoch | None) -> None:
        self.rows: list[dict[str, float]] = []
        self.best_epoch = 0
        self.best_weights: dict[str, torch.Tensor] = {}
        self._on_epoch = on_epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, NetworkModule)
        self.rows.append(
            {
                "epoch": trainer.current_epoch + 1,
                "train_loss": pl_module.train_loss,
                "val_loss": float(trainer.callback_metrics["val_loss"]),
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            }
        )
        if not self.best_epoch or self.rows[-1]["val_loss"] < self.rows[self.best_epoch - 1]["val_loss"]:
            self.best_epoch = len(self.rows)
            self.best_weights = {name: tensor.clone() for name, tensor in pl_module.network.state_dict().items()}
        if self._on_epoch is not None:
            trainer.should_stop |= self._on_epoch(trainer.current_epoch + 1, self.rows[-1]["val_loss"])
        elif not sys.stderr.isatty():
            losses = "training loss {train_loss:.4f}, validation loss {val_loss:.4f}".format(**self.rows[-1])
            print(f"epoch {trainer.current_epoch + 1} of at most {trainer.max_epochs}: {losses}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "best_epoch": self.best_epoch, "best_weights": self.best_weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.best_epoch = list(state_dict["rows"]), state_dict["best_epoch"]
        self.best_weights = state_dict["best_weights"]


@dataclass(frozen=True)
class Fitted:
    network: nn.Module
    history: list[dict[str, float]]
    """The losses by epoch. The first epoch is 1."""
    best_epoch: int


def limit_threads() -> None:
    """Use at most half of the cores. The rest are for what runs at the same time: baselines, or another trial.

    Threads that share a core with another process wait for each other at every layer: on two cores a training has been
    seen to take ten times as long for it, while one thread alone is as fast as two for networks of this size.
    """
    torch.set_num_threads(min(torch.get_num_threads(), max(1, (os.cpu_count() or 1) // 2)))


def run_key(*parts: object) -> str:
    """A name for a training run from everything it depends on, so that only the same run is ever resumed."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:16]


def fit(
    members: Sequence[nn.Module],
    task: str,
    train: tuple[Array, Array],
    val: tuple[Array, Array],
    params: Train,
    folder: Path,
    augment: Augmentation | None = None,
    on_epoch: OnEpoch | None = None,
) -> Fitted:
    """Train networks side by side with early stopping, and return their ensemble of the best epoch.

    Arrays are float32 [rows, width] and targets int64 or float32 [rows]. Every epoch leaves a checkpoint in
    `folder`; if there is one already, training goes on from it. The folder is removed at the end. `augment` changes
    the features of a training batch. `on_epoch` is told each epoch's number and validation loss, and says whether to
    stop; with it, the caller also shows the progress.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    # `train.accelerator` says which one to use.
    warnings.filterwarnings("ignore", message=".*available but not used.*")
    # Advice about worker processes does not apply to data in memory.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Between Lightning and torch.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")
    limit_threads()
    pl.seed_everything(params.seed, verbose=False)
    history = History(on_epoch)
    show_bar = on_epoch is None and sys.stderr.isatty()
    trainer = _trainer(
        accelerator=params.accelerator,
        devices=1,
        max_epochs=params.max_epochs,
        callbacks=[
            # Before the checkpoint, so that each checkpoint has its own epoch's row.
            history,
            EarlyStopping("val_loss", patience=params.patience),
            # After every epoch, whatever its loss: `save_last` writes one only together with the best one.
            ModelCheckpoint(folder, filename=CHECKPOINT.removesuffix(".ckpt"), enable_version_counter=False),
            *([TQDMProgressBar(refresh_rate=20)] if show_bar else []),
        ],
        enable_progress_bar=show_bar,
        logger=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        reload_dataloaders_every_n_epochs=1,
        deterministic=True,
    )
    module = NetworkModule(Ensemble(members, task), task, params, augment)
    resume = folder / CHECKPOINT if _resumable(folder / CHECKPOINT, module) else None
    if resume:
        if on_epoch is None:
            print(f"resuming from {resume}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    # weights_only: a checkpoint is tensors and plain values, never code.
    trainer.fit(module, datamodule=Data(train, val, params), ckpt_path=resume, weights_only=True)
    module.network.load_state_dict(history.best_weights)
    shutil.rmtree(folder)
    return Fitted(module.network.cpu().eval(), history.rows, history.best_epoch)


def _trainer(**arguments: Any) -> pl.Trainer:
    try:
        return pl.Trainer(**arguments)
    except MisconfigurationException as error:
        raise ConfigError(
            f"train.accelerator: PyTorch finds no '{arguments['accelerator']}' on this machine. Set auto or cpu."
        ) from error


def _resumable(checkpoint: Path, module: NetworkModule) -> bool:
    """Whether there is an intact checkpoint of this network."""
    try:
        found = torch.load(checkpoint, weights_only=True)["state_dict"]
    except Exception:  # a truncated file fails in many ways, and all of them mean starting again
        return False
    shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
    return {name: tensor.shape for name, tensor in found.items()} == shapes


def outputs(network: nn.Module, features: Array) -> Array:
    """The network's outputs for float32 features [rows, width], computed in slices to bound the memory."""
    tensor = torch.from_numpy(features)
    with torch.inference_mode():
        return np.concatenate([network(part).numpy() for part in torch.split(tensor, 8192)])
