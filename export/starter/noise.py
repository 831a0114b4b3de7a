"""Generated noise, hum and room tone, by numpy alone.

They have no voices or instruments to hold out. Their held-out part takes slopes, bands, rates and fan speeds
from stretches of each range that training leaves out; white, pink and brown noise and mains frequency are
what they are, in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.types import Samples
from export.starter.parts import Part
from export.starter.programs import SAMPLE_RATE_HZ

_WHOLE_BAND_HZ = (20.0, 8000.0)


def noise_clips(n_samples: int, rngs: Sequence[Generator], part: Part) -> Iterator[tuple[str, Samples]]:
    """White, pink, brown, of any slope, band-limited, or slowly wandering in level.

    Wandering stays within a few dB and keeps its colour: gusts that whistle would be wind, a label.

    Yields: how it was made, and (n_samples,) float32 of unit RMS or about it; one clip for each generator.
    """
    for rng in rngs:
        style = str(rng.choice(["white", "pink", "brown", "sloped", "band", "wandering"]))
        exponent = {"white": 0.0, "pink": 1.0, "brown": 2.0}.get(style)
        if exponent is None:
            exponent = _draw(rng, 0.0, 2.0, part)
        band_hz = _WHOLE_BAND_HZ
        if style == "band":
            low_hz = 50.0 * 2.0 ** _draw(rng, 0.0, 6.0, part)
            band_hz = (low_hz, min(low_hz * 2.0 ** _draw(rng, 0.5, 3.5, part), 8000.0))
        noise = _shaped_noise(n_samples, exponent, band_hz, rng)
        if style == "wandering":
            noise = noise * _slow_change(n_samples, _draw(rng, 0.3, 2.0, part), 3.0, rng)
        yield f"{style} 1/f^{exponent:.2f} {band_hz[0]:.0f}-{band_hz[1]:.0f} Hz", noise.astype(np.float32)


def hum_clips(n_samples: int, rngs: Sequence[Generator], part: Part) -> Iterator[tuple[str, Samples]]:
    """Mains hum (50 or 60 Hz and harmonics) or a fan (blade tones in broad noise), in faint noise.

    Yields: as `noise_clips`.
    """
    for rng in rngs:
        style = str(rng.choice(["50 Hz", "60 Hz", "fan"]))
        fall = _draw(rng, 0.3, 2.0, part)
        if style == "fan":
            base_hz = 40.0 * 2.0 ** _draw(rng, 0.0, 3.0, part)
            noise_db = float(rng.uniform(-6.0, 12.0))
        else:
            base_hz, noise_db = float(style[:2]), float(rng.uniform(-45.0, -10.0))
        tones = _partials(n_samples, base_hz, fall, int(rng.integers(4, 40)), rng)
        tones *= _slow_change(n_samples, 1.0, float(rng.uniform(0.0, 3.0)), rng)
        exponent = _draw(rng, 0.5, 2.0, part)
        noise = _shaped_noise(n_samples, exponent, _WHOLE_BAND_HZ, rng) * 10.0 ** (noise_db / 20.0)
        name = "fan" if style == "fan" else "mains"
        source = f"{name} {base_hz:.1f} Hz 1/n^{fall:.2f}, noise {noise_db:+.0f} dB"
        yield source, (tones + noise).astype(np.float32)


def quiet_clips(n_samples: int, rngs: Sequence[Generator], part: Part) -> Iterator[tuple[str, Samples]]:
    """Room tone: noise of any colour, now and then with a trace of hum; its level is what makes it quiet.

    Yields: as `noise_clips`.
    """
    for rng in rngs:
        exponent = _draw(rng, 0.0, 2.2, part)
        tone = _shaped_noise(n_samples, exponent, _WHOLE_BAND_HZ, rng)
        source = f"room tone 1/f^{exponent:.2f}"
        if rng.random() < 0.3:
            mains_hz = float(rng.choice([50.0, 60.0]))
            trace = _partials(n_samples, mains_hz, 1.0, 12, rng)
            tone = tone + trace * 10.0 ** (rng.uniform(-20.0, 3.0) / 20.0)
            source += f" and {mains_hz:.0f} Hz"
        yield source, tone.astype(np.float32)


def _draw(rng: Generator, low: float, high: float, part: Part) -> float:
    """Uniform over the range's second and sixth eighth if held out, over the other eighths if not.

    Of these two, calibration has the outer halves, and tests the inner ones.
    """
    if part in ("calibration", "test"):
        sixteenth = int(rng.choice([2, 11] if part == "calibration" else [3, 10]))
        return low + (high - low) * (sixteenth + float(rng.random())) / 16.0
    eighth = int(rng.choice([1, 5] if part == "heldout" else [0, 2, 3, 4, 6, 7]))
    return low + (high - low) * (eighth + float(rng.random())) / 8.0


def _shaped_noise(
    n_samples: int, exponent: float, band_hz: tuple[float, float], rng: Generator
) -> NDArray[np.float64]:
    """Unit RMS; power goes as 1/f^exponent within the band and fades at 24 dB an octave outside."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    fft_hz = np.fft.rfftfreq(n_samples, 1.0 / SAMPLE_RATE_HZ)
    fft_hz[0] = fft_hz[1]
    gain = np.maximum(fft_hz, 20.0) ** (-exponent / 2.0)
    gain *= np.minimum(1.0, (fft_hz / band_hz[0]) ** 4) * np.minimum(1.0, (band_hz[1] / fft_hz) ** 4)
    spectrum *= gain
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, n_samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def _slow_change(n_samples: int, rate_hz: float, depth_db: float, rng: Generator) -> NDArray[np.float64]:
    """A gain that wanders at about `rate_hz` with a standard deviation of `depth_db`."""
    n_knots = max(int(n_samples / SAMPLE_RATE_HZ * rate_hz) + 2, 3)
    knots_db = rng.normal(0.0, depth_db, n_knots)
    gain_db = np.interp(np.linspace(0.0, n_knots - 1, n_samples), range(n_knots), knots_db)
    return np.asarray(10.0 ** (gain_db / 20.0))


def _partials(
    n_samples: int, base_hz: float, fall: float, n_partials: int, rng: Generator
) -> NDArray[np.float64]:
    """Harmonics of `base_hz` that fall as 1/n^fall give or take 8 dB, of unit RMS."""
    # Neither the mains nor a motor holds its frequency: a drift of some hundredths of a per cent.
    drift = np.cumsum(rng.normal(0.0, 1.0, n_samples)) * 2e-7
    phase = 2.0 * np.pi * np.cumsum(base_hz * (1.0 + drift)) / SAMPLE_RATE_HZ
    tones = np.zeros(n_samples)
    for n in range(1, n_partials + 1):
        if n * base_hz >= 7500.0:
            break
        amplitude = n**-fall * 10.0 ** (rng.normal(0.0, 8.0) / 20.0)
        tones += amplitude * np.sin(n * phase + rng.uniform(0.0, 2.0 * np.pi))
    return np.asarray(tones / np.sqrt(np.mean(tones**2)))
