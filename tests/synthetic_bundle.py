"""A small bundle that hears pure tones, and ways to change one on disk as a person or an accident would.

Its encoder is a real ONNX graph: log-mel → mean over time, less the mean over mels → random projection → unit
norm. A label's prototype is the embedding of its tone, so that a tone played into the pipeline is found.
One that takes any words is in `synthetic_text`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.background import Background, Members, background_bytes
from edge.bundle import Bundle
from edge.bundle_arrays import npz_bytes
from edge.bundle_writer import write_bundle
from edge.frontend import STARTER, LogMelFrontEnd
from edge.manifest import EncoderEntry, LabelEntry, Manifest, Provenance, RuleDefaults

SAMPLE_RATE_HZ = STARTER.sample_rate_hz
WINDOW_LENGTH = 41360
WINDOW_S = WINDOW_LENGTH / SAMPLE_RATE_HZ
HOP_S = 0.48
N_FRAMES = STARTER.n_frames(WINDOW_LENGTH)
EMBEDDING_DIM = 32
TONES_HZ = {"dog bark": 400.0, "siren": 1000.0, "alarm beep": 3000.0}
"""What each label sounds like. The one background, "rain", is white noise."""
THRESHOLD = 0.9


def tone(hz: float, duration_s: float, amplitude: float = 0.3) -> NDArray[np.float32]:
    """(duration_s · 16000,) float32."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def rain(duration_s: float, amplitude: float = 0.1) -> NDArray[np.float32]:
    """(duration_s · 16000,) float32, the same each time."""
    noise = np.random.default_rng(7).standard_normal(round(duration_s * SAMPLE_RATE_HZ))
    return (amplitude * noise).astype(np.float32)


def projection(seed: int = 0) -> NDArray[np.float32]:
    """(n_mels, embedding_dim) float32 with orthonormal columns."""
    square = np.random.default_rng(seed).standard_normal((STARTER.n_mels, EMBEDDING_DIM))
    return np.linalg.qr(square)[0].astype(np.float32)


def embed(log_mel: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """What the graph yields, by numpy. Returns: (embedding_dim,) float32."""
    mean = log_mel.mean(axis=0)
    vector = (mean - mean.mean()) @ projection(seed)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def encoder_onnx(seed: int = 0, *, scale: float = 1.0, input_name: str = "log_mel") -> bytes:
    """The graph's file. `scale` spoils its norm."""
    constants = {"projection": projection(seed), "scale": np.array(scale, np.float32)}
    nodes = [
        helper.make_node("ReduceMean", [input_name], ["over_time"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["over_time"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["over_time", "level"], ["shape"]),
        helper.make_node("MatMul", ["shape", "projection"], ["projected"]),
        helper.make_node("LpNormalization", ["projected"], ["unit"], axis=1, p=2),
        helper.make_node("Mul", ["unit", "scale"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "synthetic",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["batch", N_FRAMES, STARTER.n_mels])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", EMBEDDING_DIM])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    # ir_version and opset as old as ONNX Runtime 1.17 takes.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def synthetic_labels(encoders: tuple[str, ...] = ("fp32",)) -> tuple[LabelEntry, ...]:
    """Three labels and a background, in the order of the prototypes."""
    aliases = {"dog bark": ("barking dog",), "siren": ("ambulance",), "alarm beep": ("smoke alarm",)}
    dataset_names = {"dog bark": ("dog", "dog_bark")}
    labels = [
        LabelEntry(
            name=name,
            kind="label",
            aliases=aliases[name],
            dataset_names=dataset_names.get(name, ()),
            rivals_group=None,
            method="one tone",
            support=1,
            thresholds=dict.fromkeys(encoders, THRESHOLD),
            note=None,
        )
        for name in TONES_HZ
    ]
    rain_label = LabelEntry("rain", "background", ("rainfall",), (), None, "white noise", 1, {}, None)
    return (*labels, rain_label)


def synthetic_manifest(encoders: tuple[str, ...] = ("fp32",), *, with_background: bool = True) -> Manifest:
    """The manifest without its files, which `write_bundle` fills in."""
    return Manifest(
        schema_version=1,
        name="synthetic tones",
        created="2025-01-31T12:00:00Z",
        files={},
        log_mel=STARTER,
        window_s=WINDOW_S,
        clip_s=WINDOW_S,
        hop_s=HOP_S,
        padding="zero",
        rules=RuleDefaults(
            margin=-0.2, off_margin=0.1, confirm_s=0.96, within_s=2.4, release_s=1.5, rivals="background"
        ),
        encoders=tuple(
            EncoderEntry(
                name=name,
                kind="clip",
                files=(f"audio_encoder.{name}.onnx",),
                stride_frames=None,
                precision="int8" if name == "int8" else "fp32",
                meant_for="cpu" if i == 0 else "gpu",
                embedding_dim=EMBEDDING_DIM,
                prototypes=f"prototypes.{name}.npz",
                golden=f"golden.{name}.npz",
                pool=None,
            )
            for i, name in enumerate(encoders)
        ),
        text_encoder=None,
        recipe=None,
        labels=synthetic_labels(encoders),
        background="background.npz" if with_background else None,
        accuracy={"tones_found": 1.0},
        parity={},
        provenance=Provenance("random numbers", "CC0-1.0", "for tests", "attribution.csv"),
    )


def synthetic_files(
    encoders: tuple[str, ...] = ("fp32",), *, with_background: bool = True
) -> dict[str, bytes]:
    """Every file but manifest.json. Encoder i is made from seed i."""
    front_end = LogMelFrontEnd(STARTER)
    sounds = [*(tone(hz, WINDOW_S) for hz in TONES_HZ.values()), rain(WINDOW_S)]
    log_mels = [front_end(sound) for sound in sounds]
    files = {"attribution.csv": b"file,author,licence,source\n"}
    for seed, name in enumerate(encoders):
        graph = encoder_onnx(seed)
        vectors = np.stack([embed(log_mel, seed) for log_mel in log_mels])
        files[f"audio_encoder.{name}.onnx"] = graph
        files[f"prototypes.{name}.npz"] = npz_bytes(
            vectors=vectors,
            owners=np.arange(len(vectors), dtype=np.int32),
            encoder_sha256=hashlib.sha256(graph).hexdigest(),
        )
        files[f"golden.{name}.npz"] = npz_bytes(log_mel=log_mels[1], embedding=vectors[1])
    if with_background:
        files["background.npz"] = background_bytes(_background(log_mels, files))
    return files


def _background(log_mels: Sequence[NDArray[np.float32]], files: Mapping[str, bytes]) -> Background:
    """An hour: mostly rain, and ten moments with some of each label's tone in it. Members: clear tones."""
    rng = np.random.default_rng(3)
    first = next(content for name, content in files.items() if name.endswith(".onnx"))
    tones, noise = np.stack([embed(log_mel) for log_mel in log_mels[:3]]), embed(log_mels[3])
    shares = rng.uniform(0.2, 0.65, (3, 10))
    moments = shares[..., None] * tones[:, None] + (1.0 - shares)[..., None] * noise
    rows = np.repeat(np.concatenate([moments.reshape(30, -1), noise[None]]), 2, axis=0)
    members = np.repeat(tones, 8, axis=0) + 0.05 * rng.standard_normal((24, EMBEDDING_DIM))
    return Background(
        embeddings=(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32),
        moment=np.repeat(np.arange(31), 2),
        position=np.tile([0, 1], 31),
        weight=np.append(np.ones(30), 7000.0).astype(np.float32),
        recording=np.arange(31),
        n_recordings=60,
        duration_s=3600.0,
        hop_s=HOP_S,
        members=Members(
            embeddings=(members / np.linalg.norm(members, axis=1, keepdims=True)).astype(np.float32),
            label=np.repeat(np.arange(3), 8),
            recording=np.repeat(np.arange(12), 2),
            position=np.tile([0, 1], 12),
            are="recordings of tones",
        ),
        encoder_sha256=hashlib.sha256(first).hexdigest(),
    )


def write_synthetic_bundle(
    directory: Path, encoders: tuple[str, ...] = ("fp32",), *, with_background: bool = True
) -> Bundle:
    """Write it to `directory`, which must not exist. Only the first encoder is meant for the cpu."""
    manifest = synthetic_manifest(encoders, with_background=with_background)
    return write_bundle(directory, manifest, synthetic_files(encoders, with_background=with_background))


def edit_manifest(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change manifest.json in place, as plain JSON."""
    path = directory / "manifest.json"
    plain = json.loads(path.read_text("utf-8"))
    change(plain)
    path.write_text(json.dumps(plain), "utf-8")


def replace_file(directory: Path, name: str, content: bytes) -> None:
    """Replace a file and bring its size and hash in the manifest up to date: wrong, but not damaged."""
    (directory / name).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    edit_manifest(directory, lambda plain: plain["files"].update({name: entry}))


def replace_arrays(directory: Path, name: str, changes: Mapping[str, object]) -> None:
    """Replace arrays of an npz file, or drop those that are None, and bring the manifest up to date."""
    with np.load(directory / name) as old:
        arrays: dict[str, object] = {key: old[key] for key in old.files}
    arrays.update(changes)
    replace_file(directory, name, npz_bytes(**{key: a for key, a in arrays.items() if a is not None}))
