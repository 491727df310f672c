"""The processor's time for one row of each use case, from the bytes of a request to those of the answer.

Without the network and the log, which are the same for all: `python -m bench.one_row` prints microseconds as JSON.
"""

from __future__ import annotations

import json
import time
from statistics import median

import orjson

from bench.subject import champion
from portfolio.bundle.bundle import Bundle
from portfolio.core.paths import listed_use_cases
from serving.protocols.answers import Decisions, answer_rows
from serving.protocols.schema import RequestSchema

ROUNDS, ROWS_A_ROUND = 60, 20


def main() -> None:
    bundles = {name: champion(name) for name in listed_use_cases()}
    schemas = {name: RequestSchema(bundle.manifest, 1) for name, bundle in bundles.items()}
    found: dict[str, list[float]] = {name: [] for name in bundles}
    for _ in range(ROUNDS):
        for name, bundle in bundles.items():
            found[name].append(_microseconds(bundle, schemas[name]))
    print(json.dumps({name: median(times) for name, times in found.items()}))


def _microseconds(bundle: Bundle, schema: RequestSchema) -> float:
    body = orjson.dumps({"instances": [schema.example]})
    started = time.process_time()
    for _ in range(ROWS_A_ROUND):
        inputs, _ = schema.read(body)
        orjson.dumps({"predictions": answer_rows(bundle, Decisions(bundle, bundle.predict(inputs)))})
    return 1e6 * (time.process_time() - started) / ROWS_A_ROUND


if __name__ == "__main__":
    main()
