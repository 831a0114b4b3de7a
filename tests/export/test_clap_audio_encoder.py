"""Our audio encoder computes what laion_clap's does, and half of its image nearly the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch, from the extra `export`")

import clap_audio  # noqa: E402 - after the skip
from clap_audio import SMALL  # noqa: E402

from edge.frontend import CLAP_FUSED, CLAP_UNFUSED  # noqa: E402
from export.clap import audio_encoder  # noqa: E402
from export.clap.architecture import BASE, TINY, Architecture  # noqa: E402
from export.clap.audio_encoder import ClapAudioEncoder  # noqa: E402
from export.clap.geometry import Image, shift_mask  # noqa: E402
from export.clap.reference import Reference, ReferenceMissingError  # noqa: E402

FUSED = replace(TINY, fusion=True)


def log_mels(n: int, architecture: Architecture = TINY) -> torch.Tensor:
    return torch.from_numpy(clap_audio.log_mels(CLAP_FUSED if architecture.fusion else CLAP_UNFUSED)[:n])


def embed(encoder: torch.nn.Module, log_mels: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return encoder(log_mels).numpy()


@pytest.mark.parametrize("architecture", [TINY, FUSED], ids=["tiny", "tiny with fusion"])
def test_embeddings_are_those_of_laion_clap_at_any_batch(architecture):
    inputs = log_mels(3, architecture)
    expected = clap_audio.reference(architecture).embed(inputs).numpy()
    for n_clips in (1, 2, 3):
        found = embed(clap_audio.encoder(architecture), inputs[:n_clips])
        assert np.abs(found - expected[:n_clips]).max() <= 5e-6
    # Otherwise anything would be near enough.
    assert expected[0] @ expected[1] < 0.9
    assert expected[0] @ expected[2] < 0.9


def test_embeddings_of_the_base_architecture_are_those_of_laion_clap():
    state = clap_audio.audio_state.__wrapped__(BASE)  # too large to keep
    try:
        reference = Reference(state, BASE)
    except ReferenceMissingError as error:
        pytest.skip(str(error))
    swelling_noise = log_mels(2)[1:]
    expected = reference.embed(swelling_noise).numpy()
    assert np.abs(embed(ClapAudioEncoder(state, BASE), swelling_noise) - expected).max() <= 5e-6


@pytest.mark.parametrize("image", Image)
def test_a_clip_alone_embeds_as_among_others(image):
    encoder, inputs = clap_audio.encoder(SMALL, image), log_mels(6)
    together = embed(encoder, inputs)
    alone = np.concatenate([embed(encoder, one[None]) for one in inputs])
    assert np.abs(together - alone).max() <= 1e-6
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)


def test_the_checkpoints_tensors_are_left_as_they_were():
    state = clap_audio.audio_state(SMALL)
    before = {key: value.clone() for key, value in state.items()}
    embed(ClapAudioEncoder(state, SMALL), log_mels(1))
    assert all(torch.equal(before[key], value) for key, value in state.items())


def test_an_encoder_keeps_no_more_weights_than_it_uses():
    state = clap_audio.audio_state(TINY)
    dead = ("extractor", "tscam_conv", "head", "relative_position_bias_table", "attn_mask", "running_var")
    used = sum(v.numel() for k, v in state.items() if v.is_floating_point() and not any(d in k for d in dead))
    kept = sum(parameter.numel() for parameter in clap_audio.encoder(TINY).parameters())
    assert abs(kept - used) < 1000  # of the batch norm, which is folded


def test_half_the_image_of_a_repeated_window_embeds_nearly_as_the_whole():
    whole = embed(clap_audio.encoder(TINY), log_mels(6))
    half = embed(clap_audio.encoder(TINY, Image.HALF), log_mels(6))
    cosines = np.einsum("nd,nd->n", whole, half)
    # With these weights and sounds; the worst is noise that swells through the window's end.
    assert cosines.min() > 0.995
    assert cosines.mean() > 0.999
    assert (np.abs(whole - half).max(axis=1) > 1e-5).all()


def test_half_the_image_of_a_clip_that_is_not_repeated_is_another_embedding():
    noise, _, near_silence = log_mels(3)
    clip = torch.cat([noise[:501], near_silence[501:]])[None]
    whole = embed(clap_audio.encoder(SMALL), clip)[0]
    assert embed(clap_audio.encoder(SMALL, Image.HALF), clip)[0] @ whole < 0.9


def test_half_the_image_hears_the_first_half_of_the_clip_and_nothing_else():
    encoder = clap_audio.encoder(SMALL, Image.HALF)
    clip = log_mels(1)
    behind, last = clip.clone(), clip.clone()
    behind[:, 502:] = 40.0  # frames 499 to 501 are what the last stretched frame lies between
    last[:, 501:] = 40.0
    np.testing.assert_array_equal(embed(encoder, behind), embed(encoder, clip))
    assert np.abs(embed(encoder, last) - embed(encoder, clip)).max() > 1e-5


@pytest.mark.parametrize(("image", "n_tokens"), [(Image.WHOLE, 64), (Image.HALF, 32)])
def test_an_image_ends_as_a_grid_of_its_own_shape(image, n_tokens):
    encoder = clap_audio.encoder(SMALL, image)
    with torch.inference_mode():
        tokens = encoder.layers(encoder.patches(log_mels(2)))
    assert tokens.shape == (2, n_tokens, SMALL.n_features)


def test_half_an_image_is_the_whole_of_one_that_repeats_without_end_up_to_its_last_stage(monkeypatch):
    # There the whole's only window holds both halves, and the half's window one. Before, they are the same
    # but for the image's upper and lower edge, which an image that repeats without end does not have.
    architecture = replace(SMALL, depths=(2, 2, 2, 0))
    state = clap_audio.audio_state(architecture)
    monkeypatch.setattr(
        audio_encoder, "shift_mask", lambda grid, shift, **_: shift_mask(grid, shift, seam=0.0)
    )
    half = ClapAudioEncoder(state, architecture, Image.HALF)
    whole = ClapAudioEncoder(state, architecture, Image.WHOLE)
    with torch.inference_mode():
        tokens = half.patches(log_mels(2))
        of_half = half.layers(tokens)
        of_whole = whole.layers(torch.cat([tokens, tokens], dim=1))
    assert of_half.shape == (2, 32, SMALL.n_features)
    torch.testing.assert_close(of_whole, torch.cat([of_half, of_half], dim=1), rtol=0, atol=1e-5)
