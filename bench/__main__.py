"""Measure what the README and docs/decisions claim of speed: `make bench` writes metrics/bench.json and prints it.

`python -m bench PART ...` measures some parts, and leaves the others as they are in the file. What is measured is the
last commit's first use case of params.yaml. Figures that are compared with each other are measured in turns, in this
one call, and medians are compared.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import answers, loop, tables
from bench.rows import Row, console, record
from portfolio.core.errors import PortfolioError

PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "first_prediction": loop.first_prediction,
    "loop": loop.loop,
    "starts": loop.starts,
    "evidence": loop.evidence,
    "lightning": loop.lightning,
    "inference": answers.inference,
    "one_row": answers.one_row,
    "workers": answers.workers,
    "watched": answers.watched,
    "scoring": answers.scoring,
    "frames": tables.frames,
    "scale": tables.scale,
    "own_data": tables.own_data,
    "new_to_champion": tables.new_to_champion,
    "large_table": tables.large_table,
    "leaks": tables.leaks,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what the docs claim of speed.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them if none is named")
    parts = parser.parse_args().parts or list(PARTS)
    left_out = False
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in parts:
            try:
                with console.status(f"measuring: {name.replace('_', ' ')}"):
                    rows = PARTS[name](Path(folder))
            except PortfolioError as error:
                console.print(f"[yellow]{name} is left out:[/] {error}")
                left_out = True
                continue
            record(name, rows)
    console.print("To update the figures in the docs: make readme")
    if left_out:
        sys.exit(1)


if __name__ == "__main__":
    main()
