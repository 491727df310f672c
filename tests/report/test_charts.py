"""What a chart shows of more than it has room for."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import numpy as np
import pytest

from portfolio.report import charts

WORDS = {"actual": "actual", "predicted": "predicted", "common_errors": "{shown} of {errors} errors"}


def test_of_many_classes_the_most_common_errors_are_shown() -> None:
    classes = tuple(f"class {number}" for number in range(1000))
    targets = np.arange(1000)
    chosen = targets.copy()
    chosen[100:130] += 1
    rows = np.concatenate([targets, np.full(5, 7)]), np.concatenate([chosen, np.full(5, 8)])
    svg = charts.confusion(classes, *rows, WORDS).svg()
    assert "class 7 → class 8" in svg
    assert f"{5 + charts.COMMON_ERRORS - 1} of 35 errors" in svg
    assert svg.count("→") == charts.COMMON_ERRORS


def test_of_many_classes_without_an_error_nothing_is_shown() -> None:
    classes = tuple(f"class {number}" for number in range(50))
    assert "0 of 0 errors" in charts.confusion(classes, np.arange(50), np.arange(50), WORDS).svg()


def test_long_names_of_classes_do_not_run_into_each_other() -> None:
    rows = np.arange(4), np.arange(4)
    short = charts.confusion(("a", "b", "c", "d"), *rows, WORDS).svg()
    long = charts.confusion(tuple(f"{name} is a rather long name" for name in "abcd"), *rows, WORDS).svg()
    assert "rotate(-30" not in short
    assert long.count("rotate(-30") == 4


def test_dollar_signs_in_the_names_of_classes_are_no_formula(tmp_path: Path) -> None:
    classes = ("<b>$9</b>", "$5_$", "$0-$50", r"\$")
    rows = np.arange(4), np.array([1, 2, 3, 0])
    chart = charts.confusion(classes, *rows, WORDS)
    svg = chart.svg()
    assert all(svg.count(f">{escape(name)}<") == 2 for name in classes)
    charts.confusion(classes, *rows, WORDS).png(tmp_path / "errors.png", "$5_$")
    many = tuple(f"${number}_$" for number in range(50))
    assert "$1_$ → $2_$" in charts.confusion(many, np.array([1]), np.array([2]), WORDS).svg()


@pytest.mark.parametrize("scale", [1, 0.01])
def test_losses_are_labelled_with_plain_numbers(scale: float) -> None:
    history = {"epoch": [1.0, 2.0], "train_loss": [3 * scale, 1.4 * scale], "val_loss": [2 * scale, 1.5 * scale]}
    words = dict.fromkeys(("train", "validation", "kept", "epoch", "loss"), "word")
    svg = charts.losses(history, 2, words).svg()
    assert f">{2 * scale:g}<" in svg
    assert "$" not in svg


def test_counts_can_be_read_on_dark_cells() -> None:
    targets, chosen = np.zeros(10, dtype=int), np.array([0, *[1] * 7, 2, 2])
    svg = charts.confusion(("a", "b", "c"), targets, chosen, WORDS).svg()
    colours = {
        count: "fill: #ffffff" in style for style, count in re.findall(r'<text style="([^"]*)"[^>]*>(\d+)<', svg)
    }
    assert colours == {"1": False, "7": True, "2": False}


def test_the_legend_lies_on_no_curve() -> None:
    shares, words = [0.0, 0.5, 1.0], dict.fromkeys(("val", "test", "policy", "share", "value"), "a word")
    curve = {"share": shares, "val": [0.0, 9.0, 0.0], "test": [9.0, 0.0, 9.0]}
    drawn = charts.policy(curve, 0.5, 5.0, words)
    (legend,) = drawn.figure.legends
    drawn.svg()
    assert legend.get_window_extent().y0 >= drawn.axes.get_window_extent().y1
