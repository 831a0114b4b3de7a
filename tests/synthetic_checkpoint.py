"""LAION-CLAP checkpoints with the true layout and random weights, the same for the same seed.

    python tests/synthetic_checkpoint.py --layout laion --architecture tiny --fusion --out clap.pt
    python tests/synthetic_checkpoint.py --layout transformers --architecture base --out clap-directory

Real ones are 2 GB and need a network. These are as large as real ones without their optimizer state.
Different sounds, and texts, have different embeddings; what is like what means nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import zlib
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge.frontend import CLAP_UNFUSED, mel_filterbank
from export.clap.architecture import BASE, TINY, Architecture
from export.clap.laion_layout import Entry, layout

State = dict[str, torch.Tensor]


def laion_state(architecture: Architecture, seed: int = 0) -> State:
    """Weights under LAION's names, without "module."; they depend on the seed and the key's name only."""
    return {key: _tensor(key, entry, seed) for key, entry in layout(architecture).items()}


def hollow_state(architecture: Architecture) -> State:
    """The true layout with nothing in it: its file is small, because a tensor's weights are one number."""
    state = {}
    for key, entry in layout(architecture).items():
        one = torch.zeros((), dtype=torch.int64 if entry.dtype == "int64" else torch.float32)
        state[key] = one.expand(entry.shape)
    state["audio_branch.logmel_extractor.melW"] = torch.from_numpy(mel_filterbank(CLAP_UNFUSED))
    return state


def write_laion(
    path: Path, architecture: Architecture, seed: int = 0, *, with_optimizer: bool = True
) -> None:
    """As LAION's training saves it: the state beside an epoch, optimizer state and numpy scalars."""
    save_laion(path, laion_state(architecture, seed), with_optimizer=with_optimizer)


def save_laion(path: Path, state: State, *, with_optimizer: bool = True) -> None:
    """As above, for a given state without "module."."""
    named = OrderedDict(("module." + key, value) for key, value in state.items())
    saved: dict[str, Any] = {"epoch": 15, "name": "synthetic", "state_dict": named}
    if with_optimizer:
        moments = {"step": 100, "exp_avg": torch.zeros(512, 512), "exp_avg_sq": torch.ones(512, 512)}
        group = {"lr": np.float64(1e-4), "betas": (0.9, 0.98), "weight_decay": 0.0, "params": [0]}
        saved["optimizer"] = {"state": {0: moments}, "param_groups": [group]}
        saved["best_metric"] = np.float64(0.91)
        saved["best_step"] = np.int64(123456)
        saved["metric_f32"] = np.float32(0.5)
        saved["scaler"] = None
    torch.save(saved, path)


def write_transformers(directory: Path, architecture: Architecture, seed: int = 0) -> None:
    """As transformers saves it, with the same weights as `write_laion` for the same seed."""
    from safetensors.torch import save_file  # noqa: PLC0415  (only this layout needs it)

    write_transformers_settings(directory, architecture)
    state = transformers_state(laion_state(architecture, seed))
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})


def write_transformers_settings(directory: Path, architecture: Architecture) -> None:
    """All but the weights."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("config.json", transformers_config(architecture)),
        ("preprocessor_config.json", preprocessor_config(architecture)),
    ):
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def transformers_state(laion: State) -> State:
    """Those of LAION's weights that transformers keeps, under its names."""
    state: State = {}
    for key, value in laion.items():
        if _dropped_by_transformers(key):
            continue
        if ".attn.qkv." in key:
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[_transformers_name(key.replace("attn.qkv", f"attention.self.{part}"))] = rows.clone()
        else:
            state[_transformers_name(key)] = value
    return state


def _dropped_by_transformers(key: str) -> bool:
    dropped = ("spectrogram_extractor", "logmel_extractor", "tscam_conv", "audio_branch.head")
    transforms = ("text_transform", "audio_transform")
    return any(part in key for part in (*dropped, *transforms)) or key.endswith("attn_mask")


_RENAMED = (
    ("text_branch.", "text_model."),
    ("audio_branch.", "audio_model.audio_encoder."),
    ("audio_encoder.bn0.", "audio_encoder.batch_norm."),
    ("projection.0.", "projection.linear1."),
    ("projection.2.", "projection.linear2."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".attn.proj.", ".attention.output.dense."),
    (".attn.", ".attention.self."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)


def _transformers_name(key: str) -> str:
    for ours, theirs in _RENAMED:
        key = key.replace(ours, theirs)
    return key


def transformers_config(architecture: Architecture) -> dict[str, Any]:
    """config.json as the published models have it: what is transformers' default is left out."""
    audio: dict[str, Any] = {"model_type": "clap_audio_model"}
    if architecture.patch_dim != TINY.patch_dim:
        audio["patch_embeds_hidden_size"] = architecture.patch_dim
        audio["hidden_size"] = architecture.n_features
        audio["depths"] = list(architecture.depths)
    if architecture.fusion:
        audio |= {"enable_fusion": True, "fusion_type": None, "fusion_num_hidden_layers": 2}
    return {
        "architectures": ["ClapModel"],
        "audio_config": audio,
        "hidden_size": 768,
        "initializer_factor": 1.0,
        "logit_scale_init_value": 14.285714285714285,
        "model_type": "clap",
        "num_hidden_layers": 16,
        "projection_dim": 512,
        "projection_hidden_act": "relu",
        "text_config": {"model_type": "clap_text_model"},
        "torch_dtype": "float32",
        "transformers_version": "4.35.0.dev0",
    }


def preprocessor_config(architecture: Architecture) -> dict[str, Any]:
    """preprocessor_config.json as the published models have it."""
    return {
        "chunk_length_s": 10,
        "feature_extractor_type": "ClapFeatureExtractor",
        "feature_size": 64,
        "fft_window_size": 1024,
        "frequency_max": 14000,
        "frequency_min": 50,
        "hop_length": 480,
        "max_length_s": 10,
        "n_fft": 1024,
        "nb_frequency_bins": 513,
        "nb_max_frames": 1000,
        "nb_max_samples": 480000,
        "padding": "repeatpad",
        "padding_side": "right",
        "padding_value": 0.0,
        "processor_class": "ClapProcessor",
        "return_attention_mask": False,
        "sampling_rate": 48000,
        "top_db": None,
        "truncation": "fusion" if architecture.fusion else "rand_trunc",
    }


def _tensor(key: str, entry: Entry, seed: int) -> torch.Tensor:
    for ending, make in _COMPUTED.items():
        if key.endswith(ending):
            value = make(entry.shape)
            return value.reshape(entry.shape).contiguous()
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode(), seed))
    noise = torch.randn(entry.shape, generator=generator)
    mean, deviation = _mean_and_deviation(key, entry.shape)
    noise.mul_(deviation).add_(mean)
    if key.endswith("running_var"):
        noise.abs_()
    if key.endswith("word_embeddings.weight"):
        noise[1] = 0.0  # padding
    return noise


_SCALES = {
    "bn0.running_mean": (-30.0, 5.0),
    "bn0.running_var": (300.0, 30.0),
    "running_var": (1.0, 0.1),
    "relative_position_bias_table": (0.0, 0.5),
    "embeddings.weight": (0.0, 0.05),
}
_NORMS = re.compile(r"(norm\d?|bn0|LayerNorm|local_att\.[14]|global_att\.[25])\.weight$")
_ADDED_TO_THE_STREAM = ("attn.proj.weight", "mlp.fc2.weight", "output.dense.weight")


def _mean_and_deviation(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Scales like a trained network's, so that activations neither die nor explode."""
    for ending, scale in _SCALES.items():
        if key.endswith(ending):
            return scale
    if len(shape) == 1:
        return (1.0, 0.05) if _NORMS.search(key) else (0.0, 0.02)
    # What is added to the residual stream is small beside it, as training leaves it.
    gain = 0.5 if key.endswith(_ADDED_TO_THE_STREAM) else 1.0
    return 0.0, gain / math.sqrt(math.prod(shape[1:]))


def _stft_filters(part: str) -> torch.Tensor:
    """torchlibrosa's: the rows of the Fourier matrix, each times the Hann window."""
    n = np.arange(1024)
    angle = -2.0 * np.pi * np.outer(np.arange(513), n) / 1024
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * n / 1024)
    wave = np.cos(angle) if part == "real" else np.sin(angle)
    return torch.from_numpy((wave * hann).astype(np.float32))


def _relative_position_index() -> torch.Tensor:
    """Row of the bias table for each pair of the 8 by 8 tokens of a window."""
    row, column = np.divmod(np.arange(64), 8)
    index = (row[:, None] - row[None, :] + 7) * 15 + (column[:, None] - column[None, :] + 7)
    return torch.from_numpy(index.astype(np.int64))


def _attention_mask(shape: tuple[int, ...]) -> torch.Tensor:
    """-100 between tokens of a shifted window that lie in different parts of the image."""
    n_windows = math.isqrt(shape[0])
    side = 8 * n_windows
    part = np.zeros(side)
    part[side - 8 : side - 4] = 1
    part[side - 4 :] = 2
    parts = part[:, None] * 3 + part[None, :]
    windows = parts.reshape(n_windows, 8, n_windows, 8).transpose(0, 2, 1, 3).reshape(shape[0], 64)
    differ = windows[:, :, None] != windows[:, None, :]
    return torch.from_numpy(np.where(differ, -100.0, 0.0).astype(np.float32))


_COMPUTED = {
    "stft.conv_real.weight": lambda _: _stft_filters("real"),
    "stft.conv_imag.weight": lambda _: _stft_filters("imag"),
    "logmel_extractor.melW": lambda _: torch.from_numpy(mel_filterbank(CLAP_UNFUSED)),
    "num_batches_tracked": lambda _: torch.tensor(123456),
    "relative_position_index": lambda _: _relative_position_index(),
    "attn_mask": _attention_mask,
    "position_ids": lambda shape: torch.arange(shape[1]),
    "logit_scale_a": lambda _: torch.tensor(math.log(1 / 0.07)),
    "logit_scale_t": lambda _: torch.tensor(math.log(1 / 0.07)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a LAION-CLAP checkpoint with random weights.")
    parser.add_argument("--layout", choices=("laion", "transformers"), default="laion")
    parser.add_argument("--architecture", choices=("tiny", "base"), default="tiny")
    parser.add_argument("--fusion", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a file, or a directory for transformers")
    arguments = parser.parse_args()
    size = {"tiny": TINY, "base": BASE}[arguments.architecture]
    architecture = replace(size, fusion=arguments.fusion)
    write = write_laion if arguments.layout == "laion" else write_transformers
    write(arguments.out, architecture, arguments.seed)


if __name__ == "__main__":
    main()
