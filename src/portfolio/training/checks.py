"""A dry run of a use case's models on made-up rows, which finds mistakes before any training."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np

from portfolio.contract.config import Config
from portfolio.contract.images import Images
from portfolio.contract.made_up import made_up_rows
from portfolio.contract.table import Table
from portfolio.contract.text import Text
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import ConfigError, PortfolioError
from portfolio.data.dataset import Split, as_split, sklearn_input
from portfolio.data.normalize import normalize

ROWS = 400
ROWS_PER_CLASS = 20
RESERVED = ("constant", "network")


def check_candidates(use_case: UseCase) -> list[str]:
    """Fit every candidate on made-up rows, export it, and compare the two. Returns the names.

    Raises ConfigError naming the candidate, the reason and the remedy.
    """
    from portfolio.training.baselines import fit_baseline
    from portfolio.training.parity import check_parity

    where = f"{use_case.folder}/use_case.py: candidates()"
    estimators = use_case.candidates()
    rows = _made_up_split(use_case)
    for name, estimator in estimators.items():
        _check_name(name, where)
        if use_case.output.task == "classification" and not _has_probabilities(estimator):
            raise ConfigError(
                f"{where}: {type(estimator).__name__} gives no probabilities, which the decision needs. Wrap it in "
                "CalibratedClassifierCV(..., ensemble=False)."
            )
        try:
            with warnings.catch_warnings():
                # Warnings about a fit on so few rows say nothing about the real one.
                warnings.simplefilter("ignore")
                try:
                    fitted = fit_baseline(use_case, estimator, rows)
                    expected = fitted.predict(rows.inputs)
                except ValueError as error:
                    if type(error).__name__ == "InvalidParameterError":  # scikit-learn's, and in no public module
                        raise
                    # It may need more rows than these, or different ones.
                    print(f"{name}: not tried, since it can't be fitted on made-up rows ({_reason(error)})")
                    continue
                raw = fitted.graph().SerializeToString()
                check_parity(name, raw, use_case, rows.inputs, expected)
        except PortfolioError as error:
            raise ConfigError(f"{where}: '{name}': {error}") from error
        except Exception as error:  # whatever scikit-learn, or a user's own code, may raise
            raise ConfigError(
                f"{where}: '{name}', a {type(estimator).__name__}, fails on {len(rows)} made-up rows "
                f"({type(error).__name__}: {_reason(error)})."
            ) from error
    return list(estimators)


def _check_name(name: str, where: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in RESERVED:
        raise ConfigError(
            f"{where}: '{name}' can't be a candidate's name. Use lower-case letters, digits and underscores, and "
            f"neither of {', '.join(RESERVED)}, which every use case has."
        )


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0][:200]


def _has_probabilities(estimator: Any) -> bool:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return hasattr(last, "predict_proba")


def check_network(use_case: UseCase, config: Config) -> None:
    """Run a network of the user's own once; the engine's are known to work.

    Raises ConfigError if that fails, or gives outputs of the wrong shape.
    """
    if type(use_case).network in (Table.network, Images.network, Text.network):
        return
    import torch

    where = f"{use_case.folder}/use_case.py: network()"
    rows = _made_up_split(use_case)
    features = sklearn_input(use_case, rows.inputs)
    params = use_case.network_params.read(config.network)
    preprocessor = use_case.network_preprocessor(params)
    if preprocessor is not None:
        features = preprocessor.fit_transform(features)
    array = np.asarray(features, dtype=np.float32)[:4]
    outputs = max(1, len(use_case.output.classes))
    try:
        network = use_case.network(params, array.shape[1]).eval()
        with torch.no_grad():
            found = tuple(network(torch.tensor(array)).shape)
    except PortfolioError:
        raise
    except Exception as error:  # whatever torch, or a user's own code, may raise
        raise ConfigError(
            f"{where}: it fails on features of shape {list(array.shape)} ({type(error).__name__}: {_reason(error)})."
        ) from error
    if found != (len(array), outputs):
        what = f"one logit for each of the {outputs} classes" if use_case.output.classes else "one value a row"
        raise ConfigError(
            f"{where}: it gives outputs of shape {list(found)} for {len(array)} rows; it must give {what}."
        )


def _made_up_split(use_case: UseCase) -> Split:
    count = max(ROWS, ROWS_PER_CLASS * len(use_case.output.classes))
    return as_split(use_case, normalize(use_case, made_up_rows(use_case, count)).frame)
