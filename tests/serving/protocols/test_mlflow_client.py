"""What MLflow's own client sends and reads, against a real server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from portfolio.bundle.store import Store
from tests.serving.runtime.test_hot_swap import free_port, server
from tests.tiny import publish
from tests.workspace import TOY

ROWS = np.array([[4, 3, 2, 1], [0, 1, 3, 4]], dtype=np.float64)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with warnings.catch_warnings():
        # MLflow warns of its own types.
        warnings.simplefilter("ignore")
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PORTFOLIO_STATE", str(folder / "state"))
        publish(Store.of(TOY), folder / "one", version=1)
        port = free_port()
        with server(port):
            yield ScoringServerClient("127.0.0.1", port)


def test_it_finds_the_server_ready(client: Any) -> None:
    client.ping()
    client.wait_server_ready(timeout=5)
    assert client.get_version()


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        ROWS.astype(np.float32),
        ROWS.reshape(2, 2, 2),
        ROWS.tolist(),
        pd.DataFrame({"pixels": list(ROWS)}),
        pd.DataFrame({"id": [7, 8], "pixels": list(ROWS)}),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS, columns=["0", "1", "2", "3"]),
        json.dumps({"instances": ROWS.tolist()}),
        json.dumps({"inputs": {"pixels": ROWS.tolist()}}),
    ],
)
def test_what_it_sends_is_answered_and_what_is_answered_it_reads(client: Any, data: Any) -> None:
    answer = client.invoke(data)
    frame = answer.get_predictions()
    assert list(frame["class"]) == ["left", "right"]
    assert set(frame["decision"]) <= {"machine", "person"}
    assert [row["class"] for row in answer.get_predictions("ndarray")] == ["left", "right"]
    assert "request_id" in json.loads(answer.to_json())


def test_parameters_are_taken(client: Any) -> None:
    assert len(client.invoke(ROWS, params={"temperature": 0.5}).get_predictions()) == 2


def test_a_frame_of_another_width_is_refused_by_name(client: Any) -> None:
    with pytest.raises(Exception, match="pixels"):
        client.invoke(pd.DataFrame(ROWS[:, :3]))
