"""What a LAION-CLAP checkpoint holds, key by key, and whether a file holds just that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from edge.frontend import CLAP_UNFUSED, mel_filterbank
from export.clap import architecture as sizes
from export.clap.architecture import BASE, TINY, Architecture
from export.clap.errors import CheckpointError

_OPTIONAL = ("text_branch.embeddings.position_ids",)
_WANTED = "a LAION-CLAP checkpoint with HTSAT-tiny or HTSAT-base and RoBERTa is needed"


class Entry(NamedTuple):
    """What a key must hold."""

    shape: tuple[int, ...]
    dtype: Literal["float32", "int64"] = "float32"


def layout(architecture: Architecture) -> dict[str, Entry]:
    """Every key of a file of that architecture, without the "module." that training put before them."""
    named: dict[str, Entry] = {"logit_scale_a": Entry(()), "logit_scale_t": Entry(())}
    named.update(("audio_branch." + key, entry) for key, entry in _audio_branch(architecture))
    named.update(("text_branch." + key, entry) for key, entry in _text_branch())
    dim = sizes.EMBEDDING_DIM
    named.update(_linear("text_transform.sequential.0", dim, dim))
    named.update(_linear("text_transform.sequential.3", dim, dim))
    named.update(_linear("text_projection.0", sizes.TEXT_WIDTH, dim))
    named.update(_linear("text_projection.2", dim, dim))
    named.update(_linear("audio_transform.sequential.0", dim, dim))
    named.update(_linear("audio_transform.sequential.3", dim, dim))
    named.update(_linear("audio_projection.0", architecture.n_features, dim))
    named.update(_linear("audio_projection.2", dim, dim))
    return named


def check_laion(
    path: Path, tensors: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], Architecture]:
    """Take a file's tensors for LAION-CLAP's, if they are.

    path: for messages.
    Returns: the tensors by LAION's keys, without "module."; the architecture that they are of.
    Raises: CheckpointError, naming the first key that differs, in the order of the file.
    """
    state = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    architecture = _architecture_of(state)
    check_entries(path, state, layout(architecture), _OPTIONAL)
    _check_filterbank(path, state["audio_branch.logmel_extractor.melW"])
    return state, architecture


def check_entries(
    path: Path, state: Mapping[str, torch.Tensor], expected: Mapping[str, Entry], optional: tuple[str, ...]
) -> None:
    """Check keys, shapes and types in the order of the file, and that all weights are finite.

    Raises: CheckpointError, naming the first key that differs.
    """
    for key, tensor in state.items():
        entry = expected.get(key)
        if entry is None:
            raise CheckpointError(f"{path}: {key} is not expected; {_WANTED}")
        if tuple(tensor.shape) != entry.shape:
            found = list(tensor.shape)
            raise CheckpointError(
                f"{path}: {key} must have shape {list(entry.shape)}, not {found}; {_WANTED}"
            )
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype != entry.dtype:
            raise CheckpointError(f"{path}: {key} must be {entry.dtype}, not {dtype}; {_WANTED}")
    for key in expected:
        if key not in state and key not in optional:
            raise CheckpointError(f"{path}: {key} is missing; {_WANTED}")
    for key, tensor in state.items():
        # Either is NaN if any weight is; a twentieth of the time that looking at each takes.
        if not all(torch.isfinite(extreme) for extreme in torch.aminmax(tensor)):
            raise CheckpointError(f"{path}: {key} holds infinities or NaN: download the checkpoint again")


def _architecture_of(state: Mapping[str, torch.Tensor]) -> Architecture:
    """The architecture that a state can only be of; HTSAT-tiny if of none, with which it will differ."""
    patches = state.get("audio_branch.patch_embed.proj.weight")
    is_base = patches is not None and patches.shape[:1] == (BASE.patch_dim,)
    has_fusion = "audio_branch.patch_embed.mel_conv2d.weight" in state
    return replace(BASE if is_base else TINY, fusion=has_fusion)


def _check_filterbank(path: Path, filters: torch.Tensor) -> None:
    """The file's own mel filters tell that it was trained on the frequencies that our front end gives."""
    expected = torch.from_numpy(mel_filterbank(CLAP_UNFUSED))
    if (filters - expected).abs().max() > 0.01 * expected.max():
        raise CheckpointError(
            f"{path}: audio_branch.logmel_extractor.melW must be 64 mel bands from 50 to 14000 Hz; {_WANTED}"
        )


_Keys = Iterator[tuple[str, Entry]]


def _linear(name: str, n_in: int, n_out: int) -> _Keys:
    yield f"{name}.weight", Entry((n_out, n_in))
    yield f"{name}.bias", Entry((n_out,))


def _convolution(name: str, n_in: int, n_out: int, height: int, width: int) -> _Keys:
    yield f"{name}.weight", Entry((n_out, n_in, height, width))
    yield f"{name}.bias", Entry((n_out,))


def _layer_norm(name: str, dim: int) -> _Keys:
    yield f"{name}.weight", Entry((dim,))
    yield f"{name}.bias", Entry((dim,))


def _batch_norm(name: str, dim: int) -> _Keys:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", Entry((dim,))
    yield f"{name}.num_batches_tracked", Entry((), "int64")


def _audio_branch(architecture: Architecture) -> _Keys:
    n_fft = 1024
    n_bins = n_fft // 2 + 1
    for part in ("real", "imag"):
        yield f"spectrogram_extractor.stft.conv_{part}.weight", Entry((n_bins, 1, n_fft))
    yield "logmel_extractor.melW", Entry((n_bins, sizes.MEL_BINS))
    yield from _batch_norm("bn0", sizes.MEL_BINS)
    patch, dim = sizes.PATCH_SIZE, architecture.patch_dim
    yield from _convolution("patch_embed.proj", 1, dim, patch, patch)
    yield from _layer_norm("patch_embed.norm", dim)
    if architecture.fusion:
        yield from _convolution("patch_embed.mel_conv2d", 1, dim, patch, 3 * patch)
        yield from _fusion("patch_embed.fusion_model.local_att", dim, first=0)
        yield from _fusion("patch_embed.fusion_model.global_att", dim, first=1)
    for stage in range(len(architecture.depths)):
        yield from _stage(architecture, stage)
    n_features, n_classes = architecture.n_features, sizes.N_CLASSES
    yield from _layer_norm("norm", n_features)
    yield from _convolution("tscam_conv", n_features, n_classes, 2, 3)
    yield from _linear("head", n_classes, n_classes)


def _fusion(name: str, dim: int, first: int) -> _Keys:
    """Attentional fusion: two convolutions with a batch norm each, counted from `first` in their sequence."""
    narrow = dim // 4
    yield from _convolution(f"{name}.{first}", dim, narrow, 1, 1)
    yield from _batch_norm(f"{name}.{first + 1}", narrow)
    yield from _convolution(f"{name}.{first + 3}", narrow, dim, 1, 1)
    yield from _batch_norm(f"{name}.{first + 4}", dim)


def _stage(architecture: Architecture, stage: int) -> _Keys:
    dim, side = architecture.stage_dim(stage), architecture.stage_side(stage)
    window = sizes.WINDOW_SIZE
    n_tokens = window * window
    for block in range(architecture.depths[stage]):
        name = f"layers.{stage}.blocks.{block}"
        if block % 2 == 1 and side > window:
            yield f"{name}.attn_mask", Entry(((side // window) ** 2, n_tokens, n_tokens))
        yield from _layer_norm(f"{name}.norm1", dim)
        table = ((2 * window - 1) ** 2, architecture.n_heads[stage])
        yield f"{name}.attn.relative_position_bias_table", Entry(table)
        yield f"{name}.attn.relative_position_index", Entry((n_tokens, n_tokens), "int64")
        yield from _linear(f"{name}.attn.qkv", dim, 3 * dim)
        yield from _linear(f"{name}.attn.proj", dim, dim)
        yield from _layer_norm(f"{name}.norm2", dim)
        yield from _linear(f"{name}.mlp.fc1", dim, 4 * dim)
        yield from _linear(f"{name}.mlp.fc2", 4 * dim, dim)
    if stage + 1 < len(architecture.depths):
        yield f"layers.{stage}.downsample.reduction.weight", Entry((2 * dim, 4 * dim))
        yield from _layer_norm(f"layers.{stage}.downsample.norm", 4 * dim)


def _text_branch() -> _Keys:
    width = sizes.TEXT_WIDTH
    yield "embeddings.position_ids", Entry((1, sizes.TEXT_POSITIONS), "int64")
    yield "embeddings.word_embeddings.weight", Entry((sizes.TEXT_VOCABULARY, width))
    yield "embeddings.position_embeddings.weight", Entry((sizes.TEXT_POSITIONS, width))
    yield "embeddings.token_type_embeddings.weight", Entry((1, width))
    yield from _layer_norm("embeddings.LayerNorm", width)
    for layer in range(sizes.TEXT_LAYERS):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            yield from _linear(f"{name}.attention.self.{part}", width, width)
        yield from _linear(f"{name}.attention.output.dense", width, width)
        yield from _layer_norm(f"{name}.attention.output.LayerNorm", width)
        yield from _linear(f"{name}.intermediate.dense", width, sizes.TEXT_FEED_FORWARD)
        yield from _linear(f"{name}.output.dense", sizes.TEXT_FEED_FORWARD, width)
        yield from _layer_norm(f"{name}.output.LayerNorm", width)
    yield from _linear("pooler.dense", width, width)
