"""The encoder in use: what it runs on, how fast, and whether it is right on this processor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.bundle import Bundle
from edge.doctor.bundles import usable_bundle
from edge.doctor.check import Check, Subject
from edge.encoder import LoadedEncoder, load_encoder
from edge.manifest import EncoderEntry
from edge.onnx_session import prefers_gpu
from edge.settings import Provider
from edge.stream_time import whole_samples

NVIDIA_NODES = ("nvidia0", "nvhost-gpu", "nvgpu")
"""In /dev: of a PC's card; of a Jetson's GPU, before and since JetPack 6."""
N_WINDOWS = 12
LONGEST_MEASURE_S = 10.0
BUSY_SHARE = 0.7
"""Of real time: more leaves too little for everything else."""

# The same graph gives the same embedding on another processor, but for rounding. An export accepts a least
# cosine of 0.99999 between fp32 and its origin, and 0.995 on average between int8 and fp32, whose arithmetic
# differs (export/parity.py); of one int8 graph only the rounding of inputs can, unless its sums overflow.
LEAST_COSINE = {"fp32": 0.999, "fp16": 0.999, "int8": 0.99}
LEAST_COSINE_INT8_AT_ALL = 0.95


def encoder(subject: Subject) -> Iterator[Check]:
    """Open it as a run would. EncoderError or BundleError if it can't be, on the provider asked for."""
    bundle = usable_bundle(subject)
    if bundle is None:
        return
    config = subject.config
    entry = bundle.encoder_entry(config.encoder, for_gpu=prefers_gpu(config.provider))
    hop_s = bundle.manifest.hop_s if config.hop_s is None else config.hop_s
    hop = whole_samples(hop_s, bundle.manifest.log_mel.sample_rate_hz, "hop_s")
    loaded = load_encoder(bundle, entry, hop, config.provider)
    yield judge_provider(entry, loaded.provider, config.provider, has_nvidia=has_nvidia(Path("/dev")))
    golden = bundle.golden(entry)
    found = loaded.encode(golden.log_mel).astype(np.float64)
    expected = golden.embedding.astype(np.float64)
    cosine = float(found @ expected / np.linalg.norm(found) / np.linalg.norm(expected))
    yield judge_golden(entry, cosine)
    yield judge_speed(window_s(bundle, loaded, entry, hop), hop_s)


def has_nvidia(dev: Path) -> bool:
    """Whether there is an NVIDIA GPU, by its device nodes."""
    return any((dev / name).exists() for name in NVIDIA_NODES)


def judge_provider(entry: EncoderEntry, used: str, asked: Provider, *, has_nvidia: bool) -> Check:
    """used: what it runs on. asked: the setting."""
    text = f"{entry.name} ({entry.precision}, {entry.kind}) on {used}"
    if asked == "auto" and used == "cpu" and has_nvidia:
        remedy = (
            'to use it: pip uninstall onnxruntime, pip install "edge-listen[gpu]" (Jetson: NVIDIA\'s wheel); '
            'else set provider = "cpu"'
        )
        return Check("encoder", "warn", f"{text}, though there is an NVIDIA GPU", remedy)
    return Check("encoder", "ok", text)


def judge_golden(entry: EncoderEntry, cosine: float) -> Check:
    """cosine: between the embedding of the bundle's golden input here and the one it had at export."""
    text = f"the bundle's test input gives its embedding here, cosine {cosine:.5f}"
    if cosine >= LEAST_COSINE[entry.precision]:
        return Check("golden", "ok", text)
    text = f"the bundle's test input gives another embedding here, cosine {cosine:.5f}"
    if entry.precision != "int8":
        return Check("golden", "fail", text, "try another version of ONNX Runtime, or --provider cpu")
    remedy = (
        "8-bit products overflow on this processor: use the bundle's fp32 encoder (--encoder fp32), or "
        "export the bundle on one that overflows too (x86 without VNNI), where its weights get 7 bits"
    )
    return Check("golden", "warn" if cosine >= LEAST_COSINE_INT8_AT_ALL else "fail", text, remedy)


def window_s(bundle: Bundle, encoder: LoadedEncoder, entry: EncoderEntry, hop: int) -> float:
    """Median time for a window of a stream, in seconds, without its log-mel."""
    manifest = bundle.manifest
    n_frames, hop_frames = manifest.n_frames, max(1, hop // manifest.log_mel.hop_length)
    length = n_frames + N_WINDOWS * hop_frames
    sound = np.resize(bundle.golden(entry).log_mel, (length, manifest.log_mel.n_mels))
    encoder.encode(sound[:n_frames])
    times_s: list[float] = []
    for n in range(1, N_WINDOWS + 1):
        window = sound[n * hop_frames :][:n_frames]
        began_s = time.perf_counter()
        encoder.encode(window)
        times_s.append(time.perf_counter() - began_s)
        if sum(times_s) > LONGEST_MEASURE_S:
            break
    return statistics.median(times_s)


def judge_speed(window_s: float, hop_s: float) -> Check:
    """Seconds that a window takes, and those until the next."""
    share = window_s / hop_s
    text = f"{1000 * window_s:.1f} ms a window, one every {hop_s:g} s: {100 * share:.1f} % of real time"
    remedy = "set a longer hop_s, take an int8 encoder, or stop what else runs"
    if share > 1:
        return Check("speed", "fail", f"{text}, too slow", remedy)
    return Check("speed", "warn", text, remedy) if share > BUSY_SHARE else Check("speed", "ok", text)
