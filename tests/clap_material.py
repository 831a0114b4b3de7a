"""What the tests of `edge-export clap` need: the programs as a person starts them, a pool, checkpoints.

Run as a program, with the graph that `write_ear` makes and the command's arguments, it is `edge-export clap`
with that graph in the place of CLAP's audio encoders.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from onnx import TensorProto, helper, numpy_helper, save
from synthetic_checkpoint import State, hollow_state

import edge
from edge.synthesis import sounds
from export.clap import build, sample
from export.clap.architecture import TINY
from export.clap.encoders import AudioGraph
from export.clap.geometry import Image
from export.cli import main
from export.parity import Measured

REPOSITORY = Path(edge.__file__).resolve().parent.parent
EXPORT = (sys.executable, "-m", "export.cli", "clap")
QUICK_EXPORT = (
    sys.executable, "-c",
    (
        "import os, sys; from export.clap import sample; from export.cli import main; "
        "sample.N_CLIPS = 12; os.cpu_count = lambda: 2; sys.exit(main(['clap', *sys.argv[1:]]))"
    ),
)  # fmt: skip
"""The same, but encoders are compared on fewer clips, and many cores embed no faster than two."""
EAR_EXPORT = (sys.executable, __file__)
"""Takes the ear's path first."""
LISTEN = (sys.executable, "-m", "edge.cli")
TIMEOUT_S = 300
LONG_S = 12.0
SOUNDS = (
    sounds.hi_lo_siren,
    sounds.wail_siren,
    sounds.clock_alarm,
    sounds.church_bells,
    sounds.door_knock,
    sounds.dog_bark,
)
LONG = "deep/down/fan.flac"
"""The pool's recording of several windows."""
N_POOL = 2 * len(SOUNDS) + 1


def environment(folder: Path) -> dict[str, str]:
    """For child processes: home, caches and temporary files of their own; no network."""
    places = {name: folder / name for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    # Else every process would take all cores, and the tests run several.
    settings = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "ORT_"))}
    return inherited | settings | {name: str(place) for name, place in places.items()}


def run(
    program: tuple[str, ...], *arguments: str | Path, env: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [*program, *map(str, arguments)],
        env=dict(env), cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def start(program: tuple[str, ...], *arguments: str | Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program, with a pipe at its stderr."""
    return subprocess.Popen(
        [*program, *map(str, arguments)],
        env=dict(env), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def the_error(stderr: str) -> str:
    """The last line, which says what went wrong; fails if there are several such, or a traceback."""
    assert "Traceback" not in stderr, stderr
    lines = stderr.splitlines()
    errors = [line for line in lines if line.startswith("edge-export: error: ")]
    assert errors == lines[-1:], stderr
    return errors[0]


def write_pool(folder: Path) -> Path:
    """Thirteen recordings made by rule, of two seconds each but for the fan's, of two formats and rates."""
    rng = np.random.default_rng(3)
    for number, make in enumerate(SOUNDS):
        for take, rate_hz in enumerate((44100, 48000)):
            ending = ("wav", "flac")[(number + take) % 2]
            _write(folder / f"{make.__name__} {take}.{ending}", make(rate_hz, 2.0, rng), rate_hz)
    _write(folder / LONG, sounds.fan(48000, LONG_S, rng), 48000)
    return folder


def write_noises(folder: Path, n_recordings: int) -> Path:
    """Recordings 0.wav, 1.wav … of half a second."""
    rng = np.random.default_rng(4)
    for number in range(n_recordings):
        _write(folder / f"{number}.wav", rng.standard_normal(24000), 48000)
    return folder


def _write(path: Path, sound: np.ndarray, rate_hz: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * sound / np.abs(sound).max(), rate_hz)


def flat_state() -> State:
    """The true layout of a checkpoint that gives every sound the same embedding, and every text.

    Its file is small, and all that a real one goes through happens to it.
    """
    state = hollow_state(TINY)
    for branch in ("audio", "text"):
        state[f"{branch}_projection.2.bias"] = torch.linspace(1.0, 2.0, 512)
    return state


def write_ear(path: Path) -> Path:
    """A graph in the place of CLAP's audio encoder that takes no time: the spectrum through a matrix."""
    matrix = np.random.default_rng(5).standard_normal((64, 512)).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["log_mel"], ["spectrum"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["spectrum", "matrix"], ["projected"]),
        helper.make_node("LpNormalization", ["projected"], ["embedding"], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes, "ear",
        [helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, ["batch", 1001, 64])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 512])],
        [numpy_helper.from_array(matrix, "matrix")],
    )  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def encoders_like(ear: Path, beyond_limits: Sequence[str] = ()) -> Callable[..., Any]:
    """In the place of `export.clap.encoders.make_encoders`: it takes no time."""

    def make_encoders(_checkpoint: object, precisions: Sequence[Any], *_: object) -> object:
        graphs = [AudioGraph(precision, Image.WHOLE, ear) for precision in precisions]
        return graphs, Measured({}, tuple(beyond_limits))

    return make_encoders


if __name__ == "__main__":
    build.make_encoders = encoders_like(Path(sys.argv[1]))
    sample.N_CLIPS = 12
    sys.exit(main(["clap", *sys.argv[2:]]))
