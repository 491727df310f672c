"""The ceiling: what is left of a server without checks, routing, metrics and logs. It answers anything to anything."""

from typing import Any

import numpy as np
import orjson
from onnx_session import FIELD, TENSOR, open_session

session = open_session()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = b"{}"
    if body:
        rows = np.array([instance[FIELD] for instance in orjson.loads(body)["instances"]], dtype=np.float32)
        (probabilities,) = session.run(["probabilities"], {TENSOR: rows})
        answer = orjson.dumps({"probabilities": probabilities}, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
