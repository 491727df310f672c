"""The one way past FastAPI's routing. Every request comes in here, and predictions are answered without going further.

Reason: routing, request objects and validation by field cost more than running a small model. Measured on one core with
32 connections and one row a request: 3,332 requests a second through FastAPI, without a prediction log; 6,185 this way,
with all checks, the prediction log and live metrics; 7,573 by the ceiling, a raw ASGI application that does nothing but
the same inference. See docs/decisions/serving.md for the tables; `make bench-serving` measures them again.
"""
