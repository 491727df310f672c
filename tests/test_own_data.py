"""Somebody's own files, written in awkward ways, each from `portfolio new` to a served, explained, labelled answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.store import Store
from portfolio.cli.main import main
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths
from portfolio.data.collect import collect
from serving.app import create_app
from serving.settings import Settings
from tests.workspace import edit_config, run_stage, stage_names

NAME = "mine"
ROWS = 600


def numbers(seed: int = 0) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random, random.uniform(0, 100, ROWS), random.integers(0, 3, ROWS)


def two_classes(folder: Path) -> list[str]:
    """As Excel in Japan writes it: cp932, dates, zeros in front, words for what is missing, full-width digits."""
    random, age, place = numbers()
    leaves = age + 30 * (place == 1) + random.normal(0, 10, ROWS) > 70
    wide = str.maketrans("0123456789", "０１２３４５６７８９")  # noqa: RUF001
    lines = ["社員番号,入社日,年齢,部署,残業時間,退職"]
    for row in range(ROWS):
        years = str(int(age[row])).translate(wide) if row % 5 == 0 else str(int(age[row]))
        hours = "不明" if row % 9 == 0 else f"{age[row] / 3:.1f}"
        department = ("営業", "開発", "総務")[place[row]]
        day, left = f"2024/{row % 12 + 1}/{row % 28 + 1}", "はい" if leaves[row] else "いいえ"
        lines.append(f"{row:05d},{day},{years},{department},{hours},{left}")
    path = folder / "社員 一覧.csv"
    path.write_bytes("\r\n".join(lines).encode("cp932"))
    return [str(path), "--target", "退職"]


def twelve_classes(folder: Path) -> list[str]:
    """Tab-separated, with a column that says the same as the target, and one that says the same as another."""
    _, size, place = numbers(1)
    kind = (size // 25).astype(int) * 3 + place
    lines = ["Size (cm)\tPlace\tPlace no\tLabel\tconstant\tKind"]
    for row in range(ROWS):
        lines.append(f"{size[row]:.2f}\t{'xyz'[place[row]]}\t{place[row]}\tno {kind[row]}\t1\tkind {kind[row]:02d}")
    path = folder / "kinds.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(path), "--target", "Kind"]


def quantity(folder: Path) -> list[str]:
    """As a German program writes it: semicolons, decimal commas, points between thousands, Latin-1, a title, a note."""
    random, area, place = numbers(2)
    price = 50_000 + 4_000 * area + 90_000 * place + random.normal(0, 9_000, ROWS)
    lines = ["Liste der Wohnungen", "", "Fläche;Straße;Preis"]
    for row in range(ROWS):
        cost = f"{price[row]:,.0f}".replace(",", ".")
        lines.append(f"{area[row]:.2f};{('Allee', 'Gäßchen', 'Weg')[place[row]]};{cost}".replace(".", ",", 1))
    lines.append("Stand: Januar")
    path = folder / "wohnungen 2026-01-31.csv"
    path.write_text("\n".join(lines), encoding="latin-1")
    return [str(path), "--target", "Preis"]


def parquet(folder: Path) -> list[str]:
    """Typed columns: booleans, integers with gaps, dates, a number that stands for a missing one."""
    random, income, place = numbers(3)
    pays = income + 20 * place + random.normal(0, 8, ROWS) > 60
    table = pl.DataFrame(
        {
            "customer": range(ROWS),
            "day": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 1) + pl.duration(days=ROWS - 1), eager=True),
            "income": [None if row % 7 == 0 else float(value) for row, value in enumerate(income)],
            "children": [999 if row % 11 == 0 else int(value) for row, value in enumerate(place)],
            "member": [bool(value) for value in place > 0],
            "pays": pays,
        }
    )
    path = folder / "customers.parquet"
    table.write_parquet(path)
    return [str(path), "--target", "pays"]


def pictures(folder: Path) -> list[str]:
    """In colour and of many sizes, with a text and a damaged file among them."""
    random = np.random.default_rng(4)
    for name in ("dark", "light"):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(60):
            low = 20 if name == "dark" else 150
            side = int(random.integers(20, 60))
            red, green, blue = (int(value) for value in random.integers(low, low + 90, 3))
            picture = Image.new("RGB", (side, side + 5), (red, green, blue))
            ImageDraw.Draw(picture).ellipse((2, 2, 12, 12), fill=(200, 0, 0))
            picture.save(folder / "pictures" / name / f"{number}.{'png' if number % 2 else 'jpg'}")
    (folder / "pictures" / "dark" / "notes.txt").write_text("not a picture")
    whole = (folder / "pictures" / "dark" / "1.png").read_bytes()
    (folder / "pictures" / "dark" / "cut.png").write_bytes(whole[: len(whole) // 2])
    return [str(folder / "pictures")]


def texts(folder: Path) -> list[str]:
    """Sentences of Japanese with a BOM, beside a number that a model of the text does not take."""
    random = np.random.default_rng(5)
    good = ("部屋がきれいで満足です", "朝食がおいしかったです", "駅から近くて便利でした")
    bad = ("部屋が臭くて眠れませんでした", "対応が最悪でした", "壁が薄くて隣の声がうるさい")
    lines = ["感想,星,評価"]
    for row in range(300):
        is_good = bool(random.integers(0, 2))
        sentence = (good if is_good else bad)[random.integers(0, 3)]
        lines.append(f"{sentence}。{row}号室。,{random.integers(1, 6)},{'良い' if is_good else '悪い'}")
    path = folder / "reviews.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return [str(path), "--target", "評価", "--text", "感想"]


@pytest.mark.parametrize("made", [two_classes, twelve_classes, quantity, parquet, pictures, texts])
def test_a_file_becomes_a_served_explained_and_labelled_answer(
    made: Callable[[Path], list[str]], workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["portfolio", "new", NAME, *made(tmp_path), "--yes"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    edit_config(NAME, train={"max_epochs": 3, "members": 1})
    case = load_use_case(NAME)
    collect(case.source, Paths(NAME).batches)
    for stage in stage_names():
        run_stage(stage, NAME)
    folder = Paths(NAME).best_folder()
    manifest = Bundle.open(folder).manifest
    numbered = manifest.model_copy(update={"lineage": manifest.lineage.model_copy(update={"model_version": 1})})
    Store.of(NAME).publish(folder, numbered)
    monkeypatch.setenv("PORTFOLIO_USE_CASE", NAME)
    with TestClient(create_app(Settings())) as client:
        document = client.get("/openapi.json").json()
        content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
        answer = client.post("/predict?explain=true", json=content["example"])
        assert answer.status_code == 200, answer.text
        body = answer.json()
        (prediction,) = body["predictions"]
        assert "explanation" in str(body)
        if case.output.task == "classification":
            assert prediction["class"] in case.output.classes
        label = case.output.classes[0] if case.output.classes else 100_000.0
        said = client.post("/feedback", json={"request_id": body["request_id"], "row": 0, "label": label})
        assert said.status_code == 201, said.text
