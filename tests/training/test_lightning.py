"""Real Lightning, on a problem so small that an epoch takes milliseconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from portfolio.contract.config import Train
from portfolio.core.errors import ConfigError
from portfolio.core.types import Array
from portfolio.training.lightning import Batches, Fitted, NetworkModule, fit, outputs, run_key

PARAMS = Train(
    seed=7,
    max_epochs=6,
    batch_size=16,
    learning_rate=0.02,
    weight_decay=0.0,
    patience=6,
    accelerator="cpu",
    augment=False,
)


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has a GPU")
def test_an_accelerator_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.accelerator: PyTorch finds no 'gpu'"):
        train(tmp_path / "run", PARAMS.model_copy(update={"accelerator": "gpu"}))


def split(rows: int, seed: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 4)).astype(np.float32)
    return features, (features.sum(axis=1) > 0).astype(np.int64)


def train(folder: Path, params: Train = PARAMS, val: tuple[Array, Array] | None = None) -> Fitted:
    torch.manual_seed(params.seed)
    # Dropout draws random numbers in every step: a resumed run must draw the same.
    network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
    return fit([network], "classification", split(200, 0), split(60, 1) if val is None else val, params, folder)


def same(one: Fitted, other: Fitted) -> bool:
    weights = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return (
        one.history == other.history
        and one.best_epoch == other.best_epoch
        and all(torch.equal(a, b) for a, b in weights)
    )


def interrupted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, when: Callable[..., bool]) -> None:
    """Make a call of `owner.name` fail, once, when `when` of its arguments holds."""
    original = getattr(owner, name)

    def breaking(*arguments: Any, **named: Any) -> Any:
        if when(*arguments):
            monkeypatch.setattr(owner, name, original)
            raise InterruptedError
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, breaking)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return train(tmp_path_factory.mktemp("uninterrupted") / "run")


def test_an_epoch_covers_each_row_once() -> None:
    features = torch.arange(103.0).reshape(-1, 1)
    batches = Batches(features, torch.arange(103), 16, seed=3)
    found = list(batches)
    assert len(found) == len(batches) == 7
    targets = torch.cat([targets for _, targets in found])
    assert sorted(targets.tolist()) == list(range(103))
    assert targets.tolist() != list(range(103))
    assert all(torch.equal(rows[:, 0].long(), targets) for rows, targets in found)


def test_without_a_seed_rows_keep_their_order() -> None:
    batches = Batches(torch.zeros(10, 1), torch.arange(10), 4, seed=None)
    assert [targets.tolist() for _, targets in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_epochs_are_shuffled_differently_and_alike_in_every_run() -> None:
    first, again, other = (
        [targets.tolist() for _, targets in Batches(torch.zeros(50, 1), torch.arange(50), 50, seed)]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_it_learns(uninterrupted: Fitted) -> None:
    losses = [row["val_loss"] for row in uninterrupted.history]
    assert losses[-1] < losses[0] / 2
    assert [row["epoch"] for row in uninterrupted.history] == list(range(1, PARAMS.max_epochs + 1))
    rates = [row["learning_rate"] for row in uninterrupted.history]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0] / 4


def test_the_network_is_that_of_the_best_epoch(uninterrupted: Fitted) -> None:
    best = min(uninterrupted.history, key=lambda row: row["val_loss"])
    assert uninterrupted.best_epoch == best["epoch"]
    features, targets = split(60, 1)
    loss = nn.functional.cross_entropy(
        torch.from_numpy(outputs(uninterrupted.network, features)), torch.from_numpy(targets)
    )
    assert float(loss) == pytest.approx(best["val_loss"], rel=1e-5)


def test_a_seed_gives_the_same_run_twice(tmp_path: Path, uninterrupted: Fitted) -> None:
    assert same(train(tmp_path / "run"), uninterrupted)
    assert not (tmp_path / "run").exists()


def test_another_seed_gives_another_run(tmp_path: Path, uninterrupted: Fitted) -> None:
    assert not same(train(tmp_path / "run", PARAMS.model_copy(update={"seed": 8})), uninterrupted)


@pytest.mark.parametrize("epoch", [1, 4])
def test_a_resumed_run_is_the_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Fitted, epoch: int
) -> None:
    interrupted(
        monkeypatch,
        NetworkModule,
        "training_step",
        lambda candidate, batch, number: candidate.current_epoch == epoch and number == 5,
    )
    with pytest.raises(InterruptedError):
        train(tmp_path / "run")
    assert list((tmp_path / "run").iterdir())
    steps = counted_steps(monkeypatch)
    assert same(train(tmp_path / "run"), uninterrupted)
    assert len(steps) == (PARAMS.max_epochs - epoch) * 13, "it began anew"


def counted_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    steps: list[int] = []
    original = NetworkModule.training_step
    monkeypatch.setattr(
        NetworkModule,
        "training_step",
        lambda self, batch, number: (steps.append(number), original(self, batch, number))[1],
    )
    return steps


def test_a_run_that_ended_but_was_not_cleared_away_gives_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Fitted
) -> None:
    interrupted(monkeypatch, shutil, "rmtree", lambda path, *_: (Path(path) / "last.ckpt").exists())
    with pytest.raises(InterruptedError):
        train(tmp_path / "run")
    steps = counted_steps(monkeypatch)
    assert same(train(tmp_path / "run"), uninterrupted)
    assert steps == []


@pytest.fixture
def worsening() -> tuple[Array, Array]:
    """A validation split with the opposite answers: every epoch of learning makes it worse."""
    features, targets = split(60, 1)
    return features, 1 - targets


def test_training_stops_when_validation_gets_no_better(tmp_path: Path, worsening: tuple[Array, Array]) -> None:
    fitted = train(tmp_path / "run", PARAMS.model_copy(update={"patience": 2}), worsening)
    assert len(fitted.history) == 3
    assert fitted.best_epoch == 1


def test_early_stopping_is_not_forgotten_by_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worsening: tuple[Array, Array]
) -> None:
    params = PARAMS.model_copy(update={"patience": 2})
    expected = train(tmp_path / "whole", params, worsening)
    interrupted(monkeypatch, NetworkModule, "training_step", lambda candidate, *_: candidate.current_epoch == 2)
    with pytest.raises(InterruptedError):
        train(tmp_path / "run", params, worsening)
    assert same(train(tmp_path / "run", params, worsening), expected)


def test_an_epoch_that_is_no_better_leaves_a_checkpoint_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worsening: tuple[Array, Array]
) -> None:
    params = PARAMS.model_copy(update={"patience": 3})
    interrupted(monkeypatch, NetworkModule, "training_step", lambda candidate, *_: candidate.current_epoch == 2)
    with pytest.raises(InterruptedError):
        train(tmp_path / "run", params, worsening)
    steps = counted_steps(monkeypatch)
    assert len(train(tmp_path / "run", params, worsening).history) == 4
    assert len(steps) == 2 * 13


def test_a_run_that_stopped_early_but_was_not_cleared_away_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worsening: tuple[Array, Array]
) -> None:
    params = PARAMS.model_copy(update={"patience": 2})
    expected = train(tmp_path / "whole", params, worsening)
    interrupted(monkeypatch, shutil, "rmtree", lambda path, *_: (Path(path) / "last.ckpt").exists())
    with pytest.raises(InterruptedError):
        train(tmp_path / "run", params, worsening)
    assert same(train(tmp_path / "run", params, worsening), expected)


def test_a_damaged_checkpoint_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Fitted
) -> None:
    interrupted(monkeypatch, NetworkModule, "training_step", lambda candidate, *_: candidate.current_epoch == 2)
    with pytest.raises(InterruptedError):
        train(tmp_path / "run")
    path = tmp_path / "run" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    assert same(train(tmp_path / "run"), uninterrupted)


def test_a_checkpoint_of_another_network_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Fitted
) -> None:
    """The network's code was changed between the kill and the next run."""
    interrupted(monkeypatch, NetworkModule, "training_step", lambda candidate, *_: candidate.current_epoch == 2)
    with pytest.raises(InterruptedError):
        fit([nn.Linear(4, 2)], "classification", split(200, 0), split(60, 1), PARAMS, tmp_path / "run")
    assert same(train(tmp_path / "run"), uninterrupted)


def test_regression_learns_too(tmp_path: Path) -> None:
    features, _ = split(200, 0)
    targets = features.sum(axis=1)
    torch.manual_seed(0)
    fitted = fit([nn.Linear(4, 1)], "regression", (features, targets), (features, targets), PARAMS, tmp_path / "run")
    losses = [row["val_loss"] for row in fitted.history]
    assert losses[-1] < losses[0]
    found = outputs(fitted.network, features)[:, 0]
    assert np.mean((found - targets) ** 2) == pytest.approx(min(losses), rel=1e-4)


def test_a_run_is_named_by_all_that_it_depends_on() -> None:
    key = run_key({"a": 1, "b": 2}, "data")
    assert key == run_key({"b": 2, "a": 1}, "data")
    assert len({key, run_key({"a": 1, "b": 3}, "data"), run_key({"a": 1, "b": 2}, "other")}) == 3


def test_augmentation_moves_an_image_by_at_most_a_pixel_and_never_changes_its_ink_inside() -> None:
    from portfolio.contract.networks import Shifts

    torch.manual_seed(0)
    dot = torch.full((200, 6, 8), -1.0)
    dot[:, 3, 4] = 16
    moved = Shifts((6, 8, 1), background=-1)(dot.reshape(200, 48)).reshape(200, 6, 8)
    assert ((moved == 16).sum(dim=(1, 2)) == 1).all()
    assert ((moved == -1).sum(dim=(1, 2)) == 47).all()
    places = {tuple(place) for place in (moved == 16).nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in (2, 3, 4) for column in (3, 4, 5)}
