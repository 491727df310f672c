"""A champion is exported, as for an image, served from there by a real server, and tried."""

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import numpy as np
import pytest
import uvicorn
from PIL import Image

from portfolio.bundle.store import Store
from portfolio.client.predict import ask, picture_prediction, predictions, smoke, wait_until_ready
from portfolio.core.errors import AnswerError, ConfigError, PortfolioError, RegistryError
from serving.app import create_app
from serving.front.security import hashed
from tests.tiny import publish


@pytest.fixture
def exported(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of a champion that stands in a store of its own, in which the server looks for it."""
    publish(store, tmp_path / "old", version=1, bias=1.0)
    digest = publish(store, tmp_path / "new", version=2)
    alone = tmp_path / "image" / "store" / "toy"
    store.export(alone)
    assert [folder.name for folder in (alone / "bundles").iterdir()] == [digest]
    monkeypatch.setenv("PORTFOLIO_STATE", str(tmp_path / "image"))
    return digest


@pytest.fixture
def address(exported: str) -> Iterator[str]:
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        wait_until_ready(address, 30)
        yield address
        server.should_exit = True
        thread.join(timeout=30)


def test_an_exported_champion_is_served_and_passes(address: str, exported: str) -> None:
    answer = smoke(address, digest=exported[:12])
    assert answer["model"]["version"] == 2
    assert set(answer["predictions"][0]["probabilities"]) == {"left", "right"}


def test_another_bundle_than_the_expected_one_does_not_pass(address: str) -> None:
    with pytest.raises(PortfolioError, match="not abc"):
        smoke(address, digest="abc")


ROW = {"pixels": [4, 3, 2, 1]}


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_MAX_ROWS", "3")


@pytest.mark.usefixtures("few_rows")
def test_many_rows_go_in_requests_as_large_as_the_server_takes(address: str) -> None:
    rows = [{"pixels": [number, 0, 0, 0]} for number in range(8)]
    found = list(predictions(address, rows, ask(f"{address}/model")))
    assert [answer["row"] for answer in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [answer["request_row"] for answer in found] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert len({answer["request_id"] for answer in found}) == 3
    lefts = [answer["probabilities"]["left"] for answer in found]
    assert lefts == sorted(lefts)
    assert {answer["model_version"] for answer in found} == {2}


def test_no_request_is_larger_than_the_server_takes(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ask(f"{address}/model")
    model["limits"]["max_body_bytes"] = 200
    found = list(predictions(address, [ROW] * 10, model))
    assert len(found) == 10
    assert len({answer["request_id"] for answer in found}) == 3


@pytest.mark.usefixtures("few_rows")
def test_a_refused_row_is_named_by_its_number_in_the_whole(address: str) -> None:
    rows = [ROW] * 4 + [{"pixels": [4, 3, 2, 17]}]
    found = predictions(address, rows, ask(f"{address}/model"))
    assert [next(found)["row"] for _ in range(3)] == [1, 2, 3]
    with pytest.raises(PortfolioError, match=r"Row 5 is refused: pixels\.3: .*16"):
        next(found)


def test_a_picture_is_sent_as_it_is(address: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.array([[0, 255], [255, 255]], dtype=np.uint8)).save(stream, "PNG")
    answer = picture_prediction(address, stream.getvalue(), "image/png")
    assert answer["row"] == 1
    assert set(answer["probabilities"]) == {"left", "right"}


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SERVING_API_KEYS", hashed("secret"))
    return "secret"


def test_a_key_is_sent(key: str, address: str) -> None:
    with pytest.raises(AnswerError, match="401"):
        ask(f"{address}/model")
    assert len(list(predictions(address, [ROW], ask(f"{address}/model", key=key), key))) == 1


@pytest.mark.parametrize(
    ("wrong", "named"), [("don\u2019t", "\u2019"), ("key\n", r"'\\n' as its character 4"), ("é", "é")]
)
def test_a_key_that_no_header_may_have_is_told_and_not_shown(wrong: str, named: str) -> None:
    with pytest.raises(ConfigError, match=rf"The key \(PORTFOLIO_API_KEY\) has .*{named}") as told:
        ask("http://127.0.0.1:1/model", key=wrong)
    assert wrong == "é" or wrong not in str(told.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1", "http://a..b", "http://\u2019/"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="not the address of a server"):
        ask(f"{url}/model")


def test_a_page_that_is_no_json_is_told_apart(address: str) -> None:
    with pytest.raises(PortfolioError, match="did not answer with JSON"):
        ask(f"{address}/docs")


def test_a_server_that_does_not_become_ready_is_given_up_with_its_reason() -> None:
    with socket() as closed:
        closed.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with pytest.raises(PortfolioError, match=r"Not ready within 0 s\. .*/readyz can't be reached"):
            smoke(f"http://127.0.0.1:{closed.getsockname()[1]}", timeout_seconds=0.1)
        assert time.monotonic() - started < 5


def test_without_a_champion_there_is_nothing_to_export(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="portfolio run toy"):
        store.export(tmp_path / "image")
    assert not (tmp_path / "image").exists()
