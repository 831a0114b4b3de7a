"""From the waveform on, we are what laion_clap is; and without laion_clap that is said."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from dataclasses import replace
from types import SimpleNamespace

import brute_force_log_mel
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch, from the extra `export`")

import clap_audio  # noqa: E402 - after the skip

from edge.errors import SoundError  # noqa: E402
from edge.frontend import CLAP_FUSED, CLAP_UNFUSED, LogMelSpec  # noqa: E402
from export.clap.architecture import TINY  # noqa: E402
from export.clap.reference import _STAND_INS, Reference, ReferenceMissingError, _load_htsat  # noqa: E402

WITHIN_DB = 0.03


def test_the_front_end_without_fusion_is_torchlibrosas():
    branch = clap_audio.reference(TINY).branch
    with torch.inference_mode():
        spectrogram = branch.spectrogram_extractor(torch.from_numpy(clap_audio.clips()))
        expected = branch.logmel_extractor(spectrogram)[:, 0].numpy()
    found = clap_audio.log_mels(CLAP_UNFUSED)
    assert found.shape == expected.shape == (6, 1001, 64)
    assert np.abs(found - expected).max() <= WITHIN_DB


@pytest.mark.parametrize("spec", [CLAP_UNFUSED, CLAP_FUSED], ids=["torchlibrosa", "torchaudio"])
def test_the_front_ends_are_the_definitions_of_torchlibrosa_and_torchaudio(spec):
    expected = definition(spec)
    found = clap_audio.log_mels(spec)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= WITHIN_DB


def definition(spec: LogMelSpec) -> np.ndarray:
    """Spectrogram(power=2), MelScale and AmplitudeToDB(top_db=None) as torchaudio writes them.

    In double precision: in single, bands 100 dB below a tone are off by up to 0.07 dB in torch itself.
    """
    spectrum = torch.stft(
        torch.from_numpy(clap_audio.clips()).double(),
        n_fft=1024,
        hop_length=480,
        window=torch.hann_window(1024, periodic=True, dtype=torch.float64),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    mel = (spectrum.abs() ** 2).transpose(1, 2) @ torch.from_numpy(brute_force_log_mel.filterbank(spec))
    return (10.0 * torch.log10(torch.clamp(mel, min=1e-10))).numpy()


def test_the_two_front_ends_are_far_apart():
    difference = clap_audio.log_mels(CLAP_FUSED) - clap_audio.log_mels(CLAP_UNFUSED)
    assert np.median(difference) > 15.0


def test_a_waveform_embeds_as_laion_clap_embeds_it():
    clips = torch.from_numpy(clap_audio.clips()[[0, 1, 3]])
    expected = clap_audio.reference(TINY).embed_clips(clips).numpy()
    with torch.inference_mode():
        found = clap_audio.encoder(TINY)(torch.from_numpy(clap_audio.log_mels()[[0, 1, 3]])).numpy()
    assert np.abs(found - expected).max() <= 1e-4


def test_a_log_mel_can_be_embedded_before_and_after_a_waveform():
    reference = clap_audio.reference(TINY)
    clips, log_mels = torch.from_numpy(clap_audio.clips()[:1]), torch.from_numpy(clap_audio.log_mels()[:1])
    first = reference.embed(log_mels)
    of_clip = reference.embed_clips(clips)
    assert torch.equal(reference.embed(log_mels), first)
    assert torch.equal(reference.embed_clips(clips), of_clip)


def test_the_reference_with_fusion_takes_no_waveform():
    with pytest.raises(ValueError, match="torchaudio"):
        clap_audio.reference(replace(TINY, fusion=True)).embed_clips(torch.zeros(1, 480000))


def test_loading_laion_claps_encoder_leaves_no_stand_ins_behind(monkeypatch):
    if importlib.util.find_spec("laion_clap") is None:
        pytest.skip("needs laion_clap, from the extra `reference`")
    monkeypatch.delitem(sys.modules, "laion_clap.clap_module.htsat", raising=False)
    outside = ("laion_clap", "laion_clap.clap_module", *_STAND_INS)
    before = {name: sys.modules.get(name) for name in outside}
    version, htsat = _load_htsat()
    assert version == importlib.metadata.version("laion_clap")
    assert callable(htsat.create_htsat_model)
    assert {name: sys.modules.get(name) for name in outside} == before


def test_without_laion_clap_the_reference_says_how_to_install_it(monkeypatch):
    clap_audio.hide_laion_clap(monkeypatch)
    with pytest.raises(ReferenceMissingError, match=r"laion_clap is not installed: pip install .*reference"):
        Reference({}, TINY)


def test_what_laion_clap_needs_and_does_not_find_is_named(monkeypatch):
    if importlib.util.find_spec("laion_clap") is None:
        pytest.skip("needs laion_clap, from the extra `reference`")
    monkeypatch.delitem(sys.modules, "laion_clap.clap_module.htsat", raising=False)
    monkeypatch.setitem(sys.modules, "torchlibrosa", None)  # as if it were not there
    monkeypatch.delitem(sys.modules, "torchlibrosa.stft", raising=False)
    with pytest.raises(
        SoundError, match=r"needs torchlibrosa.*, which is not installed: pip install torchlibrosa"
    ):
        Reference({}, TINY)
    assert "laion_clap" not in sys.modules


def test_a_laion_clap_that_fails_to_import_is_as_good_as_missing_and_says_why_in_one_line(monkeypatch):
    def fail(name: str) -> None:
        raise RuntimeError(f"{name} was compiled\n  for another numpy")

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=["x"])
    )
    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ReferenceMissingError, match="htsat was compiled for another numpy") as refused:
        Reference({}, TINY)
    assert "\n" not in str(refused.value)
    assert "laion_clap" not in sys.modules
