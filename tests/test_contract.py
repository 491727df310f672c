"""What every use case must keep to, one test for all: those that there are, and a toy one that proves the contract.

A new use case is tested here as soon as its folder is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandera.errors
import polars as pl
import pytest
import torch
import yaml
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.manifest import InputField
from portfolio.bundle.store import Store
from portfolio.contract.card import LANGUAGES
from portfolio.contract.config import Config
from portfolio.contract.loading import load_use_case, use_case_names
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import ConfigError
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split, sklearn_input
from portfolio.evaluation.metrics import score
from serving.app import create_app
from tests.conftest import ROOT


@pytest.fixture(params=[*use_case_names(), "toy"])
def case(request: pytest.FixtureRequest, built: Callable[[str], Path]) -> UseCase:
    """Each use case, in a folder where all its stages have run."""
    built(request.param)
    return load_use_case(request.param)


@pytest.fixture
def config(case: UseCase) -> Config:
    return case.config()


@pytest.fixture
def raw(case: UseCase) -> pl.DataFrame:
    """The first collected batch."""
    return pl.read_parquet(min(Paths(case.name).batches.glob("*.parquet")))


def test_one_stem_everywhere(case: UseCase, config: Config) -> None:
    assert type(case).__module__ == f"portfolio.use_cases.{case.name}"
    assert config.use_case == case.name
    assert case.title


def test_every_use_case_has_a_config_and_stages() -> None:
    listed = yaml.safe_load((ROOT / "params.yaml").read_text())["use_cases"]
    assert sorted(listed) == use_case_names()
    assert sorted(path.stem for path in (ROOT / "configs").glob("*.yaml")) == use_case_names()


def test_inputs_and_output_are_consistent(case: UseCase) -> None:
    names = [field.name for field in case.inputs]
    assert len(set(names)) == len(names) > 0
    assert case.target not in names
    for field in case.inputs:
        assert field.description
        if field.kind == "category":
            assert field.example in field.categories
            continue
        values = field.example if isinstance(field.example, list) else [field.example]
        assert field.minimum is None or min(values) >= field.minimum
        assert field.maximum is None or max(values) <= field.maximum
    classes = case.output.classes
    assert len(set(classes)) == len(classes)
    assert (len(classes) >= 2) == (case.output.task == "classification")


def test_the_metric_that_is_shown_first_is_one_that_is_measured(case: UseCase) -> None:
    split = load_split(case, "test")
    (folder, *_) = Paths(case.name).candidates().values()
    measured = score(case.output, split.targets, Bundle.open(folder).predict(split.inputs))
    assert case.metric in measured


def test_the_source_gives_the_same_batch_alone_and_beside_others(case: UseCase, config: Config) -> None:
    source = case.source(config)
    days = source.dates()
    assert days == sorted(set(days))
    first, last = days[0], days[-1]
    together = source.read([first, last])
    assert list(together) == [first, last]
    assert source.read([last])[last].equals(together[last])
    longer = config.model_copy(update={"collect": config.collect.model_copy(update={"until": date(2999, 1, 1)})})
    assert case.source(longer).read([first])[first].equals(together[first])


def test_the_schema_takes_the_sources_rows(case: UseCase, raw: pl.DataFrame) -> None:
    case.schema().validate(raw, lazy=True)
    assert {case.key, *case.identity, case.target} <= set(raw.columns)
    assert raw[case.key].is_unique().all()
    assert raw.select(case.identity).null_count().row(0) == (0,) * len(case.identity)


def out_of_bounds(field: InputField) -> list[Any]:
    """Values of a field that no row may have, in the form of the raw column."""
    if field.kind == "category":
        return ["no such category", None]
    wrong: list[Any] = [] if field.nullable else [None]
    bad = [field.maximum + 1] if field.maximum is not None else []
    return wrong + ([[value] * field.width for value in bad] if field.shape else bad)


def test_the_schema_refuses_broken_rows(case: UseCase, raw: pl.DataFrame) -> None:
    schema = case.schema()
    rejected = 0
    for field in case.inputs:
        for value in out_of_bounds(field):
            broken = pl.concat([pl.Series([value], dtype=raw.schema[field.name], strict=False), raw[field.name][1:]])
            with pytest.raises(pandera.errors.SchemaErrors) as caught:
                schema.validate(raw.with_columns(broken.alias(field.name)), lazy=True)
            assert caught.value.failure_cases["index"].to_list() == [0], f"{field.name}: {value}"
            rejected += 1
    assert rejected
    for column in raw.columns:
        with pytest.raises(pandera.errors.SchemaErrors):
            schema.validate(raw.drop(column), lazy=True)
    with pytest.raises(pandera.errors.SchemaErrors):
        schema.validate(raw.with_columns(pl.lit(1).alias("surprise")), lazy=True)
    missing = raw.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(pl.col(case.target)).alias(case.target))
    with pytest.raises(pandera.errors.SchemaErrors):
        schema.validate(missing, lazy=True)
    if case.output.task == "classification":
        with pytest.raises(pandera.errors.SchemaErrors):
            schema.validate(
                raw.with_columns(pl.lit(len(case.output.classes)).cast(raw.schema[case.target]).alias(case.target)),
                lazy=True,
            )


def test_features_and_targets_are_what_a_bundle_takes(case: UseCase, raw: pl.DataFrame) -> None:
    features = case.features(raw)
    assert list(features) == [field.name for field in case.inputs]
    for field in case.inputs:
        array = features[field.name]
        assert array.shape == (len(raw), field.width)
        if field.kind == "category":
            assert array.dtype == object
            assert all(isinstance(value, str) for value in array[:, 0])
        else:
            assert array.dtype == np.float32
            assert field.nullable or np.isfinite(array).all()
    targets = case.targets(raw)
    assert targets.shape == (len(raw),)
    if case.output.task == "classification":
        assert targets.dtype == np.int64
        assert set(targets.tolist()) <= set(range(len(case.output.classes)))
    else:
        assert targets.dtype == np.float64
        assert np.isfinite(targets).all()
        assert not case.log_target or targets.min() > 0


def test_a_missing_number_is_nan_and_a_missing_category_is_empty(case: UseCase, raw: pl.DataFrame) -> None:
    for field in case.inputs:
        if field.kind == "image":
            continue
        gone = case.features(raw[:2].with_columns(pl.lit(None, raw.schema[field.name]).alias(field.name)))
        assert (gone[field.name] == "").all() if field.kind == "category" else np.isnan(gone[field.name]).all()


def test_the_network_fits_the_inputs_and_the_output(case: UseCase, config: Config) -> None:
    train = load_split(case, "train")
    rows = sklearn_input(case, train.inputs)
    preprocessor = case.preprocessor()
    features = np.asarray(rows if preprocessor is None else preprocessor.fit_transform(rows), dtype=np.float32)
    assert np.isfinite(features).all()
    network = case.network(config.network, features.shape[1])
    outputs = network(torch.from_numpy(features[:5]))
    assert outputs.shape == (5, max(1, len(case.output.classes)))
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters()), "a parameter that nothing trains"


def test_the_networks_config_is_strict(case: UseCase, config: Config) -> None:
    with pytest.raises(ConfigError, match="surprise: there is no such key"):
        case.network({**config.network, "surprise": 1}, 4)
    for key in config.network:
        with pytest.raises(ConfigError, match=key):
            case.network({**config.network, key: "nonsense"}, 4)


def test_every_candidate_is_a_bundle_that_opens(case: UseCase) -> None:
    candidates = Paths(case.name).candidates()
    assert set(candidates) == {"constant", *case.baselines(), "network"}
    for name, folder in candidates.items():
        bundle = Bundle.open(folder)
        assert bundle.manifest.candidate == name
        assert bundle.manifest.policy is not None
        assert bundle.manifest.use_case == case.name
        assert bundle.manifest.inputs == case.inputs
        assert bundle.manifest.output == case.output
        assert set(bundle.manifest.reference) == {field.name for field in case.inputs}
        assert onnx.load(folder / "model.onnx", load_external_data=False).ir_version == 10


def test_a_row_is_answered_the_same_alone_and_among_others(case: UseCase) -> None:
    test = load_split(case, "test")
    for folder in Paths(case.name).candidates().values():
        bundle = Bundle.open(folder)
        together = bundle.predict(test.inputs)
        assert together.dtype == np.float32
        assert together.shape == (len(test), max(1, len(case.output.classes)))
        alone = np.concatenate(
            [bundle.predict({name: array[row : row + 1] for name, array in test.inputs.items()}) for row in range(3)]
        )
        np.testing.assert_allclose(alone, together[:3], rtol=1e-4, atol=1e-6)
        if case.output.task == "classification":
            np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)


def test_the_stages_leave_all_that_dvc_yaml_names(case: UseCase) -> None:
    expected = outputs()
    assert len(expected) >= 10
    lacking = [path for path in expected if not Path(path.replace("${item.use_case}", case.name)).exists()]
    assert lacking == []


@cache
def outputs() -> list[str]:
    """The outs, metrics and plots of all the stages."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    listed = [out for stage in stages for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
    return [next(iter(out)) if isinstance(out, dict) else out for out in listed]


def test_the_candidates_learned_something(case: UseCase) -> None:
    """Better than the best answer that ignores the inputs: the most frequent class, or the mean."""
    scores = json.loads(Paths(case.name).metrics("evaluate").read_text())["candidates"]
    targets = case.targets(load_split(case, "test").rows)
    for name, found in scores.items():
        if name == "constant":
            continue
        if case.output.task == "classification":
            assert found["accuracy"] > np.bincount(targets).max() / len(targets) + 0.1, name
        else:
            assert found["r2"] > 0.3, name


@pytest.fixture
def served(case: UseCase, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A server of the evaluated network."""
    monkeypatch.setenv("PORTFOLIO_USE_CASE", case.name)
    folder = Paths(case.name).candidates()["network"]
    manifest = Bundle.open(folder).manifest
    lineage = manifest.lineage.model_copy(update={"model_version": 1})
    Store.of(case.name).publish(folder, manifest.model_copy(update={"lineage": lineage}))
    with TestClient(create_app()) as client:
        yield client


def test_it_can_be_served(case: UseCase, served: TestClient) -> None:
    document = served.get("/openapi.json").json()
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    answer = served.post("/predict", json=example)
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    assert prediction["class"] in case.output.classes if case.output.classes else prediction["value"]
    assert prediction["decision"] in ("machine", "person")
    assert prediction["expected_yen"] <= case.config().value.by_hand_yen
    for field in case.inputs:
        without = {key: value for key, value in example["instances"][0].items() if key != field.name}
        status = served.post("/predict", json={"instances": [without]}).status_code
        assert status == (200 if field.nullable else 422), field.name


def test_every_protocol_gives_the_same_answer_and_its_documented_examples_run(
    case: UseCase, served: TestClient
) -> None:
    posts = {path: item["post"] for path, item in served.get("/openapi.json").json()["paths"].items() if "post" in item}
    bodies = {
        path: post["requestBody"]["content"]["application/json"]
        for path, post in posts.items()
        if post.get("requestBody")
    }
    expected = served.post("/predict", json=bodies["/predict"]["example"]).json()["predictions"]
    examples = bodies["/invocations"]["examples"]
    assert set(examples) == {"instances", "inputs", "dataframe_split", "dataframe_records"}
    for form, shown in examples.items():
        answer = served.post("/invocations", json=shown["value"])
        assert answer.status_code == 200, f"{form}: {answer.text}"
        assert answer.json()["predictions"] == expected, form
    infer = f"/v2/models/{case.name}/infer"
    (output,) = served.post(infer, json=bodies[infer]["example"]).json()["outputs"]
    one = expected[0]
    plain = list(one["probabilities"].values()) if case.output.classes else [one["value"]]
    np.testing.assert_allclose(output["data"], plain, rtol=1e-6)


def test_an_explanation_has_a_figure_for_each_part(case: UseCase, served: TestClient) -> None:
    instance = {field.name: field.example for field in case.inputs}
    answer = served.post("/predict?explain=true", json={"instances": [instance]}).json()
    falls = answer["predictions"][0]["explanation"]["falls_by"]
    assert set(falls) == {field.name for field in case.inputs}
    for field in case.inputs:
        figures = np.atleast_1d(falls[field.name])
        assert len(figures) == field.width
        assert np.isfinite(figures).all()


def test_the_card_names_what_a_page_shows(case: UseCase, served: TestClient) -> None:
    model = served.get("/model").json()
    for language in LANGUAGES:
        card = model["card"][language]
        assert {"title", "intended", "not_for", "output", *(f"field.{field.name}" for field in case.inputs)} <= set(
            card
        )
        assert all(card.values())
    assert model["figures"][case.metric] > 0


@pytest.mark.usefixtures("toy")
def test_a_use_case_is_found_by_its_folder_alone() -> None:
    assert "toy" in use_case_names()
    assert load_use_case("toy").title == "Ripe melons"
