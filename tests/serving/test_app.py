import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from portfolio.bundle.bundle import write_bundle
from portfolio.bundle.store import Store
from serving.app import create_app
from tests.serving.conftest import services
from tests.tiny import tiny_bundle

GOOD = {"instances": [{"pixels": [4, 3, 2, 1]}]}


def post(client: TestClient, body: Any) -> Any:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post("/predict", content=content, headers={"Content-Type": "application/json"})


def test_a_prediction_names_its_version_and_request(client: TestClient) -> None:
    answer = client.post("/predict", json=GOOD, headers={"X-Request-ID": "mine-1"})
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["class"] == "left"
    assert sum(answer.json()["predictions"][0]["probabilities"].values()) == pytest.approx(1)
    assert answer.json()["model"]["version"] == 1
    # Its own, since two callers may choose the same.
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", answer.json()["request_id"])


def test_the_documents_of_both_ways_to_send_labels_are_alike(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    one, other = (paths[path]["post"] for path in ("/feedback", "/monitor/feedback"))
    assert other["requestBody"] == one["requestBody"]
    assert other["responses"] == one["responses"]
    assert {"200", "201", "207", "404", "409"} <= other["responses"].keys()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"instances": [{"pixels": [1, 2, 3]}]}, 422, "instances.0.pixels"),
        ({"instances": [{"pixels": [1, 2, 3, 4]}, {"pixels": [1, 2]}]}, 422, "instances.1.pixels"),
        ({"instances": []}, 422, "instances"),
        ({}, 422, "instances"),
        ([], 422, "body"),
        ('{"instances": [{"pixels": [1, 2, 3, NaN]}]}', 422, "instances.0.pixels.3"),
        ('{"instances": [{"pixels": [1, 2, 3, Infinity]}]}', 422, "instances.0.pixels.3"),
        ('{"instances": [{"pixels": [1, 2, 3, 1e999]}]}', 422, "instances.0.pixels.3"),
        ({"instances": [{"pixels": [1, 2, 3, "4"]}]}, 422, "instances.0.pixels.3"),
        ({"instances": [{"pixels": [1, 2, 3, True]}]}, 422, "instances.0.pixels.3"),
        ({"instances": [{"pixels": [1, 2, 3, 17]}]}, 422, "instances.0.pixels.3"),
        ({"instances": [{"pixels": [1, 2, 3, 4], "more": 1}]}, 422, "instances.0.more"),
        ("{", 422, "body"),
        (b"\xff\xfe", 422, "body"),
        ('"\\ud800"', 422, "body"),
        ("[" * 100_000, 422, "body"),
        ({"instances": [{"pixels": [1, 2, 3, 4]}] * 1001}, 422, "instances"),
    ],
)
def test_a_bad_request_names_the_field(client: TestClient, body: Any, status: int, field: str) -> None:
    answer = post(client, body)
    assert answer.status_code == status
    assert answer.json()["error"]["details"][0]["field"] == field


def test_ten_megabytes_are_too_large(client: TestClient) -> None:
    assert post(client, b" " * 10_000_000).status_code == 413


def test_the_documented_example_works(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert post(client, example).status_code == 200


def test_the_documented_examples_of_a_version_and_of_feedback_work(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    versioned = paths["/v2/models/{name}/versions/{version}/infer"]["post"]
    content = versioned["requestBody"]["content"]
    infer = client.post("/v2/models/toy/versions/1/infer", json=content["application/json"]["example"])
    assert infer.status_code == 200, infer.text
    assert content["application/octet-stream"]["schema"]["format"] == "binary"
    parameters = {parameter["name"] for parameter in versioned["parameters"]}
    assert parameters == {"name", "version", "Inference-Header-Content-Length"}
    assert "404" in versioned["responses"]

    feedback = paths["/feedback"]["post"]
    example = feedback["requestBody"]["content"]["application/json"]["example"]
    assert client.post("/feedback", json=example).status_code == 404
    known = {**example, "request_id": infer.headers["X-Request-ID"]}
    assert [client.post("/feedback", json=known).status_code for _ in range(2)] == [201, 200]
    assert {"201", "401", "404", "408", "409", "413", "422", "503"} <= feedback["responses"].keys()


@pytest.mark.parametrize("name", ["売上", "Sales_2024"])
def test_a_use_case_may_have_any_name_that_new_takes(
    name: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTFOLIO_USE_CASE", name)
    tiny = tiny_bundle(tmp_path / "tiny", version=1)
    named = tiny.manifest.model_copy(update={"use_case": name})
    write_bundle(tmp_path / "named", (tmp_path / "tiny" / "model.onnx").read_bytes(), named)
    Store.of(name).publish(tmp_path / "named", named)
    with TestClient(create_app()) as client:
        answer = post(client, GOOD)
        assert answer.json()["model"]["use_case"] == name
        label = {"request_id": answer.json()["request_id"], "label": "left"}
        assert client.post("/feedback", json=label).status_code == 201
        for path in ("/", "/metrics", "/stats", f"/v2/models/{quote(name)}", "/monitor/queue", "/openapi.json"):
            assert client.get(path).status_code == 200, path


def test_without_a_champion_it_says_what_to_do(store: Store, tmp_path: Path) -> None:
    with TestClient(create_app()) as client:
        assert client.get("/healthz").status_code == 200
        assert post(client, GOOD).status_code == 503
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["error"]["message"].endswith("portfolio run toy")


def test_the_documentation_loads_nothing_from_outside(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "https://" not in page
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        assert client.get(address).status_code == 200
    assert "swagger-ui-bundle.js" in page


def test_an_answer_says_who_decides_and_what_that_is_expected_to_save(client: TestClient) -> None:
    sure, unsure = post(client, {"instances": [{"pixels": [4, 3, 2, 1]}, {"pixels": [2, 2, 2, 2]}]}).json()[
        "predictions"
    ]
    wrong = 1 - sure["probabilities"]["left"]
    assert sure["decision"] == "machine"
    assert sure["expected_yen"] == pytest.approx(6 - 20 * wrong, abs=1e-3)
    assert unsure["decision"] == "person"
    assert unsure["expected_yen"] == 6 - 2


def test_errors_all_look_alike(client: TestClient) -> None:
    answers = [
        client.get("/nothing/here"),
        client.get("/predict"),
        client.put("/feedback"),
        client.post("/predict", content=b"x", headers={"Content-Type": "text/plain"}),
        client.get("/versions/other"),
        client.post("/predict?explain=perhaps", json=GOOD),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 405, 415, 404, 422]
    for answer in answers:
        assert set(answer.json()) == {"error", "request_id"}
        assert answer.json()["error"]["message"]
        assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


def test_errors_of_the_open_inference_protocol_are_a_text(client: TestClient) -> None:
    for answer in (client.get("/v2/models/other"), client.get("/v2/models/toy/infer")):
        assert answer.status_code in (404, 405)
        assert set(answer.json()) == {"error", "code", "details", "request_id"}
        assert isinstance(answer.json()["error"], str)


def test_a_fault_of_the_server_is_told_as_one(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("what it was")

    monkeypatch.setattr(services(client).watcher.served().bundle, "predict", broken)
    answer = client.post("/predict", json=GOOD)
    assert answer.status_code == 500
    assert "what it was" not in answer.text


def test_a_page_may_load_nothing_from_elsewhere_and_be_in_no_frame(client: TestClient) -> None:
    headers = client.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
