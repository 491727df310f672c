"""The docs' figures are written from the metrics files, and a stale one is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from portfolio.bundle.policy import VALUE
from portfolio.cli.main import app
from portfolio.contract.config import STUDIES
from portfolio.contract.loading import load_use_case
from portfolio.contract.sources import Cell
from portfolio.core.errors import ConfigError, DataError
from portfolio.core.paths import BENCH, MONITOR_BENCH, RELIABILITY, SERVING_BENCH, Paths
from portfolio.report.blocks import results
from portfolio.report.blocks.documents import BLOCKS, filled
from portfolio.report.blocks.studies import leakage, leakage_result
from portfolio.report.words import spread, yen

BLOCK = "before\n<!-- figures: {} -->\nold\n<!-- /figures -->\nafter\n"
RATE = "train.learning_rate"


@pytest.fixture
def documents(built: Callable[[str], Path]) -> dict[str, Path]:
    """Documents with every block, beside small records of a tuning, of studies and of a bench."""
    folder = built("toy")
    for name in ("README.md", "README.ja.md"):
        abouts = [f"{block} {'lightning' if block == 'bench' else 'toy'}" for block in BLOCKS]
        (folder / name).write_text("".join(BLOCK.format(about) for about in abouts))
    rate = load_use_case("toy").config().train.learning_rate
    tried = [
        {"trial": 7, "val_loss": 0.02, "values": {RATE: rate}},
        {"trial": 8, "val_loss": 0.03, "values": {RATE: 0.5}},
    ]
    record = {
        **{"space": {RATE: {}}, "best": tried, "as_configured": {"trial": 0, "val_loss": 0.04, "values": {RATE: 0.25}}},
        **{"importance": {RATE: 1.0}, "trials": 3, "pruned": 1, "train_seconds": 12.5},
    }
    write(Paths("toy").metrics("tuning"), record)
    figures = {"log_loss": [0.1, 0.3], "accuracy": [0.8, 0.9]}
    for name in STUDIES:
        point = {"name": f"a point of {name}", "train": figures, "val": figures}
        write(Paths("toy").study(name), {"metrics": list(figures), "points": [point]})
    point = {"name": "chosen", "test": {VALUE: [4000, 5000]}}
    write(Paths("toy").study("spread"), {"metrics": [VALUE], "points": [point]})
    best = json.loads(Paths("toy").metrics("evaluate").read_text())["best"]
    together = {"name": best, "train": figures, "val": {**figures, VALUE: [3000, 4000]}}
    alone = {"name": best, "train": figures, "val": {"log_loss": [0.04, 0.06], "accuracy": [1, 1], VALUE: [4500, 5000]}}
    content = json.loads(Paths("toy").study("cross-validate").read_text())
    content["points"].append(together)
    write(Paths("toy").study("cross-validate"), {**content, "by_row": [alone]})
    figures = {"units": 70, "near": [0.5, 0.75], "test_share_deviation": 0.01, "metric": 0.3}
    sizes = [{"sizes": sizes, **figures} for sizes in (None, [0, 0], [0.1, 0.1], [0.2, 0.4])]
    near = [[0.01, 0.01], [0.05, 0.05]]
    write(Paths("toy").metrics("cells"), {"columns": ["x", "y"], "near": near, "model": "a_tree", "sizes": sizes})
    rows = [
        {
            "name": "Lightning / raw loop",
            "value": 1.05,
            "unit": "x",
            "at_most": 1.15,
            "at_least": None,
            "verdict": "held",
        },
        {"name": "something slow", "value": 3.0, "unit": "s", "at_most": 2.0, "at_least": None, "verdict": "missed"},
        {
            "name": "the same under Lightning",
            "value": 1234.5,
            "unit": "s",
            "at_most": None,
            "at_least": None,
            "verdict": "",
        },
    ]
    measured_coverage = {"one model": [{"error_rate": 0.002, "rows": 100, "coverage": 0.995}]}
    coverage = {"machine": "one abacus", "rows": rows, "grid": measured_coverage}
    write(BENCH, {"lightning": {"machine": "one abacus", "rows": rows}, "coverage": coverage})
    servers = {"this project": 7000.0, "LitServe": 1000.0, "mlflow models serve": 500.0, "BentoML": 700.0}
    measured = {
        name: {"ready_seconds": 0.5, "memory_mib": 93.0, "loads": {"1 row": {"rate": rate, "p99_ms": 12.0}}}
        for name, rate in servers.items()
    }
    ratio = {"name": "rate / LitServe", "value": 7.0, "unit": "x", "at_most": None, "at_least": 3.5, "verdict": "held"}
    write(SERVING_BENCH, {"machine": "one abacus", "servers": measured, "rows": [ratio]})
    kills = [
        {"name": "kills", "value": 50, "unit": "", "at_most": None, "at_least": None, "verdict": ""},
        {"name": "not in the log", "value": 3, "unit": "", "at_most": 0, "at_least": None, "verdict": "missed"},
        {"name": "there twice", "value": 0, "unit": "", "at_most": 0, "at_least": None, "verdict": "held"},
    ]
    where = {"machine": "one abacus"}
    items = {"kill": {**where, "rows": kills}, "disk-full": {**where, "skipped": "not without root"}}
    flows = {"training-killed": {**where, "rows": [{**kills[2], "name": "unfinished files left behind"}]}}
    write(RELIABILITY, {"items": items, "flows": flows})
    false_alarms = {"name": "years in which it cries wolf", "value": 0.5, "unit": "%", "at_most": 1, "at_least": None}
    write(MONITOR_BENCH, {"false_alarms": {"machine": "one abacus", "rows": [{**false_alarms, "verdict": "held"}]}})
    return {"en": folder / "README.md", "ja": folder / "README.ja.md"}


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def readme(*options: str) -> None:
    result = CliRunner().invoke(app, ["readme", *options])
    if result.exception:
        raise result.exception


def test_blocks_follow_the_metrics_in_both_languages(documents: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"README\.ja\.md, README\.md are not those of metrics"):
        readme("--check")
    assert "\nold\n" in documents["en"].read_text()
    readme()
    readme("--check")
    evaluation = json.loads(Paths("toy").metrics("evaluate").read_text())
    value = f"{evaluation['candidates'][evaluation['best']]['value_yen_per_1000']:,.0f}"
    texts = {language: path.read_text() for language, path in documents.items()}
    assert f"**{value} yen saved" in texts["en"]
    assert f"{value}円の節約" in texts["ja"]
    for text in texts.values():
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert "\nold\n" not in text
        assert text.count(f"| {value} |") >= 1
    changed = json.dumps(evaluation).replace('"test_rows": ', '"test_rows": 1')
    Paths("toy").metrics("evaluate").write_text(changed)
    with pytest.raises(DataError, match="make readme"):
        readme("--check")


def test_the_trial_that_the_config_has_stands_out(documents: dict[str, Path]) -> None:
    text = filled(documents["en"])
    rate = load_use_case("toy").config().train.learning_rate
    assert f"| **7** | 0.02 | {rate} |\n| 8 | 0.03 | 0.5 |\n| previous config | 0.04 | 0.25 |" in text
    assert "3 trials, 1 of them pruned, in 12.5 s of training." in text
    assert "learning rate 100.0%" in text
    assert "| 7 |" not in text


def test_a_study_is_told_with_its_spread(documents: dict[str, Path]) -> None:
    for path, head in zip(documents.values(), ("log loss, training", "対数損失, 学習"), strict=True):
        text = filled(path)
        assert head in text
        loss, accuracy = spread([0.1, 0.3]), spread([0.8, 0.9])
        assert f"| a point of ablation | {loss} | {loss} | {accuracy} |" in text


def test_other_seeds_are_told_only_if_the_study_is_of_the_models_of_now(documents: dict[str, Path]) -> None:
    evaluation = json.loads(Paths("toy").metrics("evaluate").read_text())
    value = evaluation["candidates"][evaluation["best"]][VALUE]
    study = Paths("toy").study("spread")
    assert "chosen again with" not in filled(documents["en"])
    write(study, {"metrics": [VALUE], "points": [{"name": "chosen", "test": {VALUE: [value, value + 10]}}]})
    assert f"chosen again with 2 seeds, the chosen model is worth {yen(value + 5)} yen on average, {yen(value)} to" in (
        text := filled(documents["en"])
    )
    assert f"{yen(value + 10)} (`{study.as_posix()}`)." in text


def test_the_headline_is_what_the_first_use_case_that_was_measured_is_worth(documents: dict[str, Path]) -> None:
    (line,) = [line for line in filled(documents["en"]).splitlines() if "by hand they cost" in line]
    evaluation = json.loads(Paths("toy").metrics("evaluate").read_text())
    assert f"**{yen(evaluation['candidates'][evaluation['best']][VALUE])} yen saved per 1,000" in line
    Paths("toy").metrics("evaluate").unlink()
    assert results.headline("", "en") == "No figures yet. This measures them: `make run`"


def test_what_a_split_by_rows_would_claim_stands_beside_what_holds(
    documents: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    best = json.loads(Paths("toy").metrics("evaluate").read_text())["best"].replace("_", " ")
    text = filled(documents["en"])
    assert "| model | log loss, each row on its own | log loss, rows kept together | yen per 1,000, each row" in text
    assert f"| {best} | {spread([0.04, 0.06])} | {spread([0.1, 0.3])} | 4,750 | 3,500 |" in text
    assert "are in the same split" not in text, "no rows are kept together"
    monkeypatch.setattr(load_use_case("toy").source, "split_by", (Cell("weight", 0.1), Cell("melon", 0.1)))
    assert "| cell | groups of rows | test rows with a training row within 0.01 |" in filled(documents["en"])
    assert "\n| **0.1** | 70 | 50.0% | 75.0% | 1.0% | 0.3 |\n| 0.2 x 0.4 | 70 |" in filled(documents["en"])
    monkeypatch.setattr(load_use_case("toy").source, "split_by", (Cell("weight", 0.5), "colour"))
    sentence = (
        "Rows with the same weight (to the nearest 0.5) and colour are in the same split, because they tell a model "
        f"about each other. Cross-validated in this way, the log loss of the {best} is 0.2, and it saves 3,500 yen per "
        "1,000; with each row assigned on its own, these would seem to be 0.05 and 4,750."
    )
    assert sentence in filled(documents["en"])
    assert "weight（0.5単位）とcolourが同じ行" in filled(documents["ja"])  # noqa: RUF001
    Paths("toy").study("cross-validate").unlink()
    unmeasured = leakage_result("toy", "en")
    assert unmeasured == sentence.partition(" Cross-validated")[0]
    assert "portfolio study cross-validate toy" in leakage("toy", "en")


def test_what_was_measured_stands_beside_its_aim_and_the_machine(documents: dict[str, Path]) -> None:
    text = filled(documents["en"])
    assert "| Lightning / raw loop | 1.05 x | ≤ 1.15: met |" in text
    assert "| something slow | 3 s | ≤ 2: missed |" in text
    assert "| the same under Lightning | 1,234 s |  |" in text
    assert "Measured by `python -m bench lightning` on one abacus." in text


def test_the_server_stands_beside_the_others(documents: dict[str, Path]) -> None:
    text = filled(documents["en"])
    assert "| requests per second | 1 row | p99 (ms), 1 row | startup (s) | memory (MiB) |" in text
    assert "| this project | 7,000 | 12 | 0.5 | 93 |" in text
    assert "| rate / LitServe | 7 x | ≥ 3.5: met |" in text
    assert "(7x LitServe, 14x mlflow models serve, 10x BentoML), 99% of them within 12 ms" in text
    assert "BentoMLの10倍" in filled(documents["ja"])


def test_what_was_tried_and_did_not_hold_is_told(documents: dict[str, Path]) -> None:
    text = filled(documents["en"])
    assert "| kill: not in the log | 3 | ≤ 0: missed |" in text
    assert "disk-full: not without root" in text
    assert "2 of 3 reliability targets are met" in text


def test_what_was_tried_of_the_flows_has_a_table_of_its_own(documents: dict[str, Path]) -> None:
    documents["en"].write_text(BLOCK.format("reliability flows"))
    told = "| training-killed: unfinished files left behind | 0 | ≤ 0: met |"
    assert told in filled(documents["en"])
    documents["en"].write_text(BLOCK.format("reliability"))
    assert told not in filled(documents["en"])
    measured = json.loads(RELIABILITY.read_text())
    write(RELIABILITY, {name: part for name, part in measured.items() if name != "flows"})
    documents["en"].write_text(BLOCK.format("reliability flows"))
    assert "No figures yet. This measures them: `make reliability`" in filled(documents["en"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BLOCK.format("nonsense toy"), "no block 'nonsense'. There are: result, comparison, policy"),
        (BLOCK.format("result toy").replace("<!-- /figures -->", ""), "needs a '<!-- /figures -->'"),
    ],
)
def test_a_block_that_can_not_be_written_is_named(documents: dict[str, Path], text: str, why: str) -> None:
    documents["en"].write_text(text)
    with pytest.raises(ConfigError, match=why):
        filled(documents["en"])


def test_a_block_about_a_use_case_that_is_gone_stays_as_it_was(documents: dict[str, Path]) -> None:
    documents["en"].write_text(BLOCK.format("result gone"))
    assert filled(documents["en"]) == BLOCK.format("result gone")


@pytest.mark.parametrize(
    ("block", "missing", "remedy"),
    [
        ("result toy", "metrics/toy/evidence.json", "portfolio run toy"),
        ("tuning toy", "metrics/toy/tuning.json", "portfolio tune toy"),
        ("capacity toy", "metrics/toy/studies/capacity.json", "portfolio study capacity toy"),
        ("bench lightning", "metrics/bench.json", "python -m bench lightning"),
    ],
)
def test_without_metrics_it_says_what_to_run(documents: dict[str, Path], block: str, missing: str, remedy: str) -> None:
    Path(missing).unlink()
    documents["en"].write_text(BLOCK.format(block))
    with pytest.raises(DataError, match=rf"{missing} is missing\. This writes it: {remedy}$"):
        filled(documents["en"])


def test_a_part_that_was_not_measured_is_named(documents: dict[str, Path]) -> None:
    documents["en"].write_text(BLOCK.format("bench loop"))
    with pytest.raises(DataError, match=r"no part 'loop'\. This measures it: python -m bench loop$"):
        filled(documents["en"])
