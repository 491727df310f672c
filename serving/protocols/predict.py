"""The project's own protocol: rows by field name, or one picture, answered by class or value with the decision."""

from __future__ import annotations

import orjson

from serving.errors import RequestError
from serving.front.exchange import JSON, Exchange
from serving.protocols.answers import answer_rows
from serving.protocols.pictures import MEDIA_TYPES, read_picture
from serving.protocols.query import Query, Reply, Result
from serving.runtime.served import ServedModel


class Predict:
    name = "predict"

    def read(self, model: ServedModel, exchange: Exchange, body: bytes) -> Query:
        """`{"instances": [{field: value, ...}, ...]}`, or the bytes of a PNG or JPEG file."""
        kind = exchange.content_type
        explain, draft = exchange.flag("explain"), exchange.flag("draft")
        if kind == JSON:
            return Query(*model.schema.read(body), explain, draft)
        if kind in MEDIA_TYPES:
            pixels = read_picture(model.bundle.manifest, body)
            inputs, rows = model.schema.from_tensors({model.schema.fields[0].name: pixels}, 1)
            instance = {name: array[0].tolist() for name, array in inputs.items()}
            return Query(inputs, rows, explain, draft, {"instances": [instance]})
        known = ", ".join(media.decode() for media in (JSON, *MEDIA_TYPES))
        raise RequestError(
            415, "unknown_type", f"Content-Type is '{kind.decode('latin-1')[:80]}'. Send one of: {known}."
        )

    def write(self, model: ServedModel, query: Query, result: Result) -> Reply:
        predictions = answer_rows(model.bundle, result.decisions)
        for prediction, explanation in zip(predictions, result.explanations or (), strict=False):
            prediction["explanation"] = explanation
        body = {"predictions": predictions, "model": model.name, "request_id": result.request_id, **query.extra}
        return orjson.dumps(body), JSON, []
