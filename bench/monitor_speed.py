"""How long a look takes at a window of a log, and how much memory: by the rows of the window, and of the log."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np

from bench.made_up_model import made_up_manifest
from bench.rows import ROOT, Row
from portfolio.bundle.manifest import InputField, Output, bundle_digest, write_manifest
from portfolio.bundle.policy import Policy, Prices
from portfolio.bundle.store import Store
from portfolio.contract.use_case import UseCase
from portfolio.core.types import Array
from portfolio.monitoring.prediction_log.log import PredictionLog
from serving.record.record import as_json

NAME = "made-up"
ROWS, PART = 1_000_000, 100_000
AUDITED_EVERY = 50
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = ROWS // PART
OUTPUT = Output(task="classification", name="side", classes=("left", "right"))
POLICY = Policy(prices=Prices(by_hand_yen=6, check_yen=2, error_yen=210), audit_share=1 / AUDITED_EVERY)


def speed(folder: Path) -> list[Row]:
    """Of pictures of 64 pixels, each in a request of its own, of which one in fifty has a label."""
    _write_log(folder)
    first = _looked(folder, 1)
    _looked(folder, DAYS)
    with sqlite3.connect(folder / "log.db") as connection:
        connection.execute("delete from looks")
    whole = _looked(folder, DAYS)
    return [
        Row(f"a look at {ROWS:,} rows", whole["seconds"], "s", at_most=60),
        Row("  its CPU time", whole["cpu_seconds"], "s"),
        Row("  its memory", whole["peak_mib"], "MiB", at_most=1024),
        Row(f"a look at {PART:,} rows of a log of {ROWS:,}", first["seconds"], "s"),
        Row("CPU time grows / rows grow", whole["cpu_seconds"] / first["cpu_seconds"] / DAYS, "x", at_most=1.1),
    ]


def _write_log(folder: Path) -> None:
    random = np.random.default_rng(3)
    pixels = random.integers(0, 17, (2_000, 64)).astype(np.float32)
    outputs = _outputs(pixels)
    targets = (random.random(len(pixels)) < outputs[:, 1]).astype(np.int64)
    image = InputField(name="pixels", kind="image", shape=(8, 8), minimum=0, maximum=16)
    manifest = made_up_manifest(NAME, OUTPUT, POLICY, pixels, pixels, outputs, targets, image)
    digest = bundle_digest(manifest)
    write_manifest(Store(folder / "store" / NAME).bundle_folder(digest), manifest)
    log = PredictionLog(f"sqlite:///{folder / 'log.db'}")
    log.check()
    log.close()
    machine = manifest.decider()(outputs).by_machine
    texts = [
        (as_json({"pixels": row[None].astype(int)}), as_json(out[None]))
        for row, out in zip(pixels, outputs, strict=True)
    ]
    step = timedelta(days=DAYS) / ROWS
    answer = (
        "insert into predictions (request_id, answered_at, protocol, model_version, digest, rows, inputs, outputs, "
    )
    answer += "by_machine, asked) values (?, ?, 'predict', 1, ?, 1, ?, ?, ?, ?)"
    label = "insert into feedback (request_id, row, label, right, received_at) values (?, 0, ?, null, ?)"
    with sqlite3.connect(folder / "log.db") as connection:
        for start in range(0, ROWS, PART):
            answers, labels = [], []
            for number in range(start, start + PART):
                place = number % len(pixels)
                at = (START + step * number).strftime("%Y-%m-%d %H:%M:%S.%f")
                is_asked = number % AUDITED_EVERY == 0
                asked = 1.0 if not machine[place] else POLICY.audit_share if is_asked else 0.0
                by_machine = "[true]" if machine[place] else "[false]"
                answers.append((f"{number:032x}", at, digest, *texts[place], by_machine, f"[{asked}]"))
                if is_asked:
                    labels.append((f"{number:032x}", f'"{OUTPUT.classes[targets[place]]}"', at))
            connection.executemany(answer, answers)
            connection.executemany(label, labels)


def _outputs(pixels: Array) -> Array:
    """Sure of itself, but for the few rows whose halves have as much ink."""
    left = pixels.reshape(-1, 8, 2, 4).sum(axis=(1, 3))
    right = 1 / (1 + np.exp(np.clip(left[:, 0] - left[:, 1], -30, 30)))
    return np.stack([1 - right, right], axis=1).astype(np.float32)


def _looked(folder: Path, days: int) -> dict[str, float]:
    """Seconds and memory of a look until so many days after the start, in a process of its own."""
    command = [sys.executable, "-m", "bench.monitor_speed", str(folder), str(days)]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(printed.strip().splitlines()[-1])
    return found


def main(folder: Path, days: int) -> None:
    import os

    from portfolio.monitoring.monitor import look

    class Named:
        name = NAME

    os.environ["PORTFOLIO_STATE"] = str(folder)
    started, started_cpu = time.perf_counter(), time.process_time()
    look(cast(UseCase, Named()), f"sqlite:///{folder / 'log.db'}", START + timedelta(days=days))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
