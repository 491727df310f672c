"""What `python -m bench` measures of a model's answers: one row, many, several workers, a file."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from bench.checkouts import ROUNDS, looped, printed, python
from bench.rows import ROOT, Row
from bench.subject import image_of
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import default_use_case

MONITOR_EVERY_SECONDS = 600
"""As its deployment does."""


def inference(work: Path) -> list[Row]:
    """The same models in ONNX Runtime and in the library they were trained with; each answers in a new process too."""
    use_case = load_use_case(default_use_case())
    # Asked here, because the loop takes half a minute.
    image_of(use_case.name, use_case.inputs, use_case.output)
    folder = looped(work)
    found = printed(python("bench.inference"), folder)
    rows = []
    for model, by_library in found.items():
        model = model.replace("_", " ")
        for count, milliseconds in by_library.items():
            own, onnx = milliseconds["own"], milliseconds["onnx"]
            what = f"{model}, {count} row{'' if count == '1' else 's'}"
            rows += [
                Row(f"{what}, its own library", own, "ms"),
                Row(f"{what}, ONNX Runtime", onnx, "ms"),
                Row(f"{what}: ONNX Runtime / its own library", onnx / own, "x"),
            ]
    first: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for library in ("torch", "sklearn", "onnxruntime"):
            first.setdefault(library, []).append(printed(python("bench.first_answer", library), folder))
    for library, runs in first.items():
        rows += [
            Row(f"{library}, from import to first answer", median(run["seconds"] for run in runs), "s"),
            Row(f"{library}, memory at that point", median(run["peak_mib"] for run in runs), "MiB"),
        ]
    return rows


def one_row(work: Path) -> list[Row]:
    """One row of each use case that has a champion here, beside one of the first use case."""
    found = printed(python("bench.one_row"), ROOT)
    first = found[default_use_case()]
    return [
        *(Row(f"one row of {name}, CPU time", microseconds, "µs") for name, microseconds in found.items()),
        *(
            # The target is for tables. A text is as long as it is.
            Row(f"{name} / {default_use_case()}", microseconds / first, "x", 1.5 if _is_table(name) else None)
            for name, microseconds in found.items()
            if name != default_use_case()
        ),
    ]


def _is_table(use_case: str) -> bool:
    return {field.kind for field in load_use_case(use_case).inputs} <= {"number", "category"}


def workers(work: Path) -> list[Row]:
    """Two workers beside one, on two cores."""
    found = printed(python("bench.workers"), ROOT)
    rows = []
    for count, of in found.items():
        who = "1 worker" if count == "1" else f"{count} workers"
        rows += [Row(who, of["rate"], "requests/s"), Row(f"{who}: cores kept busy", of["cores"], "")]
    return [*rows, Row("two workers / one", found["2"]["rate"] / found["1"]["rate"], "x", at_least=1.8)]


def watched(work: Path) -> list[Row]:
    """The server with audits beside one without, and while the monitor looks."""
    found = printed(python("bench.watched"), ROOT)
    plain, audited, watched = (found[name] for name in ("plain", "audited", "watched"))
    share_of_time = found["look_seconds"] / MONITOR_EVERY_SECONDS
    return [
        Row("without audits", plain["rate"], "requests/s"),
        Row("with audits", audited["rate"], "requests/s"),
        Row("with audits / without", audited["rate"] / plain["rate"], "x", at_least=0.95),
        Row("while the monitor looks", watched["rate"], "requests/s"),
        Row("while the monitor looks: p99", watched["p99_ms"], "ms"),
        Row("a look at what was answered since the last", found["look_seconds"], "s"),
        Row(
            "with audits and a look every ten minutes / without either",
            (audited["rate"] * (1 - share_of_time) + watched["rate"] * share_of_time) / plain["rate"],
            "x",
            at_least=0.95,
        ),
    ]


def scoring(work: Path) -> list[Row]:
    """Rows a second of `portfolio score`, beside those of a bare loop over the same arrays."""
    found = printed(python("bench.scoring"), looped(work))
    bare = max(found["bare_one_thread"], found["bare_all_threads"])
    return [
        Row("a bare loop over ONNX Runtime, one thread", found["bare_one_thread"], "rows/s"),
        Row("the same with its own choice of threads", found["bare_all_threads"], "rows/s"),
        Row("portfolio score, from file to file", found["score"], "rows/s"),
        Row("portfolio score / the faster bare loop", found["score"] / bare, "x", at_least=0.6),
    ]
