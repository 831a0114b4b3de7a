"""What config.json and preprocessor_config.json must say for transformers' CLAP to be LAION's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.clap import architecture as sizes
from export.clap.architecture import AUDIO_LAYER_NORM_EPS, BASE, TINY, Architecture
from export.clap.errors import CheckpointError

PROCESSOR = "processor_config.json"
"""Where newer versions of transformers put the preprocessor's settings."""
_TEXT_LAYER_NORM_EPS = 1e-12
"""Transformers' default, which the published configurations leave; LAION trained with RoBERTa's 1e-5."""
_CONFIG = {"model_type": "clap", "projection_dim": sizes.EMBEDDING_DIM, "projection_hidden_act": "relu"}
_CONFIG_DEFAULTS = {**_CONFIG, "model_type": None}
_TEXT = {
    "vocab_size": sizes.TEXT_VOCABULARY,
    "hidden_size": sizes.TEXT_WIDTH,
    "num_hidden_layers": sizes.TEXT_LAYERS,
    "num_attention_heads": sizes.TEXT_HEADS,
    "intermediate_size": sizes.TEXT_FEED_FORWARD,
    "max_position_embeddings": sizes.TEXT_POSITIONS,
    "type_vocab_size": 1,
    "hidden_act": "gelu",
    "pad_token_id": 1,
    "position_embedding_type": "absolute",
}
"""Required, and transformers' defaults too."""
_AUDIO_DEFAULTS = {
    "patch_embeds_hidden_size": TINY.patch_dim,
    "depths": list(TINY.depths),
    "num_attention_heads": list(TINY.n_heads),
    "hidden_size": TINY.n_features,
    "enable_fusion": False,
    "fusion_type": None,
    "num_mel_bins": sizes.MEL_BINS,
    "spec_size": sizes.SPEC_SIZE,
    "window_size": sizes.WINDOW_SIZE,
    "patch_size": sizes.PATCH_SIZE,
    "patch_stride": [sizes.PATCH_SIZE, sizes.PATCH_SIZE],
    "patch_embed_input_channels": 1,
    "enable_patch_layer_norm": True,
    "flatten_patch_embeds": True,
    "aff_block_r": 4,
    "qkv_bias": True,
    "mlp_ratio": 4.0,
    "hidden_act": "gelu",
    "layer_norm_eps": AUDIO_LAYER_NORM_EPS,
}
_PREPROCESSOR_DEFAULTS = {
    "feature_size": 64,
    "sampling_rate": 48000,
    "hop_length": 480,
    "max_length_s": 10,
    "fft_window_size": 1024,
    "frequency_min": 0,
    "frequency_max": 14000,
    "top_db": None,
    "truncation": "fusion",
    "padding": "repeatpad",
}


def read_architecture(config_path: Path, preprocessor_path: Path) -> Architecture:
    """What the configuration says.

    Raises: CheckpointError, naming the first setting that is not LAION-CLAP's.
    """
    config = _read_json(config_path)
    audio, text = _section(config_path, config, "audio_config"), _section(config_path, config, "text_config")
    _check(config_path, "", config, _CONFIG_DEFAULTS, _CONFIG)
    size = BASE if audio.get("patch_embeds_hidden_size", TINY.patch_dim) == BASE.patch_dim else TINY
    has_fusion = audio.get("enable_fusion", False) is True
    _check(config_path, "audio_config.", audio, _AUDIO_DEFAULTS, _expected_audio(size, has_fusion=has_fusion))
    _check(config_path, "text_config.", text, _TEXT, _TEXT)
    eps = text.get("layer_norm_eps", _TEXT_LAYER_NORM_EPS)
    if not isinstance(eps, float) or not 0 < eps < 1e-2:
        raise CheckpointError(f"{config_path}: text_config.layer_norm_eps must be about 1e-5, not {eps!r}")
    _check_preprocessor(preprocessor_path, has_fusion=has_fusion)
    return replace(size, fusion=has_fusion, text_layer_norm_eps=eps)


def _expected_audio(size: Architecture, *, has_fusion: bool) -> dict[str, Any]:
    return {
        **_AUDIO_DEFAULTS,
        "patch_embeds_hidden_size": size.patch_dim,
        "depths": list(size.depths),
        "num_attention_heads": list(size.n_heads),
        "hidden_size": size.n_features,
        "enable_fusion": has_fusion,
    }


def _check_preprocessor(path: Path, *, has_fusion: bool) -> None:
    settings = _read_json(path)
    if path.name == PROCESSOR:
        settings = _section(path, settings, "feature_extractor")
    # Transformers takes the front end by `truncation`: with fusion another mel scale than without.
    truncation = "fusion" if has_fusion else "rand_trunc"
    expected = {**_PREPROCESSOR_DEFAULTS, "frequency_min": 50, "truncation": truncation}
    _check(path, "", settings, _PREPROCESSOR_DEFAULTS, expected)


def _check(
    path: Path,
    section: str,
    settings: Mapping[str, Any],
    defaults: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    for name, wanted in expected.items():
        found = settings.get(name, defaults[name])
        if name == "fusion_type" and found == "aff_2d":
            continue  # what no type means too
        if found != wanted:
            raise CheckpointError(
                f"{path}: {section}{name} must be {json.dumps(wanted)}, not {json.dumps(found)}; "
                "only LAION-CLAP's own models are supported"
            )


def _section(path: Path, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name)
    if not isinstance(section, dict):
        raise CheckpointError(f"{path} has no {name}: it is not of a CLAP model as transformers keeps it")
    return section


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}): download it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not a JSON object: download it again")
    return content
