import os

# ONNX Runtime reports to its maker by default, and decides on that when it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
