"""What one window costs a LAION-CLAP encoder, by laion_clap in torch and by ours, on one thread in one run.

    python benchmarks/clap.py --checkpoint 630k-audioset-best [--rounds 4] [--profile] [--tokenizer FILE]

Times don't depend on what the weights are, so a file of random ones in the true layout serves as well:

    python tests/synthetic_checkpoint.py --layout laion --architecture tiny --out random.pt

Every encoder runs in a process of its own, so that the peak of resident memory is its own. In each round each
has its turn, so that all meet the same noise of the machine. "times" is how much faster than laion_clap, by
the medians and by the least times. All are given a log-mel, which laion_clap would compute in torch within
its encoder, and ours beside it: the last row.
With --tokenizer the text encoder has its turn too, with one prompt.
"half image" is what an export takes for int8 where it stays within the limits, see docs/clap.md.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before numpy is imported, as edge.cli does

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

N_WARM_UP = 3
N_TIMED = 12
LAION, FP32, INT8, HALF = "laion_clap, torch eager", "ours fp32", "ours int8", "ours int8, half image"
TEXT = "text encoder int8, a prompt"


def main() -> None:
    """Entry point."""
    options = parse_args()
    if options.measure is not None:
        measure(options.measure, options.files)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = make(options.checkpoint, options.tokenizer, Path(folder))
        rounds = [
            {name: run_alone(name, paths) for name, paths in files.items()} for _ in range(options.rounds)
        ]
        report(files, rounds)
        if options.profile:
            for name in (INT8, HALF):
                print_profile(name, files[name][0])


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", metavar="FILE", help="a LAION-CLAP checkpoint, or its published name")
    parser.add_argument("--tokenizer", type=Path, metavar="FILE", help="RoBERTa's tokenizer.json")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="turns of each (default: 4)")
    parser.add_argument("--profile", action="store_true", help="say where the time of the int8 encoders goes")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is None and options.checkpoint is None:
        parser.error("--checkpoint is needed")
    return options


def make(checkpoint_source: str, tokenizer: Path | None, folder: Path) -> dict[str, list[Path]]:
    """The encoders' files, by name, in a process that is not measured."""
    import onnx  # noqa: PLC0415 - a measured process must not import it
    import torch  # noqa: PLC0415

    from export.clap.audio_encoder import ClapAudioEncoder  # noqa: PLC0415
    from export.clap.checkpoint import open_checkpoint  # noqa: PLC0415
    from export.clap.encoders import exported  # noqa: PLC0415
    from export.clap.geometry import Image  # noqa: PLC0415
    from export.clap.text_encoder import text_graph  # noqa: PLC0415
    from export.quantize import dynamic_int8  # noqa: PLC0415

    checkpoint = open_checkpoint(checkpoint_source)
    files = {LAION: [folder / "audio.pt"]}
    audio = {key: value for key, value in checkpoint.state.items() if not key.startswith("text_")}
    torch.save({"state": audio, "architecture": asdict(checkpoint.architecture)}, files[LAION][0])
    for image, names in ((Image.WHOLE, (FP32, INT8)), (Image.HALF, (None, HALF))):
        model = exported(ClapAudioEncoder(checkpoint.state, checkpoint.architecture, image))
        for name, made in zip(names, (model, dynamic_int8(model)), strict=True):
            if name is not None:
                files[name] = [folder / f"{name.replace(' ', '_')}.onnx"]
                onnx.save(made, files[name][0])
    if tokenizer is not None:
        files[TEXT] = [folder / "text.onnx", tokenizer]
        files[TEXT][0].write_bytes(text_graph(checkpoint.state, checkpoint.architecture.text_layer_norm_eps))
    return files


def run_alone(name: str, files: list[Path]) -> dict[str, float]:
    """Measure an encoder in a process of its own: milliseconds a window, peak memory in MB."""
    command = [sys.executable, __file__, "--measure", name, *map(str, files)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(name: str, files: list[Path]) -> None:
    """In that process: print the figures as JSON."""
    log_mel = np.random.default_rng(0).normal(-35.0, 12.0, (1001, 64)).astype(np.float32)
    if name == TEXT:
        read = _text(*files)
        times_ms = timed(lambda: read("This is a sound of dog bark"))
    else:
        encode = _laion(files[0]) if name == LAION else _ours(files[0])
        times_ms = timed(lambda: encode(log_mel))
    print(json.dumps({"ms": median(times_ms), "least_ms": min(times_ms), "peak_mb": _peak_mb()}))


def _peak_mb() -> float:
    # Not getrusage's figure, which a process takes over from the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024 / 1e6


def timed(call: Callable[[], Any]) -> list[float]:
    """Milliseconds that a call takes, each time."""
    for _ in range(N_WARM_UP):
        call()
    times_ms = []
    for _ in range(N_TIMED):
        began_s = time.perf_counter()
        call()
        times_ms.append(1e3 * (time.perf_counter() - began_s))
    return times_ms


def _ours(file: Path) -> Callable[[Any], Any]:
    from edge.encoder import ClipEncoder  # noqa: PLC0415

    return ClipEncoder([file], "cpu").encode


def _text(file: Path, tokenizer: Path) -> Callable[[str], Any]:
    from edge.text_encoder import TextEncoder  # noqa: PLC0415

    return TextEncoder(file, tokenizer, 77).encode


def _laion(file: Path) -> Callable[[Any], Any]:
    import torch  # noqa: PLC0415

    from export.clap.architecture import Architecture  # noqa: PLC0415
    from export.clap.reference import Reference  # noqa: PLC0415

    torch.set_num_threads(1)
    saved = torch.load(file, weights_only=True)
    reference = Reference(saved["state"], Architecture(**saved["architecture"]))
    return lambda log_mel: reference.embed(torch.from_numpy(log_mel[None]))


def report(files: dict[str, list[Path]], rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print the table."""
    print("one window, one thread           ms  times   least  times  file MB  peak MB")
    middle = {name: median(one[name]["ms"] for one in rounds) for name in files}
    least = {name: min(one[name]["least_ms"] for one in rounds) for name in files}
    for name, (file, *_) in files.items():
        peak = max(one[name]["peak_mb"] for one in rounds)
        size = f"{file.stat().st_size / 1e6:8.1f}" if name != LAION else f"{'':>8}"
        # A prompt is no window, to be compared with laion_clap's.
        faster = ["" if name == TEXT else f"{of[LAION] / of[name]:.1f}" for of in (middle, least)]
        print(
            f"{name:<28} {middle[name]:6.1f} {faster[0]:>6} {least[name]:7.1f} {faster[1]:>6} "
            f"{size} {peak:8.0f}"
        )
    from edge.frontend import CLAP_UNFUSED, LogMelFrontEnd  # noqa: PLC0415

    front_end = LogMelFrontEnd(CLAP_UNFUSED)
    clip = np.random.default_rng(0).normal(0.0, 0.1, 480_000).astype(np.float32)
    print(f"{'log-mel of ten seconds':<26} {median(timed(lambda: front_end(clip))):7.1f}")


def print_profile(name: str, file: Path) -> None:
    """Where the time goes, by kind of operation."""
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(file.with_suffix(""))
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    log_mel = np.random.default_rng(0).normal(-35.0, 12.0, (1, 1001, 64)).astype(np.float32)
    for _ in range(N_TIMED):
        session.run(None, {"log_mel": log_mel})
    spent: collections.Counter[str] = collections.Counter()
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    whole = sum(spent.values())
    print(f"\n{name}: {whole / N_TIMED / 1e3:.1f} ms under the profiler")
    for operation, taken_us in spent.most_common(9):
        print(f"  {operation:<24} {taken_us / N_TIMED / 1e3:6.1f} ms  {100 * taken_us / whole:3.0f} %")


if __name__ == "__main__":
    main()
