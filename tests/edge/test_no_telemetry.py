"""Nothing leaves the machine: ONNX Runtime's own reports are off before it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
from edge.encoder import load_encoder
from edge.bundle import load_bundle
from edge.pipeline import builtin_bundle
bundle = load_bundle(builtin_bundle())
load_encoder(bundle, bundle.encoder_entry(), 7680, "cpu")
"""


def test_running_an_encoder_leaves_no_trace_of_telemetry(tmp_path: Path) -> None:
    unset = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, env=unset | home, check=True, capture_output=True
    )
    assert [str(path) for path in tmp_path.rglob("*")] == []
