"""The definition of a log-mel, written out in loops and double precision, to judge the fast one by."""

from __future__ import annotations

import math

import numpy as np

from edge.frontend import LogMelSpec


def _mel(hz: float, scale: str) -> float:
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    return hz / (200.0 / 3.0) if hz < 1000.0 else 15.0 + math.log(hz / 1000.0) / (math.log(6.4) / 27.0)


def _hz(mel: float, scale: str) -> float:
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return mel * 200.0 / 3.0 if mel < 15.0 else 1000.0 * math.exp((mel - 15.0) * math.log(6.4) / 27.0)


def filterbank(spec: LogMelSpec) -> np.ndarray:
    """(n_fft // 2 + 1, n_mels) float64."""
    low, high = _mel(spec.fmin_hz, spec.mel_scale), _mel(spec.fmax_hz, spec.mel_scale)
    corners = [
        _hz(low + (high - low) * i / (spec.n_mels + 1), spec.mel_scale) for i in range(spec.n_mels + 2)
    ]
    filters = np.zeros((spec.n_fft // 2 + 1, spec.n_mels))
    for band in range(spec.n_mels):
        left, peak, right = corners[band : band + 3]
        for k in range(spec.n_fft // 2 + 1):
            hz = k * spec.sample_rate_hz / spec.n_fft
            if left < hz <= peak:
                filters[k, band] = (hz - left) / (peak - left)
            elif peak < hz < right:
                filters[k, band] = (right - hz) / (right - peak)
        if spec.mel_norm == "slaney":
            filters[:, band] *= 2.0 / (right - left)
    return filters


def _sample(clip: np.ndarray, position: int) -> float:
    """The clip, mirrored at its first and last sample."""
    if position < 0:
        position = -position
    if position >= len(clip):
        position = 2 * (len(clip) - 1) - position
    return float(clip[position])


def log_mel(clip: np.ndarray, spec: LogMelSpec) -> np.ndarray:
    """(n_frames, n_mels) float64."""
    n = np.arange(spec.win_length)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(spec.n_fft // 2 + 1), n) / spec.n_fft)
    taper = np.sin(np.pi * n / spec.win_length) ** 2
    filters = filterbank(spec)
    edge = spec.n_fft // 2 if spec.centred else 0
    rows = []
    start = -edge
    while start + spec.win_length <= len(clip) + edge:
        frame = np.array([_sample(clip, start + i) for i in range(spec.win_length)])
        magnitude = np.abs(dft @ (frame * taper))
        if spec.log == "power_db":
            rows.append(10.0 * np.log10(np.maximum(magnitude**2 @ filters, spec.log_offset)))
        else:
            rows.append(np.log(magnitude @ filters + spec.log_offset))
        start += spec.hop_length
    return np.array(rows)
