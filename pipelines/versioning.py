"""DVC, in process: the stage graph of dvc.yaml, one stage run, one folder versioned."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("DVC_NO_ANALYTICS", "1")

from dvc.exceptions import DvcException, ReproductionError
from dvc.repo import Repo

from portfolio.errors import PortfolioError


def stage_graph(use_case: str) -> dict[str, list[str]]:
    """The stages of one use case, each with those it needs, in an order in which they can run.

    The index's graph is no documented API of DVC; it is used here alone, and has a test.
    """
    import networkx

    graph = Repo().index.graph
    ours = [stage for stage in graph if stage.addressing.endswith(f"@{use_case}")]
    ordered = [stage for stage in reversed(list(networkx.topological_sort(graph))) if stage in ours]
    return {
        stage.addressing: [need.addressing for need in graph.successors(stage) if need in ours] for stage in ordered
    }


def reproduce(address: str) -> bool:
    """Run one stage, unless its inputs are as they were. Says whether it ran.

    Raises PortfolioError if the stage fails; the stage itself has printed why.
    """
    try:
        return bool(Repo().reproduce(targets=[address], single_item=True))
    except ReproductionError as error:
        cause = error.__cause__ or error
        raise PortfolioError(f"Stage {address} failed ({cause}). What it printed above says why.") from error
    except DvcException as error:
        raise PortfolioError(f"DVC can't run {address}: {error}") from error


def add(folder: Path) -> None:
    """Version a folder: its content goes to DVC's cache, and `<folder>.dvc` beside it names it."""
    Repo().add(str(folder))
