"""The Open Inference Protocol: metadata, tensors as JSON and as bytes."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

PIXELS = [4.0, 3.0, 2.0, 1.0]
URL = "/v2/models/toy/infer"


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "pixels", "shape": [1, 4], "datatype": "FP32", "data": PIXELS, **changes}


def binary(client: TestClient, head: dict[str, Any], tail: bytes, length: str | None = None) -> Any:
    raw = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": length or str(len(raw)), "Content-Type": "application/octet-stream"}
    return client.post(URL, content=raw + tail, headers=headers)


@pytest.fixture
def expected(client: TestClient) -> list[float]:
    answer = client.post("/predict", json={"instances": [{"pixels": PIXELS}]}).json()["predictions"][0]
    return list(answer["probabilities"].values())


def test_it_is_alive_ready_and_says_what_it_takes(client: TestClient) -> None:
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/toy/ready"):
        assert client.get(path).status_code == 200
    found = client.get("/v2/models/toy").json()
    assert found["name"] == "toy"
    assert found["versions"] == ["1"]
    assert found["inputs"] == [{"name": "pixels", "datatype": "FP32", "shape": [-1, 4]}]
    assert {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]} in found["outputs"]
    assert client.get("/v2/models/toy/versions/1").json() == found
    assert client.get("/v2/models/toy/versions/2").status_code == 404


@pytest.mark.parametrize(
    "given",
    [
        tensor(),
        tensor(shape=[1, 2, 2]),
        tensor(data=[[4, 3, 2, 1]]),
        tensor(shape=[1, 2, 2], data=[[[4, 3], [2, 1]]]),
        tensor(datatype="UINT8", data=[4, 3, 2, 1]),
        tensor(datatype="FP64"),
        tensor(datatype="FP16"),
        tensor(data=[[[[[[[[4, 3, 2, 1]]]]]]]]),
    ],
)
def test_tensors_as_json(client: TestClient, expected: list[float], given: dict[str, Any]) -> None:
    answer = client.post(URL, json={"id": "mine", "inputs": [given]}).json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "toy", "1")
    output = answer["outputs"][0]
    assert (output["name"], output["shape"], output["datatype"]) == ("probabilities", [1, 2], "FP32")
    assert output["data"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("datatype", "dtype"), [("FP16", "<f2"), ("FP32", "<f4"), ("FP64", "<f8"), ("INT64", "<i8"), ("UINT8", "<u1")]
)
def test_tensors_as_bytes(client: TestClient, expected: list[float], datatype: str, dtype: str) -> None:
    raw = np.array(PIXELS, dtype=dtype).tobytes()
    given = tensor(datatype=datatype, parameters={"binary_data_size": len(raw)})
    del given["data"]
    outputs = [{"name": "decision", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    head = {"inputs": [given], "outputs": outputs, "parameters": {"binary_data_output": True}}
    answer = binary(client, head, raw)
    assert answer.status_code == 200, answer.text
    split = int(answer.headers["Inference-Header-Content-Length"])
    decision, probabilities = json.loads(answer.content[:split])["outputs"]
    tail = answer.content[split:]
    assert decision["datatype"] == "BYTES"
    size = decision["parameters"]["binary_data_size"]
    assert tail[:size] == struct.pack("<I", 7) + b"machine"
    assert probabilities["parameters"]["binary_data_size"] == len(tail) - size
    assert np.frombuffer(tail[size:], "<f4") == pytest.approx(expected, abs=1e-6)


def test_a_version_can_be_named(client: TestClient, expected: list[float]) -> None:
    answer = client.post("/v2/models/toy/versions/1/infer", json={"inputs": [tensor()]})
    assert answer.json()["outputs"][0]["data"] == pytest.approx(expected, abs=1e-6)
    assert client.post("/v2/models/toy/versions/9/infer", json={"inputs": [tensor()]}).status_code == 404


def test_several_rows_and_several_outputs(client: TestClient) -> None:
    outputs = [{"name": "decision"}, {"name": "expected_yen"}]
    given = tensor(shape=[3, 4], data=PIXELS * 3)
    found = client.post(URL, json={"inputs": [given], "outputs": outputs}).json()["outputs"]
    assert [output["name"] for output in found] == ["decision", "expected_yen"]
    assert found[0]["data"] == ["machine"] * 3
    assert len(found[1]["data"]) == 3


def test_who_names_no_outputs_gets_all_that_the_metadata_list(client: TestClient) -> None:
    listed = client.get("/v2/models/toy").json()["outputs"]
    given = tensor(shape=[2, 4], data=PIXELS * 2)
    found = client.post(URL, json={"inputs": [given]}).json()["outputs"]
    assert [(output["name"], output["datatype"]) for output in found] == [
        (output["name"], output["datatype"]) for output in listed
    ]
    assert [len(output["data"]) for output in found] == [4, 2, 2]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": [tensor(), tensor()]},
        {"inputs": [tensor(name="ink")]},
        {"inputs": [tensor(shape=[])]},
        {"inputs": [tensor(shape=[-1, 4])]},
        {"inputs": [tensor(shape=[0, 4], data=[])]},
        {"inputs": [tensor(shape=[1, 5])]},
        {"inputs": [tensor(shape=[10**12, 10**12], data=PIXELS)]},
        {"inputs": [tensor(datatype="BF16")]},
        {"inputs": [tensor(datatype="BOOL")]},
        {"inputs": [tensor(data=[[[[[[[[[4, 3, 2, 1]]]]]]]]])]},
        {"inputs": [tensor(shape=[10_000_000])]},
        {"inputs": [tensor(datatype="BYTES")]},
        {"inputs": [tensor(datatype="BYTES", data=["a", "b", "c", "d"])]},
        {"inputs": [tensor(data=[1, 2, 3, "4"])]},
        {"inputs": [tensor(data=[1, 2, 3, True])]},
        {"inputs": [tensor(data=[1, 2, 3, None])]},
        {"inputs": [tensor(data=[1, 2, 3, 17])]},
        {"inputs": [tensor(data=[1, 2, 3, 1e300])]},
        {"inputs": [tensor(datatype="UINT8")]},
        {"inputs": [tensor(data=[1, 2, 3, 10**400])]},
        {"inputs": [tensor(datatype="FP64", data=[1, 2, 3, -(10**400)])]},
        {"inputs": [tensor(datatype="INT64", data=[1, 2, 3, 10**400])]},
        {"inputs": [tensor(datatype="UINT8", data=[1, 2, 3, 256])]},
        {"inputs": [tensor(datatype="UINT8", data=[1, 2, 3, -1])]},
        {"inputs": [tensor(shape=[1, 0, 2**62], data=[])]},
        {"inputs": [tensor(shape=[1, 0, 2**63 - 1, 2**63 - 1], data=[])]},
        {"inputs": [tensor(shape=[1, 10**400], data=[])]},
        {"inputs": [tensor(data=None)]},
        {"inputs": [tensor(parameters={"binary_data_size": 16})]},
        {"inputs": [tensor()], "outputs": [{"name": "nothing"}]},
    ],
)
def test_what_does_not_fit_is_a_clear_error(client: TestClient, body: Any) -> None:
    answer = client.post(URL, json=body)
    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["error"], str)
    assert answer.json()["details"][0]["field"]


@pytest.mark.parametrize(
    ("size", "tail", "length"),
    [
        (16, b"", None),
        (15, b"x" * 15, None),
        (16, b"x" * 17, None),
        (16, np.array([1, 2, 3, np.nan], "<f4").tobytes(), None),
        (16, np.array([1, 2, 3, np.inf], "<f4").tobytes(), None),
        (16, b"x" * 16, "999999"),
        (16, b"x" * 16, "many"),
        (16, b"x" * 16, "9" * 5000),
        (16, b"x" * 16, "-1"),
        (10**15, b"x" * 16, None),
    ],
)
def test_bytes_that_do_not_fit_are_a_clear_error(
    client: TestClient, size: int, tail: bytes, length: str | None
) -> None:
    given = tensor(parameters={"binary_data_size": size})
    del given["data"]
    answer = binary(client, {"inputs": [given]}, tail, length)
    assert answer.status_code == 422
    field = answer.json()["details"][0]["field"]
    assert field == "Inference-Header-Content-Length" if length else field.startswith("pixels") or field == "body"


def test_booleans_are_numbers_or_labels(client: TestClient) -> None:
    zeros_and_ones = client.post(URL, json={"inputs": [tensor(data=[1, 0, 1, 0])]}).json()["outputs"][0]
    given = tensor(datatype="BOOL", data=[True, False, True, False])
    assert client.post(URL, json={"inputs": [given]}).json()["outputs"][0] == zeros_and_ones
    del given["data"]
    given["parameters"] = {"binary_data_size": 4}
    assert binary(client, {"inputs": [given]}, b"\1\0\1\0").json()["outputs"][0] == zeros_and_ones


def test_null_and_booleans_in_a_table(table_client: TestClient) -> None:
    def infer(**values: Any) -> Any:
        kinds = {"age": "FP32", "town": "BYTES", "note": "BYTES"}
        inputs = [
            {
                "name": name,
                "shape": [1, 1],
                "datatype": "BOOL" if isinstance(value, bool) else kinds[name],
                "data": [value],
            }
            for name, value in values.items()
        ]
        return table_client.post("/v2/models/toy/infer", json={"inputs": inputs})

    assert infer(age=None, town=None, note=None).status_code == 200
    assert infer(age=30.0, town=True, note="").status_code == 200
    assert infer(age=30.0, town="A", note=True).status_code == 422
