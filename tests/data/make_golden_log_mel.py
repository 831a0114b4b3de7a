"""Writes golden_log_mel.npz: a short chirp's log-mel as librosa computes it, for each front end in use.

Run with librosa installed: python tests/data/make_golden_log_mel.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import librosa
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from edge.frontend import CLAP_FUSED, CLAP_UNFUSED, STARTER, LogMelSpec  # noqa: E402

DURATION_S = 0.15


def chirp(sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A sweep up to half the rate over soft noise: (n_samples,) int16."""
    t = np.arange(round(DURATION_S * sample_rate_hz)) / sample_rate_hz
    sweep = np.sin(np.pi * (sample_rate_hz / 2) * t**2 / DURATION_S)
    return np.round(32767 * (0.5 * sweep + 0.01 * rng.standard_normal(len(t)))).astype(np.int16)


def librosa_log_mel(clip: np.ndarray, spec: LogMelSpec) -> np.ndarray:
    """(n_frames, n_mels) float64."""
    # librosa centres a window shorter than the FFT; the frame here starts with the window.
    lead = 0 if spec.centred else (spec.n_fft - spec.win_length) // 2
    n_frames = spec.n_frames(len(clip))
    magnitude = np.abs(
        librosa.stft(
            np.pad(clip, (lead, spec.n_fft)) if lead else clip,
            n_fft=spec.n_fft,
            hop_length=spec.hop_length,
            win_length=spec.win_length,
            center=spec.centred,
            pad_mode="reflect",
        )
    )[:, :n_frames]
    filters = librosa.filters.mel(
        sr=spec.sample_rate_hz,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.fmin_hz,
        fmax=spec.fmax_hz,
        htk=spec.mel_scale == "htk",
        norm="slaney" if spec.mel_norm == "slaney" else None,
        dtype=np.float64,
    )
    if spec.log == "power_db":
        return librosa.power_to_db(filters @ magnitude**2, ref=1.0, amin=spec.log_offset, top_db=None).T
    return np.log(filters @ magnitude + spec.log_offset).T


def main() -> None:
    """Write the file."""
    rng = np.random.default_rng(20240229)
    clips = {rate: chirp(rate, rng) for rate in (16000, 48000)}
    specs = {"clap_unfused": CLAP_UNFUSED, "clap_fused": CLAP_FUSED, "starter": STARTER}
    arrays = {f"clip_{rate}": clip for rate, clip in clips.items()}
    for name, spec in specs.items():
        clip = clips[spec.sample_rate_hz].astype(np.float64) / 32768
        arrays[name] = librosa_log_mel(clip, spec).astype(np.float32)
    np.savez_compressed(HERE / "golden_log_mel.npz", **arrays)


if __name__ == "__main__":
    main()
