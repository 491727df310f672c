"""What every request goes through: methods, encodings, origins, a proxy's path, what is said of the log."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from serving.app import create_app
from tests.serving.conftest import services
from tests.tiny import publish

GOOD = {"instances": [{"pixels": [4, 3, 2, 1]}]}


@contextmanager
def client_with(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[TestClient]:
    for name, value in settings.items():
        monkeypatch.setenv(f"SERVING_{name}".upper(), value)
    with TestClient(create_app()) as client:
        yield client


@pytest.fixture(autouse=True)
def champion(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)


PATHS = ["/", "/healthz", "/readyz", "/ping", "/v2/health/live", "/docs", "/metrics", "/page/main.js", "/openapi.json"]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(client: TestClient, path: str) -> None:
    assert client.head(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/predict", {"POST"}),
        ("HEAD", "/predict", {"POST"}),
        ("GET", "/feedback", {"POST"}),
        ("POST", "/model", {"GET", "HEAD"}),
        ("DELETE", "/", {"GET", "HEAD"}),
        ("POST", "/page/main.js", {"GET", "HEAD"}),
        ("GET", "/v2/models/toy/infer", {"POST"}),
        ("GET", "/v2/models/toy/versions/1/infer", {"POST"}),
        ("POST", "/docs", {"GET", "HEAD"}),
    ],
)
def test_each_refused_method_says_which_are_allowed(
    client: TestClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed


RAW = json.dumps(GOOD).encode()
DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(RAW, mtime=0)),
        ("GZIP", gzip.compress(RAW[:5], mtime=0) + gzip.compress(RAW[5:], mtime=0)),
        ("deflate", zlib.compress(RAW)),
        ("deflate", DEFLATE.compress(RAW) + DEFLATE.flush()),
        ("identity", RAW),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_a_compressed_body_is_unpacked(client: TestClient, path: str, encoding: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["class"] == "left"


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("br", b"\x0b\x02\x80", 415),
        ("gzip, gzip", RAW, 415),
        ("gzip", RAW, 422),
        ("gzip", gzip.compress(RAW, mtime=0)[:-5], 422),
        ("gzip", gzip.compress(RAW, mtime=0) + b"more", 422),
        ("gzip", gzip.compress(b" " * 200_000_000, mtime=0), 413),
        ("gzip", gzip.compress(b"", mtime=0) * 10_000, 422),
        ("deflate", b"\xff\xff", 422),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_named(client: TestClient, encoding: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = client.post("/predict", content=body, headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert "Content-Encoding" in answer.json()["error"]["message"]


def test_other_origins_are_let_in_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    with client_with(monkeypatch) as client:
        answer = client.post("/predict", json=GOOD, headers=asked)
        assert "Access-Control-Allow-Origin" not in answer.headers
    with client_with(monkeypatch, cors_origins="https://shop.example, https://b.example", api_keys="a" * 64) as client:
        before = client.options(
            "/predict", headers={**asked, "Access-Control-Request-Headers": "x-api-key,content-type"}
        )
        assert before.status_code == 200
        assert before.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        refused = client.post("/predict", json=GOOD, headers=asked)
        assert refused.status_code == 401
        # Without this, the page could not read why.
        assert refused.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        stranger = client.options("/predict", headers={**asked, "Origin": "https://c.example"})
        assert "Access-Control-Allow-Origin" not in stranger.headers


@pytest.mark.parametrize("prefix", ["", "/house"])
def test_a_proxy_may_serve_it_under_a_path_of_its_own(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """Whether the proxy takes the path off or leaves it on."""
    with client_with(monkeypatch, root_path="/house") as client:
        assert client.post(f"{prefix}/predict", json=GOOD).status_code == 200
        for path in (
            "/",
            "/page/main.js",
            "/healthz",
            "/v2/models/toy",
            "/docs",
            "/static-offline-docs/swagger-ui.css",
        ):
            assert client.get(f"{prefix}{path}").status_code == 200, path
        docs = client.get(f"{prefix}/docs").text
        assert "'/house/openapi.json'" in docs
        assert '"/house/static-offline-docs/' in docs
        assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/house"}]
        page = client.get(f"{prefix}/").text
        assert 'src="page/main.js"' in page
        assert 'href="/' not in page
        assert client.get(f"{prefix}/nothing").status_code == 404
    with client_with(monkeypatch, root_path="/house") as client:
        assert client.get("/house", follow_redirects=False).headers["Location"].endswith("/house/")


@pytest.mark.parametrize(("root_path", "prefix"), [("", ""), ("/house", ""), ("/house", "/house")])
def test_a_slash_at_the_end_leads_to_the_path_without_it(
    monkeypatch: pytest.MonkeyPatch, root_path: str, prefix: str
) -> None:
    """Relative: the server knows neither the scheme nor the path under which a proxy serves it."""
    with client_with(monkeypatch, root_path=root_path) as client:
        for path, to in (
            ("/monitor/", "../monitor"),
            ("/docs/", "../docs"),
            ("/v2/", "../v2"),
            ("/v2/models/toy/", "../toy"),
            ("/stats/?a=b%20c", "../stats?a=b%20c"),
        ):
            answer = client.get(f"{prefix}{path}", follow_redirects=False)
            assert (answer.status_code, answer.headers["Location"]) == (307, to)
            assert client.get(f"{prefix}{path}").status_code == 200
        for path in ("/nothing/", "/page/", "/%5Cevil.example/", "/v2/models/toy%3Fa/"):
            assert client.get(f"{prefix}{path}").status_code == 404, path
        assert client.post(f"{prefix}/feedback/", json={}).status_code == 422


def test_the_operators_page_needs_no_key_with_a_slash_either(monkeypatch: pytest.MonkeyPatch) -> None:
    with client_with(monkeypatch, admin_keys="a" * 64) as client:
        assert client.get("/monitor/").status_code == 200


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://Shop.Example", "https://shop.example"),
        ("HTTPS://shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://\u5e97.example", "https://xn--hxt.example"),
    ],
)
def test_an_origin_is_compared_as_browsers_send_it(monkeypatch: pytest.MonkeyPatch, given: str, sent: str) -> None:
    with client_with(monkeypatch, cors_origins=given) as client:
        before = client.options("/predict", headers={"Origin": sent, "Access-Control-Request-Method": "POST"})
        assert before.headers.get("Access-Control-Allow-Origin") == sent


@pytest.mark.parametrize(
    ("ancestors", "options"),
    [("'none'", "DENY"), ("'self'", "SAMEORIGIN"), ("https://a.example https://b.example", None)],
)
def test_who_may_embed_the_page_is_a_setting(monkeypatch: pytest.MonkeyPatch, ancestors: str, options: str) -> None:
    with client_with(monkeypatch, frame_ancestors=ancestors) as client:
        headers = client.get("/").headers
    assert f"frame-ancestors {ancestors};" in headers["Content-Security-Policy"]
    assert headers.get("X-Frame-Options") == options


def test_a_log_that_cannot_be_written_shows_at_once_and_predictions_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    with client_with(monkeypatch, log_url=f"sqlite:///{tmp_path / 'taken' / 'log.db'}") as client:
        deadline = time.monotonic() + 10
        while not client.get("/readyz").json()["warnings"]:
            assert time.monotonic() < deadline
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert "prediction log" in ready.json()["warnings"][0]
        assert "portfolio_log_failing 1.0" in client.get("/metrics").text
        assert "taken" in client.get("/model").json()["log"]["failure"]
        assert "can't be written" in caplog.text
        assert client.post("/predict", json=GOOD).status_code == 200
        time.sleep(0.3)
        assert services(client).recorder.seconds_to_disk >= 0.3
        (tmp_path / "taken").unlink()
        while client.get("/readyz").json()["warnings"]:
            assert time.monotonic() < deadline + 10
        assert "portfolio_log_failing 0.0" in client.get("/metrics").text


def predict_row(client: TestClient, **row: Any) -> Any:
    return client.post("/predict", json={"instances": [row, {"age": 30, "town": "A", "note": "good"}]}).json()


def test_a_category_that_training_never_saw_goes_to_a_person(table_client: TestClient) -> None:
    strange, known = predict_row(table_client, age=30, town="MOON", note="good")["predictions"]
    assert (strange["decision"], known["decision"]) == ("person", "machine")
    assert strange["expected_yen"] == 6 - 2
    assert strange["unseen"] == {"town": "MOON"}
    assert "unseen" not in known
    assert 'portfolio_unseen_categories_total{field="town"} 1.0' in table_client.get("/metrics").text
    missing, _ = predict_row(table_client, age=30, town=None, note="good")["predictions"]
    assert missing["decision"] == "machine"
    inputs = [
        {"name": "age", "shape": [1, 1], "datatype": "FP32", "data": [30]},
        {"name": "town", "shape": [1, 1], "datatype": "BYTES", "data": ["MOON"]},
    ]
    answer = table_client.post("/v2/models/toy/infer", json={"inputs": inputs}).json()
    assert json.loads(answer["parameters"]["unseen"]) == {"0": {"town": "MOON"}}
    assert answer["outputs"][1]["data"] == ["person"]


def test_it_may_be_left_to_the_machine(table_client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with client_with(monkeypatch, unseen_to_person="false") as client:
        services(client).watcher.current = services(table_client).watcher.current
        strange, _ = predict_row(client, age=30, town="MOON", note="good")["predictions"]
    assert strange["decision"] == "machine"
    assert strange["unseen"] == {"town": "MOON"}
