"""Waveform → log-mel, by numpy alone: one clip at once, or a window's worth for the price of a hop.

The three front ends in use differ in scale, norm, logarithm and padding, by up to 22 dB; which one an encoder
was trained on is recorded in its bundle as a `LogMelSpec` and never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.types import LogMel, Samples, Window

Padding = Literal["repeat", "zero"]


@dataclass(frozen=True)
class LogMelSpec:
    """How a waveform becomes a log-mel.

    Attributes:
        sample_rate_hz: rate of the waveform.
        n_fft: FFT length in samples; a shorter window is zero-padded behind.
        win_length: length in samples of the periodic Hann window.
        hop_length: samples between frames.
        n_mels: number of mel bands.
        fmin_hz: lower edge of the lowest band.
        fmax_hz: upper edge of the highest band, at most half the sample rate.
        mel_scale: "slaney" (linear below 1 kHz) or "htk" (2595·log10(1 + f/700)).
        mel_norm: "slaney" divides each triangle by its width in Hz; "none" leaves its peak at 1.
        log: "power_db" is 10·log10(max(mel·|X|², log_offset)); "magnitude_ln" is ln(mel·|X| + log_offset).
        log_offset: see `log`.
        centred: frame t is centred on sample t·hop_length, the ends padded by reflection; otherwise it starts
            there and nothing is padded.
    """

    sample_rate_hz: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    fmin_hz: float
    fmax_hz: float
    mel_scale: Literal["slaney", "htk"]
    mel_norm: Literal["slaney", "none"]
    log: Literal["power_db", "magnitude_ln"]
    log_offset: float
    centred: bool

    def __post_init__(self) -> None:
        """Raises: ConfigError, naming the field that is out of range."""
        for name in ("sample_rate_hz", "n_fft", "win_length", "hop_length", "n_mels"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ConfigError(f"log-mel {name} must be a positive whole number, not {value!r}")
        if self.win_length > self.n_fft:
            raise ConfigError(f"log-mel win_length {self.win_length} is longer than n_fft {self.n_fft}")
        if self.centred and self.win_length != self.n_fft:
            raise ConfigError("a centred log-mel needs win_length equal to n_fft")
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.sample_rate_hz / 2:
            raise ConfigError(
                f"log-mel needs 0 <= fmin_hz < fmax_hz <= {self.sample_rate_hz / 2:g}, "
                f"not {self.fmin_hz:g} and {self.fmax_hz:g}"
            )
        if not self.log_offset > 0:
            raise ConfigError(f"log-mel log_offset must be above 0, not {self.log_offset!r}")
        choices = {
            "mel_scale": ("slaney", "htk"),
            "mel_norm": ("slaney", "none"),
            "log": ("power_db", "magnitude_ln"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"log-mel {name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}"
                )

    @property
    def edge_padding(self) -> int:
        """Samples of reflection added at either end."""
        return self.n_fft // 2 if self.centred else 0

    def n_frames(self, n_samples: int) -> int:
        """Number of frames of a clip of `n_samples`."""
        return 1 + (n_samples + 2 * self.edge_padding - self.win_length) // self.hop_length


CLAP_UNFUSED = LogMelSpec(
    48000, 1024, 1024, 480, 64, 50.0, 14000.0, "slaney", "slaney", "power_db", 1e-10, centred=True
)
"""LAION-CLAP without fusion: torchlibrosa's front end, inside the model."""
CLAP_FUSED = LogMelSpec(
    48000, 1024, 1024, 480, 64, 50.0, 14000.0, "htk", "none", "power_db", 1e-10, centred=True
)
"""LAION-CLAP with fusion: torchaudio's front end."""
STARTER = LogMelSpec(
    16000, 512, 400, 160, 64, 125.0, 7500.0, "htk", "none", "magnitude_ln", 1e-3, centred=False
)
"""The built-in bundle's, close to YAMNet's."""


def _hz_to_mel(hz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    # Slaney's Auditory Toolbox: 200/3 Hz a mel up to 1 kHz, then 27 mels to a factor of 6.4.
    linear = hz * 3.0 / 200.0
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(hz, 1e-9) / 1000.0) / np.log(6.4)
    return np.where(hz >= 1000.0, logarithmic, linear)


def _mel_to_hz(mel: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    return np.where(mel >= 15.0, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0), mel * 200.0 / 3.0)


def mel_filterbank(spec: LogMelSpec) -> NDArray[np.float32]:
    """Triangular filters with corners equally spaced on the mel scale.

    Returns: (n_fft // 2 + 1, n_mels) float32, non-negative. Same as `librosa.filters.mel` (transposed) for
        mel_scale and mel_norm "slaney", and as `torchaudio.functional.melscale_fbanks` for "htk" and "none".
    """
    fft_hz = np.linspace(0.0, spec.sample_rate_hz / 2, spec.n_fft // 2 + 1)
    ends = _hz_to_mel(np.array([spec.fmin_hz, spec.fmax_hz]), spec.mel_scale)
    corner_hz = _mel_to_hz(np.linspace(ends[0], ends[1], spec.n_mels + 2), spec.mel_scale)
    width_hz = np.diff(corner_hz)
    slope = corner_hz[None, :] - fft_hz[:, None]
    filters = np.maximum(0.0, np.minimum(-slope[:, :-2] / width_hz[:-1], slope[:, 2:] / width_hz[1:]))
    if spec.mel_norm == "slaney":
        filters *= 2.0 / (corner_hz[2:] - corner_hz[:-2])
    return filters.astype(np.float32)


def fit_clip(samples: Samples, clip_length: int, padding: Padding) -> Samples:
    """Bring a clip to the length that the encoder takes.

    A longer clip is cut behind. A shorter one is zero-padded behind; with "repeat" it is first repeated as
    often as it fits whole (LAION-CLAP's "repeatpad").

    samples: (n_samples,) float32, n_samples ≥ 1.
    Returns: (clip_length,) float32.
    """
    if len(samples) >= clip_length:
        return samples[:clip_length]
    times = clip_length // len(samples) if padding == "repeat" else 1
    clip = np.zeros(clip_length, np.float32)
    clip[: times * len(samples)] = np.tile(samples, times)
    return clip


def fit_window(samples: Samples, window_length: int, clip_length: int, padding: Padding) -> Samples:
    """Bring a window of the stream to the length that the encoder takes.

    A shorter one, all that a short file has, is first brought to the window's length in the same way, so that
    an encoder can rely on a clip's being whole windows.

    samples: (n_samples,) float32, 1 ≤ n_samples ≤ window_length ≤ clip_length.
    Returns: (clip_length,) float32.
    """
    return fit_clip(fit_clip(samples, window_length, padding), clip_length, padding)


class LogMelFrontEnd:
    """Log-mel of one clip.

    Args:
        spec: what to compute.
        dtype: float64 shows how much of a difference is rounding; numpy 1 computes its FFT in it anyway.
    """

    def __init__(self, spec: LogMelSpec, dtype: type[np.float32 | np.float64] = np.float32) -> None:
        self.spec = spec
        # The periodic window, as scipy.signal.get_window("hann") gives.
        phase = 2.0 * np.pi * np.arange(spec.win_length) / spec.win_length
        self._taper: NDArray[Any] = (0.5 - 0.5 * np.cos(phase)).astype(dtype)
        self._filters: NDArray[Any] = mel_filterbank(spec).astype(dtype)
        self._dtype = dtype

    def padded(self, clip: Samples) -> Samples:
        """The clip with its reflected ends: frame t is its `[t·hop_length, t·hop_length + win_length)`."""
        edge = self.spec.edge_padding
        return np.pad(clip, edge, mode="reflect") if edge else clip

    def frames_at(self, padded: Samples, starts: NDArray[np.intp]) -> LogMel:
        """Log-mel of the frames that begin at `starts`, positions in a `padded` clip.

        Returns: (len(starts), n_mels) float32.
        """
        spec = self.spec
        frames: NDArray[Any] = (
            np.lib.stride_tricks.sliding_window_view(padded, spec.win_length)[starts] * self._taper
        )
        spectrum = np.fft.rfft(frames, spec.n_fft)
        power: NDArray[Any] = np.square(spectrum.real) + np.square(spectrum.imag)
        if spec.log == "power_db":
            mel = power.astype(self._dtype, copy=False) @ self._filters
            log_mel = 10.0 * np.log10(np.maximum(mel, spec.log_offset))
        else:
            mel = np.sqrt(power).astype(self._dtype, copy=False) @ self._filters
            log_mel = np.log(mel + spec.log_offset)
        return np.asarray(log_mel, np.float32)

    def __call__(self, clip: Samples) -> LogMel:
        """Compute all frames.

        clip: (n_samples,) float32 in [-1, 1], at least `win_length` long (more than n_fft // 2 if centred).
        Returns: (spec.n_frames(n_samples), n_mels) float32.
        """
        starts = np.arange(self.spec.n_frames(len(clip))) * self.spec.hop_length
        return self.frames_at(self.padded(clip), starts)


class StreamingLogMel:
    """Log-mel of successive windows, computing only the frames that a hop adds.

    A frame depends on its samples alone, so one that the window before held already is taken from there.
    Those that touch a reflected end or a seam of repeat-padding are other samples in each window and are
    computed anew; so is everything after a window that is not exactly a hop later (a gap, a window gated as
    quiet). Equal to `LogMelFrontEnd` of the fitted window to 1e-5.

    Args:
        spec: what to compute.
        window_length: samples of a window.
        clip_length: samples that the encoder takes; a shorter window is padded to it.
        window_hop: samples between windows.
        padding: how a shorter window is padded.
    """

    def __init__(
        self, spec: LogMelSpec, window_length: int, clip_length: int, window_hop: int, padding: Padding
    ) -> None:
        self._front_end = LogMelFrontEnd(spec)
        self._window_length = window_length
        self._clip_length = clip_length
        self._window_hop = window_hop
        self._padding = padding
        offsets = _offsets_in_window(spec, window_length, clip_length, padding)
        at_offset = {int(offset): frame for frame, offset in enumerate(offsets) if offset >= 0}
        # reuse[t] is the frame of the window before that has the same samples as frame t of this one.
        reuse = np.array([at_offset.get(int(o) + window_hop, -1) if o >= 0 else -1 for o in offsets], np.intp)
        # Frames that repeat one another within a window are computed once; `copies` maps the others to it.
        self._first = np.array([at_offset[int(o)] if o >= 0 else t for t, o in enumerate(offsets)], np.intp)
        distinct = self._first == np.arange(len(offsets))
        self._reused = np.flatnonzero(distinct & (reuse >= 0))
        self._reused_from = reuse[self._reused]
        self._computed = np.flatnonzero(distinct & (reuse < 0))
        self._distinct = np.flatnonzero(distinct)
        self._previous: LogMel | None = None
        self._previous_start = 0

    def __call__(self, window: Window) -> LogMel:
        """Log-mel of a window.

        A window of another length than `window_length` (a file shorter than that) is padded to the clip and
        computed whole.

        Returns: (n_frames of the clip, n_mels) float32, not to be written to.
        """
        if len(window.samples) != self._window_length:
            clip = fit_window(window.samples, self._window_length, self._clip_length, self._padding)
            return self._front_end(clip)
        spec = self._front_end.spec
        padded = self._front_end.padded(fit_clip(window.samples, self._clip_length, self._padding))
        follows = window.start_sample == self._previous_start + self._window_hop
        log_mel = np.empty((len(self._first), spec.n_mels), np.float32)
        if self._previous is not None and follows:
            log_mel[self._reused] = self._previous[self._reused_from]
            fresh = self._computed
        else:
            fresh = self._distinct
        log_mel[fresh] = self._front_end.frames_at(padded, fresh * spec.hop_length)
        log_mel = log_mel[self._first]
        self._previous, self._previous_start = log_mel, window.start_sample
        return log_mel


def _offsets_in_window(
    spec: LogMelSpec, window_length: int, clip_length: int, padding: Padding
) -> NDArray[np.intp]:
    """Where in the window each frame of the fitted clip begins; -1 if it isn't the window's samples alone."""
    starts = np.arange(spec.n_frames(clip_length)) * spec.hop_length - spec.edge_padding
    length = min(window_length, clip_length)
    times = clip_length // length if padding == "repeat" else 1
    repetition, offset = np.divmod(starts, length)
    whole = (offset + spec.win_length <= length) & (repetition >= 0) & (repetition < times)
    return np.where(whole, offset, -1).astype(np.intp)
