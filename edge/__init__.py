"""The device side: sound in, labelled events out. Needs numpy and ONNX Runtime, never torch."""

from __future__ import annotations

import os

# ONNX Runtime's newer wheels report to their makers, unless this is set before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
