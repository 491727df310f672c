"""FastAPI's routers, one module each, and the typed dependencies that they share.

Predictions are not among them, except those that name a version: see `serving.front`.
"""
