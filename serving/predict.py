"""The project's own protocol: rows by field name, or one picture, to an answer in words."""

from __future__ import annotations

import orjson

from serving.answers import answer_rows
from serving.champion import Serving
from serving.exchange import JSON, Exchange, RequestError
from serving.pictures import MEDIA_TYPES, read_picture
from serving.query import Query, Reply, Result


class Predict:
    name = "predict"

    def read(self, now: Serving, exchange: Exchange, body: bytes) -> Query:
        """`{"instances": [{field: value, ...}, ...]}`, or the bytes of a PNG or JPEG file."""
        kind = exchange.content_type
        explain, draft = exchange.flag("explain"), exchange.flag("draft")
        if kind == JSON:
            return Query(*now.requests.read(body), explain, draft)
        if kind in MEDIA_TYPES:
            pixels = read_picture(now.bundle.manifest, body)
            inputs, rows = now.requests.from_tensors({now.requests.fields[0].name: pixels}, 1)
            instance = {name: array[0].tolist() for name, array in inputs.items()}
            return Query(inputs, rows, explain, draft, {"instances": [instance]})
        known = ", ".join(media.decode() for media in (JSON, *MEDIA_TYPES))
        raise RequestError(
            415, "unknown_type", f"Content-Type is '{kind.decode('latin-1')[:80]}'. Send one of: {known}."
        )

    def write(self, now: Serving, query: Query, result: Result) -> Reply:
        predictions = answer_rows(now.bundle.manifest, result.decisions)
        for prediction, explanation in zip(predictions, result.explanations or (), strict=False):
            prediction["explanation"] = explanation
        body = {"predictions": predictions, "model": now.name, "request_id": result.request_id, **query.extra}
        return orjson.dumps(body), JSON, []
