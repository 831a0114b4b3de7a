from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EDGE = REPOSITORY / "edge"
HEAVY = {"torch", "onnx", "scipy", "sounddevice", "export", "laion_clap"}
ONLY_IN = {
    "onnxruntime": {"onnx_session.py"},
    "sounddevice": {"sources/microphone.py"},
    "tokenizers": {"text_encoder.py"},
    "paho": {"sinks/mqtt.py", "doctor/network.py"},
    "prometheus_client": {"metrics.py"},
}
NEVER_IN_EDGE = HEAVY - {"sounddevice"}


def packages_after(statement: str) -> set[str]:
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_importing_the_recognizer_brings_in_numpy_alone():
    forbidden = HEAVY | {"onnxruntime", "soundfile", "soxr"}
    loaded = packages_after("import edge.recognizer")
    assert "numpy" in loaded
    assert loaded & forbidden == set()


def test_importing_the_command_line_brings_in_nothing_heavy_and_no_microphone():
    assert packages_after("import edge.cli") & HEAVY == set()


def imported_packages(path: Path) -> set[str]:
    """Top-level names of all imports in a file, those inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("edge" if node.level else node.module or "")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names |= {argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", sorted(EDGE.rglob("*.py")), ids=lambda path: str(path.relative_to(EDGE)))
def test_a_module_of_edge_stays_within_the_walls(path):
    imported = imported_packages(path)
    assert imported & NEVER_IN_EDGE == set()
    for package, homes in ONLY_IN.items():
        assert package not in imported or str(path.relative_to(EDGE)) in homes


CORE = [
    "frontend",
    "windowing",
    "signal_check",
    "scoring",
    "trigger",
    "trigger_bank",
    "trigger_rule",
    "recognizer",
    "stream_time",
    "types",
]


@pytest.mark.parametrize("name", CORE)
def test_the_core_reads_no_clock_starts_no_thread_and_does_no_io(name):
    allowed = sys.stdlib_module_names | {"numpy", "edge"}
    outside = {
        "time",
        "datetime",
        "threading",
        "queue",
        "asyncio",
        "socket",
        "subprocess",
        "os",
        "io",
        "pathlib",
    }
    imported = imported_packages(EDGE / f"{name}.py")
    assert imported <= allowed
    assert imported & outside == set()
