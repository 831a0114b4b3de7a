from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from synthetic_checkpoint import (  # noqa: E402
    hollow_state,
    laion_state,
    transformers_state,
    write_transformers,
    write_transformers_settings,
)

from edge.frontend import CLAP_FUSED, CLAP_UNFUSED  # noqa: E402
from export.clap import hub  # noqa: E402
from export.clap.architecture import BASE, TINY, Architecture  # noqa: E402
from export.clap.audio_encoder import ClapAudioEncoder  # noqa: E402
from export.clap.checkpoint import Checkpoint, open_checkpoint  # noqa: E402
from export.clap.errors import CheckpointError  # noqa: E402
from export.clap.text_encoder import ClapTextEncoder  # noqa: E402

FUSED = replace(TINY, fusion=True)


def write_hollow(directory: Path, architecture: Architecture) -> dict[str, Any]:
    """A directory with true names and small files; returns the weights in it."""
    write_transformers_settings(directory, architecture)
    state = transformers_state(hollow_state(architecture))
    torch.save(state, directory / "pytorch_model.bin")
    return state


def edit_json(path: Path, section: str | None, name: str, value: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    (content[section] if section else content)[name] = value
    path.write_text(json.dumps(content), encoding="utf-8")


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("clap-htsat")
    write_transformers(directory, TINY, seed=5)
    yield directory
    shutil.rmtree(directory)  # 600 MB, which pytest would keep


@pytest.fixture(scope="module")
def checkpoint(directory) -> Checkpoint:
    return open_checkpoint(str(directory))


def test_both_layouts_give_the_same_weights(checkpoint):
    laion = laion_state(TINY, seed=5)
    for key, tensor in checkpoint.state.items():
        assert torch.equal(tensor, laion[key]), key
    unused = (
        "spectrogram_extractor",
        "logmel_extractor",
        "tscam_conv",
        "branch.head",
        "_transform",
        "attn_mask",
    )
    for key in laion.keys() - checkpoint.state.keys():
        assert any(part in key for part in unused), key
    assert checkpoint.log_mel == CLAP_UNFUSED
    assert checkpoint.origin == "model.safetensors"


def test_transformers_itself_gives_the_same_embeddings(directory, checkpoint):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.ClapModel.from_pretrained(directory).eval()
    generator = torch.Generator().manual_seed(1)
    log_mel = torch.randn(1, 1, 1001, 64, generator=generator) * 15 - 30
    token_ids = torch.randint(3, 50000, (1, 12), generator=generator)
    with torch.inference_mode():
        sound = theirs.audio_model(input_features=log_mel, is_longer=torch.zeros(1, 1, dtype=torch.bool))
        sound = torch.nn.functional.normalize(theirs.audio_projection(sound.pooler_output), dim=-1)
        text = theirs.text_model(input_ids=token_ids, attention_mask=torch.ones_like(token_ids))
        text = torch.nn.functional.normalize(theirs.text_projection(text.pooler_output), dim=-1)
        our_sound = ClapAudioEncoder(checkpoint.state, checkpoint.architecture)(log_mel[:, 0])
        eps = checkpoint.architecture.text_layer_norm_eps
        our_text = ClapTextEncoder(checkpoint.state, eps)(token_ids)
    assert (sound - our_sound).abs().max() < 1e-5
    assert (text - our_text).abs().max() < 1e-5
    assert eps == theirs.config.text_config.layer_norm_eps


@pytest.mark.parametrize("architecture", [TINY, FUSED, BASE])
def test_the_configuration_tells_architecture_and_front_end(tmp_path, architecture):
    write_hollow(tmp_path, architecture)
    (tmp_path / "tokenizer.json").write_text("{}")
    opened = open_checkpoint(str(tmp_path))
    # The published configurations leave transformers' default.
    assert opened.architecture == replace(architecture, text_layer_norm_eps=1e-12)
    assert opened.log_mel == (CLAP_FUSED if architecture.fusion else CLAP_UNFUSED)
    assert opened.tokenizer == tmp_path / "tokenizer.json"


def test_the_epsilon_of_text_is_the_configurations(tmp_path):
    write_hollow(tmp_path, TINY)
    edit_json(tmp_path / "config.json", "text_config", "layer_norm_eps", 1e-5)
    assert open_checkpoint(str(tmp_path)).architecture == TINY


def test_what_newer_versions_of_transformers_write_opens(tmp_path):
    state = write_hollow(tmp_path, TINY)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text(encoding="utf-8"))
    (tmp_path / "preprocessor_config.json").unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps({"feature_extractor": settings}))
    del state["text_model.embeddings.position_ids"]
    state["text_model.embeddings.token_type_ids"] = torch.zeros((), dtype=torch.int64).expand(1, 514)
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert "text_branch.embeddings.position_ids" not in open_checkpoint(str(tmp_path)).state


def test_a_directory_without_one_of_its_files_is_refused(tmp_path):
    assert "neither model.safetensors nor pytorch_model.bin" in refusal(tmp_path)
    write_hollow(tmp_path, TINY)
    (tmp_path / "preprocessor_config.json").unlink()
    assert "no preprocessor_config.json" in refusal(tmp_path)
    (tmp_path / "config.json").unlink()
    assert "no config.json" in refusal(tmp_path)


def test_the_file_alone_is_refused_with_a_word_on_the_directory(tmp_path):
    write_hollow(tmp_path, TINY)
    assert "give the directory" in refusal(tmp_path / "pytorch_model.bin")


def test_a_safetensors_file_cut_in_half_is_refused(tmp_path):
    from safetensors.torch import save_file  # noqa: PLC0415

    write_transformers_settings(tmp_path, TINY)
    path = tmp_path / "model.safetensors"
    save_file({"logit_scale_a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    assert "cut short" in refusal(path)
    assert "cut short" in refusal(tmp_path)


def test_weights_that_differ_are_refused_by_the_first_key_that_does(tmp_path):
    state = write_hollow(tmp_path, TINY)
    query = "audio_model.audio_encoder.layers.0.blocks.0.attention.self.query.weight"
    torch.save({**state, query: torch.zeros(95, 96)}, tmp_path / "pytorch_model.bin")
    assert f"{query} must have shape [96, 96], not [95, 96]" in refusal(tmp_path)
    torch.save({key: value for key, value in state.items() if key != query}, tmp_path / "pytorch_model.bin")
    assert f"{query} is missing" in refusal(tmp_path)
    torch.save({**state, "text_model.lm_head.bias": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    assert "text_model.lm_head.bias is not expected" in refusal(tmp_path)


def test_a_configuration_of_one_size_with_weights_of_another_is_refused(tmp_path):
    write_hollow(tmp_path, BASE)
    write_transformers_settings(tmp_path, TINY)
    assert "shape" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (None, "model_type", "clip"),
        (None, "projection_hidden_act", "gelu"),
        ("audio_config", "depths", [2, 2, 18, 2]),
        ("audio_config", "patch_embeds_hidden_size", 192),
        ("audio_config", "enable_fusion", True),
        ("audio_config", "fusion_type", "channel_map"),
        ("audio_config", "hidden_act", "relu"),
        ("audio_config", "layer_norm_eps", 1e-6),
        ("text_config", "num_hidden_layers", 24),
        ("text_config", "hidden_act", "gelu_new"),
        ("text_config", "layer_norm_eps", 0),
        ("text_config", "pad_token_id", 0),
    ],
)
def test_a_setting_that_is_not_laions_is_refused_by_its_name(tmp_path, section, name, value):
    write_hollow(tmp_path, TINY)
    edit_json(tmp_path / "config.json", section, name, value)
    wanted = "truncation" if name == "enable_fusion" else name
    assert wanted in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sampling_rate", 44100),
        ("hop_length", 320),
        ("fft_window_size", 2048),
        ("feature_size", 128),
        ("frequency_min", 0),
        ("frequency_max", 8000),
        ("truncation", "fusion"),
        ("padding", "repeat"),
        ("max_length_s", 7),
        ("top_db", 80),
    ],
)
def test_a_front_end_that_is_not_the_models_is_refused_by_its_setting(tmp_path, name, value):
    write_hollow(tmp_path, TINY)
    edit_json(tmp_path / "preprocessor_config.json", None, name, value)
    message = refusal(tmp_path)
    assert f"{name} must be" in message
    assert json.dumps(value) in message


@pytest.mark.parametrize("content", ["{", "[]", "{}", "\xff"])
def test_a_configuration_that_is_none_is_refused(tmp_path, content):
    write_hollow(tmp_path, TINY)
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    assert "config.json" in refusal(tmp_path)


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_name_is_fetched_file_by_file(tmp_path, monkeypatch, directory, weights):
    if weights == "pytorch_model.bin":
        directory = tmp_path
        write_hollow(directory, TINY)
    asked: list[str] = []

    def fetch(repository: str, file: str) -> Path:
        assert repository == "laion/clap-htsat-unfused"
        asked.append(file)
        if file == "tokenizer.json" or (directory / file).exists():
            return directory / file
        raise hub.NotOnHubError(file)

    monkeypatch.setattr(hub, "fetch", fetch)
    opened = open_checkpoint("laion/clap-htsat-unfused")
    assert opened.origin == "https://huggingface.co/laion/clap-htsat-unfused/tree/main"
    assert opened.licence == "Apache-2.0"
    assert opened.tokenizer == directory / "tokenizer.json"
    assert asked[-1] == weights


def test_different_sounds_of_the_synthetic_checkpoint_differ(checkpoint, rng):
    encoder = ClapAudioEncoder(checkpoint.state, checkpoint.architecture)
    tone = np.full((1001, 64), -60.0, np.float32)
    tone[:, 20] = 10.0
    sounds = torch.from_numpy(np.stack([tone, rng.normal(-10, 5, (1001, 64)).astype(np.float32)]))
    with torch.inference_mode():
        a, b = encoder(sounds)
    assert float(a @ b) < 0.9
