"""The one way past FastAPI's routing. Every request comes in here, and predictions are answered without going further.

Reason: routing, request objects and validation by field cost more than running a small model. The tables in
docs/decisions/serving.md have the rates of FastAPI without a prediction log; of this way, with all checks, the
prediction log and live metrics; and of the ceiling, a raw ASGI application that does nothing but the same inference.
`make bench-serving` measures them again.
"""
