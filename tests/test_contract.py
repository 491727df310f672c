"""What every use case must keep to, one test for all: those of params.yaml, and those that exist for tests alone.

A new use case is tested here as soon as its word is in params.yaml. Where its source is out of reach, its rows are made
up from its declarations.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
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
from portfolio.contract.fields import is_of_bytes
from portfolio.contract.loading import load_use_case
from portfolio.contract.use_case import UseCase
from portfolio.core.errors import ConfigError
from portfolio.core.paths import Paths
from portfolio.data.dataset import load_split, sklearn_input
from portfolio.data.normalize import normalize
from portfolio.data.split import identities
from portfolio.data.validate import check_batch
from portfolio.evaluation.metrics import score
from portfolio.registry.registry import Registry
from serving.app import create_app
from tests.serving.conftest import example
from tests.workspace import ALL_USE_CASES, ROOT, USE_CASES, is_at_hand


@pytest.fixture(scope="module", params=ALL_USE_CASES)
def case(
    request: pytest.FixtureRequest, built_once: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UseCase]:
    """Each use case, in the folder where all its stages have run: nothing here changes that."""
    with chdir(built_once(request.param)), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTFOLIO_STATE", str(tmp_path_factory.mktemp("state")))
        yield load_use_case(request.param)


@pytest.fixture
def config(case: UseCase) -> Config:
    return case.config()


@pytest.fixture
def raw(case: UseCase) -> pl.DataFrame:
    """The first collected batch, as it came."""
    return pl.read_parquet(min(Paths(case.name).batches.glob("*.parquet")))


@pytest.fixture
def clean(case: UseCase) -> pl.DataFrame:
    """The good rows of the first batch that has any, in the form that all stages take."""
    return pl.read_parquet(min(Paths(case.name).clean.glob("*.parquet")))


def test_one_stem_everywhere(case: UseCase, config: Config) -> None:
    assert type(case).__module__ == f"use_cases.{case.name}.use_case"
    assert config.use_case == case.name
    assert case.title


def test_every_use_case_has_a_folder_and_a_config() -> None:
    assert USE_CASES
    assert sorted(USE_CASES) == sorted(path.parent.name for path in (ROOT / "use_cases").glob("*/use_case.py"))
    assert sorted(USE_CASES) == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))


def test_inputs_and_output_are_consistent(case: UseCase) -> None:
    names = [field.name for field in case.inputs]
    assert len(set(names)) == len(names) > 0
    assert case.target.column not in names
    classes = case.output.classes
    assert len(set(classes)) == len(classes) == len(case.output.labels)
    assert (len(classes) >= 2) == (case.output.task == "classification")


def test_a_bundles_examples_are_values_that_its_fields_allow(case: UseCase) -> None:
    for folder in Paths(case.name).candidates().values():
        for field in Bundle.open(folder).manifest.inputs:
            if field.kind == "category":
                assert field.example in (*field.categories, *([""] if field.nullable else []))
                continue
            if field.example is None:
                assert field.nullable
                continue
            if field.kind == "text":
                assert 0 < len(field.example) <= field.max_length
                continue
            values = np.atleast_1d(field.example)
            assert len(values) == field.width
            assert field.minimum is None or min(values) >= field.minimum
            assert field.maximum is None or max(values) <= field.maximum


def test_the_metric_that_is_shown_first_is_one_that_is_measured(case: UseCase) -> None:
    split = load_split(case, "test")
    (folder, *_) = Paths(case.name).candidates().values()
    measured = score(case.output, split.targets, Bundle.open(folder).predict(split.inputs))
    assert case.metric in measured


def test_the_source_gives_the_same_batch_alone_and_beside_others(case: UseCase) -> None:
    if not is_at_hand(case):
        pytest.skip("its source is out of reach here")
    days = case.source.dates()
    assert days == sorted(set(days))
    first, last = days[0], days[-1]
    together = case.source.read(days)
    assert list(together) == days
    assert case.source.read([first])[first].equals(together[first])
    assert case.source.read([last])[last].equals(together[last])


def test_the_sources_rows_fit(case: UseCase, config: Config) -> None:
    path = min(Paths(case.name).batches.glob("*.parquet"))
    good, bad = check_batch(path, case.schema(), case, config.validate_)
    assert len(good) + len(bad) == len(pl.read_parquet(path))
    assert good.columns == case.columns()
    assert len(bad) <= config.validate_.max_bad_fraction * len(good)


def test_clean_rows_are_named_and_belong_somewhere(case: UseCase, clean: pl.DataFrame) -> None:
    case.schema().validate(clean, lazy=True)
    assert {case.key, *case.source.split_columns, case.target.column} <= set(clean.columns)
    assert clean[case.key].is_unique().all()
    assert identities(case.source, clean).null_count().row(0) == (0,)


def out_of_bounds(field: InputField) -> list[Any]:
    """Values of a field that no clean row may have."""
    wrong: list[Any] = [] if field.nullable or field.shape else [None]
    if field.kind == "category":
        return [*wrong, "no such category"]
    if field.kind == "text":
        return [*wrong, "x" * (field.max_length + 1)]
    above = [] if field.maximum is None else [field.maximum + 1]
    below = [] if field.minimum is None else [field.minimum - 1]
    return wrong + [[value] * field.width if field.shape else value for value in (*above, *below)]


def test_the_schema_refuses_broken_rows(case: UseCase, clean: pl.DataFrame) -> None:
    schema = case.schema()
    rejected = 0
    for field in case.inputs:
        for value in out_of_bounds(field):
            if is_of_bytes(field):
                # No byte is out of bounds, so what would be none is refused before.
                column = pl.Series(field.name, [value, *clean[field.name][1:].to_list()], strict=False)
                assert list(normalize(case, clean.with_columns(column)).reasons) == [0]
                rejected += 1
                continue
            broken = pl.concat([pl.Series([value], dtype=clean.schema[field.name]), clean[field.name][1:]])
            with pytest.raises(pandera.errors.SchemaErrors) as caught:
                schema.validate(clean.with_columns(broken.alias(field.name)), lazy=True)
            assert caught.value.failure_cases["index"].to_list() == [0], f"{field.name}: {value}"
            rejected += 1
    assert rejected
    target = pl.col(case.target.column)
    targets = [pl.lit(None)]
    if case.output.task == "classification":
        targets.append(pl.lit("no such label"))
    for wrong in targets:
        with pytest.raises(pandera.errors.SchemaErrors):
            schema.validate(
                clean.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(target).otherwise(wrong)), lazy=True
            )
    again = pl.concat([clean, clean[:1]])
    with pytest.raises(pandera.errors.SchemaErrors):
        schema.validate(again, lazy=True)


def test_a_column_that_is_missing_or_strange_is_named(case: UseCase, raw: pl.DataFrame) -> None:
    for column in case.columns():
        assert normalize(case, raw.drop(column)).faults == [f"the column '{column}' is missing"]
    (fault,) = normalize(case, raw.with_columns(pl.lit(1).alias("surprise"))).faults
    assert "'surprise'" in fault


def test_features_and_targets_are_what_a_bundle_takes(case: UseCase, clean: pl.DataFrame) -> None:
    features = case.features(clean)
    assert list(features) == [field.name for field in case.inputs]
    for field in case.inputs:
        array = features[field.name]
        assert array.shape == (len(clean), field.width)
        if field.is_string:
            assert array.dtype == object
            assert all(isinstance(value, str) for value in array[:, 0])
        else:
            assert array.dtype == np.float32
            assert field.nullable or np.isfinite(array).all()
    targets = case.targets(clean)
    assert targets.shape == (len(clean),)
    if case.output.task == "classification":
        assert targets.dtype == np.int64
        assert set(targets.tolist()) <= set(range(len(case.output.classes)))
    else:
        assert targets.dtype == np.float64
        assert np.isfinite(targets).all()
        assert not case.target.log or targets.min() > 0


def test_a_missing_number_is_nan_and_a_missing_category_or_text_is_empty(case: UseCase, clean: pl.DataFrame) -> None:
    for field in case.inputs:
        if field.kind == "image":
            continue
        gone = case.features(clean[:2].with_columns(pl.lit(None, clean.schema[field.name]).alias(field.name)))
        assert (gone[field.name] == "").all() if field.is_string else np.isnan(gone[field.name]).all()


def test_the_network_fits_the_inputs_and_the_output(case: UseCase, config: Config) -> None:
    train = load_split(case, "train")
    rows = sklearn_input(case, train.inputs)
    params = case.network_params.read(config.network)
    preprocessor = case.network_preprocessor(params)
    features = np.asarray(rows if preprocessor is None else preprocessor.fit_transform(rows), dtype=np.float32)
    assert np.isfinite(features).all()
    network = case.network(params, features.shape[1])
    outputs = network(torch.from_numpy(features[:5]))
    assert outputs.shape == (5, max(1, len(case.output.classes)))
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters()), "a parameter that nothing trains"


def test_the_networks_config_is_strict(case: UseCase, config: Config) -> None:
    with pytest.raises(ConfigError, match="surprise: there is no such key"):
        case.network_params.read({**config.network, "surprise": 1})
    for key in config.network:
        with pytest.raises(ConfigError, match=key):
            case.network_params.read({**config.network, key: "nonsense"})


def test_every_candidate_is_a_bundle_that_opens(case: UseCase) -> None:
    candidates = Paths(case.name).candidates()
    assert set(candidates) == {"constant", *case.candidates(), "network"}
    for name, folder in candidates.items():
        bundle = Bundle.open(folder)
        assert bundle.manifest.candidate == name
        assert bundle.manifest.policy is not None
        assert bundle.manifest.use_case == case.name
        assert [field.model_copy(update={"example": None}) for field in bundle.manifest.inputs] == list(case.inputs)
        assert bundle.manifest.output == case.output
        assert set(bundle.manifest.reference) == {field.name for field in case.inputs}
        graph = onnx.load(folder / "model.onnx", load_external_data=False)
        assert graph.ir_version == 10
        # In any other order than this, the same model would have another digest.
        domains = [opset.domain for opset in graph.opset_import]
        assert domains == sorted(domains)


def test_a_row_is_answered_the_same_alone_and_among_others(case: UseCase) -> None:
    test = load_split(case, "test")
    for folder in Paths(case.name).candidates().values():
        bundle = Bundle.open(folder)
        together = bundle.predict(test.inputs)
        assert together.dtype == np.float32
        # A value has the scale of its error beside it.
        assert together.shape == (len(test), len(case.output.classes) or 2)
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
    """Better than the best answer that ignores the inputs: how common each class is, or the mean."""
    scores = json.loads(Paths(case.name).metrics("evaluate").read_text())["candidates"]
    loss = "log_loss" if case.output.task == "classification" else "mse"
    constant = scores.pop("constant")
    assert scores
    assert {name: found[loss] for name, found in scores.items() if not found[loss] < constant[loss]} == {}


@pytest.fixture(scope="module")
def served(case: UseCase) -> Iterator[TestClient]:
    """A server of the evaluated network."""
    folder = Paths(case.name).candidates()["network"]
    manifest = Bundle.open(folder).manifest
    lineage = manifest.lineage.model_copy(update={"model_version": 1})
    Store.of(case.name).publish(folder, manifest.model_copy(update={"lineage": lineage}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTFOLIO_USE_CASE", case.name)
        with TestClient(create_app()) as client:
            yield client


@pytest.mark.parametrize("name", ALL_USE_CASES)
def test_its_best_candidate_becomes_the_champion_and_answers(
    built: Callable[[str], Path], empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    database = built(name) / ".state" / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(empty_mlflow, database)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PORTFOLIO_USE_CASE", name)
    case = load_use_case(name)
    registry = Registry(case)
    assert registry.promote(registry.register(case.config())).promoted
    champion = Store.of(name).champion()
    assert champion is not None
    assert champion.digest == Bundle.open(Paths(name).best_folder()).digest
    with TestClient(create_app()) as client:
        assert client.get("/model").json()["digest"] == champion.digest
        (prediction,) = client.post("/predict", json=example(client)).raise_for_status().json()["predictions"]
    if case.output.task == "classification":
        assert prediction["class"] in case.output.classes
    else:
        targets = load_split(case, "train").targets
        assert targets.min() <= prediction["value"] <= targets.max()


def test_it_can_be_served(case: UseCase, served: TestClient) -> None:
    asked = example(served)
    answer = served.post("/predict", json=asked)
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    assert prediction["class"] in case.output.classes if case.output.classes else prediction["value"]
    assert prediction["decision"] in ("machine", "person")
    assert prediction["expected_yen"] <= case.config().value.by_hand_yen
    for field in case.inputs:
        without = {key: value for key, value in asked["instances"][0].items() if key != field.name}
        status = served.post("/predict", json={"instances": [without]}).status_code
        assert status == (200 if field.nullable else 422), field.name


@pytest.mark.usefixtures("unaudited")
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
    inputs = Bundle.open(Paths(case.name).candidates()["network"]).manifest.inputs
    instance = {field.name: field.example for field in inputs}
    answer = served.post("/predict?explain=true", json={"instances": [instance]}).json()
    falls = answer["predictions"][0]["explanation"]["falls_by"]
    assert set(falls) == {field.name for field in case.inputs}
    for field in inputs:
        figures = np.atleast_1d(falls[field.name])
        # An image's pixel is one part, in whatever colour it is.
        parts = len(field.example) if field.kind == "text" else field.width // field.channels
        assert len(figures) == parts
        assert np.isfinite(figures).all()


def test_the_card_names_what_a_page_shows(case: UseCase, served: TestClient) -> None:
    model = served.get("/model").json()
    for language in LANGUAGES:
        card = model["card"][language]
        assert {"title", "intended", "not_for", "output", *(f"field.{field.name}" for field in case.inputs)} <= set(
            card
        )
        assert all(card.values())
    assert np.isfinite(model["figures"][case.metric])
