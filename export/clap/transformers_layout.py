"""LAION-CLAP as transformers keeps it: a directory of weights, config.json, preprocessor_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from export.clap.architecture import TEXT_POSITIONS, Architecture
from export.clap.errors import CheckpointError
from export.clap.laion_layout import Entry, check_entries, layout
from export.clap.transformers_config import PROCESSOR

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
CONFIG, PREPROCESSOR, TOKENIZER = "config.json", "preprocessor_config.json", "tokenizer.json"


@dataclass(frozen=True)
class TransformersFiles:
    """The files of a checkpoint; `preprocessor` may be either of the two that hold its settings."""

    config: Path
    preprocessor: Path
    weights: Path
    tokenizer: Path | None


def find_files(directory: Path) -> TransformersFiles:
    """Raises: CheckpointError if one is missing."""
    weights = [directory / name for name in WEIGHTS if (directory / name).is_file()]
    if not weights:
        raise CheckpointError(
            f"{directory} holds neither {WEIGHTS[0]} nor {WEIGHTS[1]}: "
            "give a directory of transformers' layout, or a .pt file"
        )
    processors = [directory / name for name in (PREPROCESSOR, PROCESSOR) if (directory / name).is_file()]
    if not processors or not (directory / CONFIG).is_file():
        missing = PREPROCESSOR if (directory / CONFIG).is_file() else CONFIG
        raise CheckpointError(
            f"{directory} holds no {missing}: put that of the checkpoint beside its weights"
        )
    tokenizer = directory / TOKENIZER
    return TransformersFiles(
        directory / CONFIG, processors[0], weights[0], tokenizer if tokenizer.is_file() else None
    )


def check_transformers(
    path: Path, tensors: Mapping[str, torch.Tensor], architecture: Architecture
) -> dict[str, torch.Tensor]:
    """Take a file's tensors for LAION-CLAP's, if they are.

    path: for messages.
    Returns: the tensors by LAION's keys; those are absent that transformers doesn't keep: LAION's front end
        and heads, which embedding doesn't use, and masks, which follow from the architecture.
    Raises: CheckpointError, naming the first key that differs, in the order of the file.
    """
    kept = {key: entry for key, entry in layout(architecture).items() if _is_kept(key)}
    expected: dict[str, Entry] = {}
    for key, entry in kept.items():
        names = _names(key)
        rows = entry.shape[0] // len(names) if len(names) > 1 else None
        shape = entry.shape if rows is None else (rows, *entry.shape[1:])
        expected.update(dict.fromkeys(names, Entry(shape, entry.dtype)))
    expected[_TOKEN_TYPES] = Entry((1, TEXT_POSITIONS), "int64")
    check_entries(path, tensors, expected, (_TOKEN_TYPES, _POSITIONS))
    state: dict[str, torch.Tensor] = {}
    for key in kept:
        parts = [tensors[name] for name in _names(key) if name in tensors]
        if parts:
            state[key] = torch.cat(parts) if len(parts) > 1 else parts[0]
    return state


_TOKEN_TYPES = "text_model.embeddings.token_type_ids"  # noqa: S105  (a tensor's name)
_POSITIONS = "text_model.embeddings.position_ids"
_DROPPED = (
    "audio_branch.spectrogram_extractor.",
    "audio_branch.logmel_extractor.",
    "audio_branch.tscam_conv.",
    "audio_branch.head.",
    "audio_transform.",
    "text_transform.",
)
_RENAMED = {
    "text_branch.": "text_model.",
    "audio_branch.bn0.": "audio_model.audio_encoder.batch_norm.",
    "audio_branch.": "audio_model.audio_encoder.",
    "audio_projection.0.": "audio_projection.linear1.",
    "audio_projection.2.": "audio_projection.linear2.",
    "text_projection.0.": "text_projection.linear1.",
    "text_projection.2.": "text_projection.linear2.",
}
_RENAMED_IN_BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.relative_position_bias_table": "attention.self.relative_position_bias_table",
    "attn.relative_position_index": "attention.self.relative_position_index",
    "attn.qkv": "attention.self.*",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def _is_kept(key: str) -> bool:
    return not key.startswith(_DROPPED) and not key.endswith(".attn_mask")


def _names(key: str) -> list[str]:
    """What transformers calls a LAION key; three where it keeps query, key and value apart."""
    name = key
    for ours, theirs in _RENAMED.items():
        if key.startswith(ours):
            name = theirs + key.removeprefix(ours)
            break
    if ".blocks." in name:
        before, block, rest = name.partition(".blocks.")
        number, _, inside = rest.partition(".")
        for ours, theirs in _RENAMED_IN_BLOCK.items():
            if inside == ours or inside.startswith(ours + "."):
                name = f"{before}{block}{number}.{theirs}{inside.removeprefix(ours)}"
                break
    return [name.replace("*", part) for part in ("query", "key", "value")] if "*" in name else [name]
