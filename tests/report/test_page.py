"""The report: whole in itself, in two languages, with the figures of the metrics files."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.policy import VALUE
from portfolio.contract.card import LANGUAGES
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths
from portfolio.core.sentences import read_sentences
from portfolio.evaluation import gate
from portfolio.registry import judgement, registry
from portfolio.report.page import INTERVIEWS
from portfolio.report.words import PAGES, TEMPLATES, number, read_words, yen
from tests.workspace import ALL_USE_CASES, edit_config, run_stage


@pytest.fixture(params=ALL_USE_CASES)
def paths(request: pytest.FixtureRequest, built: Callable[[str], Path]) -> Paths:
    built(request.param)
    return Paths(request.param)


def test_every_word_is_there_in_every_language() -> None:
    for key, text in yaml.safe_load((TEMPLATES / "words.yaml").read_text()).items():
        assert set(text) == set(LANGUAGES), key
        assert all(text.values()), key


def test_every_text_of_the_card_is_there_in_every_language(paths: Paths) -> None:
    card = load_use_case(paths.use_case).card_texts()
    assert set(card) == set(LANGUAGES)
    for texts in card.values():
        assert texts.keys() == card["en"].keys()
        assert all(texts.values())


def test_the_lines_of_a_japanese_text_are_joined_without_a_space(paths: Paths) -> None:
    for text in load_use_case(paths.use_case).card_texts()["ja"].values():
        assert not re.search(r"[\u3000-\u9fff] [\u3000-\u9fff]", text), text


def test_the_pages_stand_alone_and_say_what_the_metrics_say(paths: Paths) -> None:
    evaluation, evidence = (json.loads(paths.metrics(name).read_text()) for name in ("evaluate", "evidence"))
    for language in LANGUAGES:
        page = (paths.report / PAGES[language]).read_text()
        assert f'<html lang="{language}">' in page
        # Links to the other language and to the answers; nothing that a browser would fetch by itself.
        assert not re.search(r"""(src|href)=["']?(https?:|//)""", page)
        assert "<script" not in page
        assert "@import" not in page
        for figures in evaluation["candidates"].values():
            assert yen(figures["value_yen_per_1000"]) in page
        for found in evidence["candidates"].values():
            for name, ends in found["intervals"].items():
                if name not in ("trust_all_yen_per_1000", "by_machine"):
                    assert all((yen if name == VALUE else number)(end) in page for end in ends)
        for values in evidence["candidates"][evaluation["best"]]["by_class"].values():
            assert all(number(value) in page for value in values)
        answers = (paths.report / INTERVIEWS[language]).read_text()
        best = evaluation["candidates"][evaluation["best"]]
        assert yen(best["value_yen_per_1000"]) in answers
        for plot in re.findall(r"\]\((\S+)\)", answers):
            assert (paths.report / plot).exists()


def test_the_gates_verdict_is_on_the_page(built: Callable[[str], Path]) -> None:
    built("toy")
    paths = Paths("toy")
    assert "No version has been through the gate yet" in (paths.report / "index.html").read_text()
    # Every check that the gate knows has its name in both languages.
    names = re.findall(r'Check\(\s*"([^"]+)"', inspect.getsource(gate))
    assert len(set(names)) == 8
    figures = {"mean": -12.0, "low": -20.0, "high": -4.0, "rows": 400, "tries": 1, "p": 0.9, "alpha": 0.02}
    judged = gate.Verdict([gate.Check(name, False, "not_better_than_champion", figures) for name in names])
    digest = Bundle.open(paths.best_folder()).digest
    made = {"git_commit": "a" * 40, "dirty": True, "config_sha256": "b" * 64}
    verdict = {"version": 3, **judged.as_dict(), "digest": digest, "lineage": {"trained": made, "evaluated": made}}
    verdict |= {"run_id": "r" * 32, "experiment_id": "1"}
    paths.verdict.write_text(json.dumps(verdict))
    assert paths.report_is_stale()
    run_stage("report", "toy")
    assert not paths.report_is_stale()
    page = (paths.report / "index.html").read_text()
    assert "-12 yen per 1,000 items (-20 to -4) compared with the champion, on 400 test rows" in page
    assert f'href="http://127.0.0.1:5000/#/experiments/1/runs/{"r" * 32}"' in page
    assert f"<code>{digest[:12]}</code>" in page
    assert f"<code>{'a' * 12}</code> (with uncommitted changes)" in page
    in_japanese = "現行モデルと比べて1,000件あたり-12円"
    page = (paths.report / PAGES["ja"]).read_text()
    # Around Japanese, marks are full-width.
    assert re.search(r"</b>[^ -~]バージョン3[^ -~]{2}現行モデル", page)
    assert re.search(r"</code>[^ -~]未コミットの変更あり[^ -~]、設定の", page)
    assert re.search(r"<summary>バッチ[^ -~]\d+[^ -~]", page)
    for name in (PAGES["ja"], INTERVIEWS["ja"]):
        assert in_japanese in (paths.report / name).read_text()


@pytest.mark.parametrize("name", ["capacity", "ablation"])
def test_a_study_is_on_the_page(built: Callable[[str], Path], name: str) -> None:
    built("toy")
    paths = Paths("toy")
    sides = {side: {"log_loss": [0.25, 0.5]} for side in ("train", "val")}
    points = [{"name": size, "repetitions": ["a", "b"], "parameters": int(size), **sides} for size in ("10", "20")]
    paths.study(name).parent.mkdir(parents=True, exist_ok=True)
    paths.study(name).write_text(json.dumps({"study": name, "metrics": ["log_loss"], "points": points}))
    run_stage("report", "toy")
    for language in LANGUAGES:
        words = read_words(language)
        page = (paths.report / PAGES[language]).read_text()
        assert words[f"study_{name}"] in page
        assert words["figures"]["log_loss"] in page


def test_what_the_gate_finds_has_its_sentence_in_both_languages() -> None:
    source = "".join(inspect.getsource(module) for module in (gate, judgement, registry))
    for language in LANGUAGES:
        findings = read_sentences(gate.FINDINGS)[language]
        # One sentence for each, and none that nothing says; those of value are put together.
        said = {name for name in findings if f'"{name}"' in source} | {n for n in findings if "better_than" in n}
        assert said == findings.keys()
        assert findings.keys() == read_sentences(gate.FINDINGS)["en"].keys()


def test_only_the_means_against_overfitting_that_are_on_are_named(built: Callable[[str], Path]) -> None:
    built("toy")
    answers = [Paths("toy").report / name for name in INTERVIEWS.values()]
    assert "weight decay (0.001)" in answers[0].read_text()
    assert "重み減衰" in answers[1].read_text()
    edit_config("toy", train={"weight_decay": 0})
    run_stage("report", "toy")
    for path in answers:
        for off in ("weight decay", "dropout", "augmentation", "重み減衰", "ドロップアウト", "データ拡張"):
            assert off not in path.read_text(), (path, off)


def test_twice_the_same_page(built: Callable[[str], Path]) -> None:
    built("toy")
    before = {path: path.read_bytes() for path in Paths("toy").report.rglob("*") if path.is_file()}
    run_stage("report", "toy")
    assert {path: path.read_bytes() for path in Paths("toy").report.rglob("*") if path.is_file()} == before
