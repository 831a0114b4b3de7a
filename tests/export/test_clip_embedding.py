"""A clip as one vector: the energy-weighted mean of what the device would hear of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fakes import SMALL_LOG_MEL, BandEncoder

from edge.errors import AudioSourceError, EncoderError
from edge.frontend import LogMelFrontEnd, fit_window
from edge.types import AudioBlock, Embedding, LogMel, Samples
from export.evaluation.clip_embedding import Hearing, embed_blocks, embed_file

RATE_HZ = SMALL_LOG_MEL.sample_rate_hz
HEARING = Hearing(SMALL_LOG_MEL, window_s=2.0, clip_s=4.0, padding="repeat", hop_s=0.5)


def embed(samples: Samples, block_length: int = 10_000, hearing: Hearing = HEARING) -> Embedding:
    starts = range(0, len(samples), block_length)
    blocks = [AudioBlock(samples[start : start + block_length], start) for start in starts]
    return embed_blocks(blocks, BandEncoder(), hearing)


def noise(seconds: float, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    loudness = np.linspace(0.01, 0.3, round(seconds * RATE_HZ))
    return (loudness * rng.standard_normal(len(loudness))).astype(np.float32)


def test_it_is_the_windows_mean_weighted_by_energy() -> None:
    samples = noise(5.0)
    front_end, encoder = LogMelFrontEnd(SMALL_LOG_MEL), BandEncoder()
    expected = np.zeros(3)
    for start in range(0, 3001, 500):
        window = samples[start : start + 2000]
        clip = fit_window(window, 2000, 4000, "repeat")
        expected += np.sum(np.square(window, dtype=np.float64)) * encoder.encode(front_end(clip))
    found = embed(samples)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-4)
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-6)


def test_it_ranks_prototypes_as_the_weighted_mean_of_the_windows_scores_does() -> None:
    samples = noise(4.3)
    rng = np.random.default_rng(1)
    prototypes = rng.standard_normal((20, 3))
    front_end, encoder = LogMelFrontEnd(SMALL_LOG_MEL), BandEncoder()
    windows = [samples[start : start + 2000] for start in (0, 500, 1000, 1500, 2000)]
    windows.append(np.pad(samples[2500:], (0, 200)))  # as the device ends a stream
    energies = np.array([np.sum(np.square(w, dtype=np.float64)) for w in windows])
    scores = [prototypes @ encoder.encode(front_end(fit_window(w, 2000, 4000, "repeat"))) for w in windows]
    mean = (energies[:, None] * np.stack(scores)).sum(axis=0) / energies.sum()
    np.testing.assert_array_equal(np.argsort(prototypes @ embed(samples)), np.argsort(mean))


@pytest.mark.parametrize("block_length", [1, 77, 500, 1999])
def test_it_does_not_depend_on_the_blocks(block_length: int) -> None:
    samples = noise(3.3)
    np.testing.assert_allclose(embed(samples, block_length), embed(samples), atol=1e-6)


def test_a_clip_shorter_than_a_window_is_one_window() -> None:
    samples = noise(0.7)
    clip = fit_window(samples, 2000, 4000, "repeat")
    expected = BandEncoder().encode(LogMelFrontEnd(SMALL_LOG_MEL)(clip))
    np.testing.assert_allclose(embed(samples), expected, atol=1e-5)


def test_a_silent_clip_has_an_embedding() -> None:
    assert np.isfinite(embed(np.zeros(5000, np.float32))).all()


def test_windows_that_cancel_out_are_an_error() -> None:
    class Turning:
        sign = 1.0

        def encode(self, _: LogMel) -> Embedding:
            self.sign = -self.sign
            return np.array([self.sign, 0.0], np.float32)

    constant = np.zeros(2500, np.float32)  # two windows of equal energy
    with pytest.raises(EncoderError, match="no common direction"):
        embed_blocks([AudioBlock(constant, 0)], Turning(), HEARING)


def test_a_file_is_heard_as_its_samples_are(tmp_path: Path) -> None:
    samples = noise(3.0)
    soundfile.write(tmp_path / "clip.wav", samples, RATE_HZ, subtype="FLOAT")
    found = embed_file(tmp_path / "clip.wav", BandEncoder(), HEARING)
    np.testing.assert_allclose(found, embed(samples), atol=1e-6)


def test_a_file_that_is_no_audio_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_text("not a sound")
    with pytest.raises(AudioSourceError, match=r"clip\.wav"):
        embed_file(tmp_path / "clip.wav", BandEncoder(), HEARING)


def test_what_is_kept_is_told_apart_by_all_that_changes_it() -> None:
    others = (replace(HEARING, hop_s=1.0), replace(HEARING, window_s=1.0), replace(HEARING, padding="zero"))
    assert len({HEARING.key, *(other.key for other in others)}) == 4
